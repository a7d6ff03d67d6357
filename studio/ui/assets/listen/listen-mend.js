// What was transcribed, corrected by a typing model: a column of its own, where a person has chosen one.

import { diffed } from "../diff.js";
import { latency, unwritten } from "./heard-columns.js";
import { make, request } from "../studio.js";

const STARTER = "typing-starter";
const CHOICE = "studio.listen.mend"; // what this browser remembers

export class Mending {
  /** `textOf(entry)` is the text of an utterance that is to be corrected. */
  constructor(root, textOf) {
    this.choice = root.querySelector(".li-mend");
    this.section = root.querySelector(".li-columns");
    this.textOf = textOf;
    this.choice.onchange = () => {
      localStorage.setItem(CHOICE, this.choice.value);
      if (this.entry) this.show(this.entry);
    };
  }

  /** Fill the choice: nothing, the bundled model, the runs on typing. */
  async load() {
    const runs = await request("typing/runs");
    const option = (value, text) => make("option", { value }, text);
    const names = runs.map(({ name }) => option(name, name));
    this.choice.replaceChildren(option("", "nothing"), option(STARTER, "the typing starter"), ...names);
    this.choice.value = localStorage.getItem(CHOICE) ?? "";
    if (this.choice.selectedIndex < 0) this.choice.value = "";
  }

  /** Put the column next to those of `entry`, or take it away. */
  async show(entry) {
    this.entry = entry;
    const by = this.choice.value;
    const text = this.textOf(entry);
    this.#lay(by ? this.#column(by, make("p", { class: "li-text li-waiting" }, "Correcting …")) : null);
    if (!by) return;
    const body = text ? await this.#corrected(by, text) : make("p", { class: "li-text" }, unwritten());
    if (entry === this.entry && by === this.choice.value) this.#lay(this.#column(by, body));
  }

  async #corrected(by, text) {
    const asked = by === STARTER ? { text, model: STARTER } : { text, run: by };
    try {
      /** @type {Server.Mended} */
      const { before, after, edits_before, edits_after } = await request("listen/mend", { body: asked });
      const [found, edits] = after ? [after, edits_after] : [before, edits_before];
      const isChanged = edits.some(({ kind }) => kind !== "equal");
      return make(
        "div",
        { class: "li-reading" },
        make("p", { class: "li-text" }, isChanged ? diffed(edits, "after") : found.text),
        make("p", { class: "li-figures st-quiet st-small st-number" }, `took ${latency(found.latency)}`),
      );
    } catch (error) {
      return make("p", { class: "st-message bad", role: "alert" }, error.message);
    }
  }

  #column(by, body) {
    const name = by === STARTER ? "the typing starter" : by;
    const head = make(
      "header",
      {},
      make("h2", {}, "Corrected"),
      make("span", { class: "li-who st-quiet st-small" }, name),
    );
    return make("article", { class: "st-card li-side li-corrected" }, head, body);
  }

  #lay(column) {
    this.section.querySelector(".li-corrected")?.remove();
    if (column) this.section.append(column);
    this.section.style.setProperty("--columns", this.section.children.length);
  }
}
