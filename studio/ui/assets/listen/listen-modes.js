// Two ways to speak: hold a button, or hands-free. Which one, and how turns end, this browser remembers.

import { HandsFree } from "./handsfree.js";
import { HoldToTalk } from "./hold.js";
import { isPlaying } from "../sound/player.js";
import { SENSITIVITY, SILENCE } from "./turns.js";

const SPARE = 0.5; // seconds less than the model hears: what was kept from before the turn
const LONGEST = 30; // seconds, of a turn

const remembered = (name, usual) => localStorage.getItem(`studio.listen.${name}`) ?? usual;
const remember = (name, value) => localStorage.setItem(`studio.listen.${name}`, value);

/** Both ways, one at a time; `on` as `HoldToTalk` and `HandsFree` call it, and `on.mode(name)`. */
export class Modes {
  /** Seconds that the selected model takes whole. */
  hears = LONGEST;

  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.$ = (selector) => root.querySelector(selector);
    this.hold = new HoldToTalk(this.$(".li-hold"), () => this.longest, on);
    this.free = new HandsFree(this.$(".li-listen"), () => this.settings, { ...on, isHeld: () => this.#isHeld() });
    this.#range(".li-silence", "silence", SILENCE, (value) => `${value.toFixed(1)} s`);
    this.#range(".li-sensitivity", "sensitivity", SENSITIVITY, (value) => `${value} of ${SENSITIVITY.most}`);
    for (const radio of root.querySelectorAll(".li-mode input")) {
      radio.checked = radio.value === remembered("mode", "hold");
      radio.onchange = () => this.#choose(radio.value);
    }
    this.#show();
  }

  get name() {
    return this.$(".li-mode input:checked").value;
  }

  /** The way that is chosen now. */
  get talk() {
    return this.name === "free" ? this.free : this.hold;
  }

  /** Seconds that a turn may last. */
  get longest() {
    return Math.min(LONGEST, this.hears) - SPARE;
  }

  get settings() {
    return {
      silence: this.$(".li-silence").valueAsNumber,
      sensitivity: this.$(".li-sensitivity").valueAsNumber,
      longest: this.longest,
    };
  }

  /** Let the microphone go. */
  close() {
    this.hold.close();
    this.free.close();
  }

  #choose(name) {
    this.close();
    remember("mode", name);
    this.#show();
  }

  #show() {
    const isFree = this.name === "free";
    this.$(".li-hold").hidden = isFree;
    this.$(".li-listen").hidden = this.$(".li-turns").hidden = !isFree;
    this.on.mode(this.name);
  }

  #range(selector, name, { least, most, usual }, write) {
    const field = this.$(selector);
    Object.assign(field, { min: least, max: most, value: remembered(name, usual) });
    const show = () => {
      field.setAttribute("aria-valuetext", write(field.valueAsNumber));
      this.$(`${selector}-value`).textContent = write(field.valueAsNumber);
    };
    field.oninput = () => {
      show();
      remember(name, field.value);
      this.free.set();
    };
    show();
  }

  /** The loudspeaker would be heard as a turn, and so might the keyboard. */
  #isHeld() {
    return isPlaying() || !!document.activeElement?.matches("textarea, input[type=text]:not(:read-only)");
  }
}
