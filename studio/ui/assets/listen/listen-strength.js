// How strongly the main run’s adapter acts, from the base model to what was trained: tried here, and kept if wanted.

import { request } from "../studio.js";

const PAUSE = 400; // ms
const percent = (share) => `${Math.round(100 * share)} %`;

export class Strength {
  /** @type {Server.TestableRun | null} */
  #run = null;

  /** `onTried()` when another strength is to be heard; `onKept(text)` once it is the run's. */
  constructor(root, { onTried, onKept, onFailed }) {
    this.box = root.querySelector(".li-strong");
    this.slider = root.querySelector(".li-strength");
    this.value = root.querySelector(".li-strength-value");
    this.keep = root.querySelector(".li-strength-keep");
    this.onKept = onKept;
    this.onFailed = onFailed;
    this.slider.oninput = () => this.#tell();
    this.slider.onchange = () => {
      clearTimeout(this.timer); // of several presses of a key only the last is heard
      this.timer = setTimeout(onTried, PAUSE);
    };
    this.keep.onclick = () => this.#keep();
  }

  /** As the field of a request; none where the adapter acts as it is kept. */
  get fields() {
    const kept = this.#run?.strength;
    return kept && this.#isOther ? { strength: this.#chosen / kept } : {};
  }

  /** Another main run, or none: its own strength. */
  show(run) {
    this.#run = run;
    this.box.hidden = !run?.strength;
    if (run?.strength) this.slider.value = run.strength;
    this.#tell();
  }

  get #chosen() {
    return Number(this.slider.value);
  }

  get #isOther() {
    return Math.abs(this.#chosen - (this.#run?.strength ?? 1)) > 0.001;
  }

  #tell() {
    this.value.textContent = this.#chosen ? percent(this.#chosen) : "0 %: the base model";
    this.slider.setAttribute("aria-valuetext", this.value.textContent);
    this.keep.hidden = !this.#isOther || !this.#chosen;
  }

  async #keep() {
    const run = /** @type {Server.TestableRun} */ (this.#run); // without one there is no button
    const strength = this.#chosen;
    try {
      const { notice } = await request("listen/strength", { body: { run: run.name, strength } });
      this.show({ ...run, strength });
      this.slider.focus(); // the button is gone
      this.onKept(`“${run.name}” acts at ${percent(strength)} of its strength from now on, exports too. ${notice}`);
    } catch (error) {
      this.onFailed(error);
    }
  }
}
