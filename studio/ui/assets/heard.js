// Utterances of this visit: the one on show, before and after, with its correction; and all of them to hear again.

import { diffed } from "./diff.js";
import { play, silence } from "./player.js";
import { icon, make, request, seconds, studio } from "./studio.js";

/** `fields` as a form to send. */
export function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

const NOTHING = "(nothing)";
const NEVER_MEASURES = "A clip kept here trains the next run; it never enters the test split.";
const latency = (value) => (value < 1 ? `${Math.max(1, Math.round(1000 * value))} ms` : `${value.toFixed(1)} s`);
const unwritten = () => make("span", { class: "st-quiet" }, NOTHING);

function figures({ latency: taken, confidence }) {
  const parts = [`read in ${latency(taken)}`];
  if (confidence !== null) parts.push(`confidence ${Math.round(100 * confidence)} %`);
  return parts.join(" · ");
}

/** An entry is `{ sound, address, run, model, dataset, heard }`: a blob and its address, who read it, what was read.
 *  `onShow(entry)` is called when an entry comes on show, `onProgress(share)` while it plays. */
export class Utterances {
  #entries = []; // the newest first
  #shown = null;

  constructor(root, { onShow, onProgress }) {
    this.$ = (selector) => root.querySelector(selector);
    Object.assign(this, { onShow, onProgress });
    this.$(".li-keep").onsubmit = (event) => {
      event.preventDefault();
      this.#act(this.#shown, (entry) => this.#keep(entry));
    };
    this.$(".li-said").oninput = (event) => (this.#shown.text = event.target.value);
    this.$(".li-replay").onclick = () => this.#play(this.#shown, this.$(".li-replay"));
  }

  /** A new utterance, on show at once. */
  add(entry) {
    const { before, after } = entry.heard;
    this.#entries.unshift({ ...entry, text: (after ?? before).text, kept: null, trouble: null });
    this.#show(this.#entries[0]);
  }

  #show(entry) {
    this.#shown = entry;
    this.#sides(entry);
    this.$(".li-keep").hidden = this.$(".li-replay").disabled = false;
    this.$(".li-said").value = entry.text;
    this.#told();
    this.#list();
    this.onShow(entry);
  }

  #sides({ heard: { before, after, edits }, model, run }) {
    const differs = edits.some(({ kind }) => kind !== "equal");
    const side = (name, who, hypothesis) => {
      const words = differs ? diffed(edits, name) : hypothesis.text;
      this.$(`.li-${name} .li-text`).replaceChildren(hypothesis.text ? words : unwritten());
      this.$(`.li-${name} .li-text`).classList.remove("li-waiting");
      this.$(`.li-${name} .li-who`).textContent = who;
      this.$(`.li-${name} .li-figures`).textContent = figures(hypothesis);
    };
    side("before", model, before);
    if (after) side("after", run, after);
    this.$(".li-key").hidden = !differs;
  }

  /** Do what a press asked for; what goes wrong stands beside the button. */
  async #act(entry, action) {
    entry.trouble = null;
    this.$(".li-save").disabled = true;
    await action(entry).catch((error) => (entry.trouble = error));
    this.#told();
    this.#list();
  }

  async #keep(entry) {
    const { sound, text, run, dataset } = entry;
    entry.kept = await request("listen/keep", { body: form({ sound, text, run, dataset }) });
    entry.text = entry.kept.text;
    studio.changed();
  }

  async #undo(entry) {
    const { kept, run, dataset } = entry;
    await request("listen/undo", { body: form({ id: kept.id, run, dataset }) });
    entry.kept = null;
    studio.changed();
  }

  async #play(entry, button) {
    try {
      await play(button, entry.address, entry === this.#shown ? this.onProgress : undefined);
    } catch (error) {
      this.#shown.trouble = error;
      this.#told();
    }
  }

  /** What became of the correction on show. */
  #told() {
    const { kept, trouble } = this.#shown;
    this.$(".li-said").readOnly = this.$(".li-save").disabled = kept !== null;
    const undo = () => make("button", { type: "button", class: "st-button small plain", onclick: () => this.#act(this.#shown, (entry) => this.#undo(entry)) }, icon("undo"), "Undo");
    this.$(".li-kept").classList.toggle("bad", trouble !== null);
    this.$(".li-kept").classList.toggle("good", kept !== null && trouble === null);
    this.$(".li-kept").replaceChildren(...(trouble ? [icon("warning"), trouble.message] : kept ? [icon("check"), kept.said, undo()] : [NEVER_MEASURES]));
  }

  #list() {
    silence(); // the buttons are made anew
    this.$(".li-past").hidden = this.#entries.length < 2;
    this.$(".li-utterances").replaceChildren(...this.#entries.map((entry) => this.#line(entry)));
  }

  #line(entry) {
    const { before, after } = entry.heard;
    const written = (after ?? before).text;
    const hear = make("button", { type: "button", class: "st-button small square plain", "aria-label": `Play “${written || NOTHING}”` }, icon("play"));
    hear.onclick = () => this.#play(entry, hear);
    const text = make("button", { type: "button", class: "li-line", "aria-current": entry === this.#shown ? "true" : null, onclick: () => this.#show(entry) });
    text.append(written || unwritten());
    const mark = entry.kept && make("span", { class: "st-pill good" }, "kept");
    return make("li", {}, hear, text, mark, make("span", { class: "st-quiet st-small st-number" }, seconds(before.seconds)));
  }
}
