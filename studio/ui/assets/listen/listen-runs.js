// Which runs transcribe: the tab's main run, and up to three more, all of one base model.

import { called, icon, make, request, studio } from "../studio.js";

const MOST = 4; // as in studio/models/multi_adapter.py
const percent = (share) => `${(100 * share).toFixed(1)} %`;

export class Runs {
  /** @type {Server.TestableRun[]} */
  #all = [];
  #compared = []; // names
  #shown; // the tab's main run; undefined before the first

  /** `onMain(run)` when the tab's main run changes, or goes; `onChange()` when the others change; `onTold(text)`. */
  constructor(root, { onMain, onChange, onTold }) {
    this.onMain = onMain;
    this.onChange = onChange;
    this.onTold = onTold;
    this.$ = (selector) => root.querySelector(selector);
    this.$(".li-runs").onchange = ({ target }) => studio.chooseRun(target.value, this.main?.model);
    studio.on("run", root, () => this.#pick());
    this.$(".li-add").onchange = ({ target }) => this.#set([...this.#compared, target.value]);
  }

  /** The tab's main run; null before there is one. */
  get main() {
    return this.#all.find(({ name }) => name === this.$(".li-runs").value) ?? null;
  }

  /** The runs, as the fields of a request. */
  get fields() {
    const main = this.main;
    return main ? { run: [main.name, ...this.#compared], model: main.model } : { run: [], model: studio.model() };
  }

  /** Read the list again, and show the run that every tab shows. */
  async load() {
    const picker = this.$(".li-runs");
    this.#all = await request("listen/runs");
    const options = this.#all.map(({ name }) => make("option", { value: name }, name));
    const none = options.length ? "No run of this base model yet" : "No run has finished yet";
    picker.replaceChildren(make("option", { value: "", disabled: true }, none), ...options);
    picker.disabled = !options.length;
    this.#pick();
  }

  /** Show the run that every tab shows: of the base model that is chosen everywhere, or that model alone. */
  #pick() {
    const shown = studio.shownRun(this.#all);
    const picker = this.$(".li-runs");
    picker.value = shown?.name ?? "";
    picker.options[0].hidden = !!shown;
    studio.follow(shown?.model);
    this.#chosen();
  }

  #chosen() {
    const main = this.main;
    if (main?.name !== this.#shown?.name || this.#shown === undefined) {
      this.#shown = main;
      this.$(".li-about").textContent = main
        ? about(main)
        : this.#all.length
        ? "Only the base model transcribes; choose a run to compare it with."
        : "";
      this.onMain(main);
    }
    this.#set(this.#compared);
  }

  /** Compare `names` with the main run, without those that cannot be compared any more. */
  #set(names) {
    const possible = names.filter((name) => name && !this.#hindrance(this.#all.find((run) => run.name === name), []));
    const gone = names.filter((name) => !possible.includes(name) && name !== this.main?.name);
    this.#compared = possible;
    this.#offer();
    this.onChange();
    if (gone.length) {
      this.onTold(
        `Not compared any more: ${gone.map((name) => `“${name}”`).join(", ")} (deleted, or of another base model).`,
      );
    }
  }

  /** Why `run` cannot be compared with the others; empty where it can. */
  #hindrance(run, compared = this.#compared) {
    const { main } = this;
    if (!main) return "first choose a run above";
    if (!run || run.name === main.name) return "is the run above";
    if (run.model !== main.model) return `other base: ${run.model}`;
    if (compared.includes(run.name)) return "is compared";
    return compared.length >= MOST - 1 ? `${MOST} at most` : "";
  }

  #offer() {
    const others = this.#all.filter(({ name }) => name !== this.main?.name);
    const first = make("option", { value: "" }, others.length ? "Add a run …" : "No other run yet");
    const options = others.map((run) => {
      const hindrance = this.#hindrance(run);
      return make(
        "option",
        { value: run.name, disabled: hindrance !== "" },
        hindrance ? `${run.name} (${hindrance})` : run.name,
      );
    });
    this.$(".li-add").replaceChildren(first, ...options);
    this.$(".li-add").disabled = !others.length;
    this.$(".li-compared").replaceChildren(...this.#compared.map((name) => this.#chip(name)));
  }

  #chip(name) {
    const drop = () => {
      this.#set(this.#compared.filter((other) => other !== name));
      this.$(".li-add").focus();
    };
    return make(
      "li",
      { class: "st-pill" },
      name,
      make(
        "button",
        { type: "button", class: "li-drop", "aria-label": `Stop comparing ${name}`, onclick: drop },
        icon("close"),
      ),
    );
  }
}

function about({ model, dataset, before, after, rate, strength }) {
  const wer = after === null
    ? ""
    : before === null
    ? ` · ${rate} ${percent(after)}`
    : ` · ${rate} ${percent(before)} → ${percent(after)}`;
  const weaker = strength === null || strength > 0.999
    ? ""
    : ` · adapter at ${Math.round(100 * strength)}\u00a0% of its strength`;
  return `${called(model)}${dataset ? `, fine-tuned on ${dataset}` : ""}${wer}${weaker}`;
}
