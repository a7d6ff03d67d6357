// Utterances of this visit: the one on show, by every model, with what became of it; and all of them to hear again.

import { Columns, unwritten } from "./heard-columns.js";
import { Verdicts } from "./heard-verdicts.js";
import { play, silence } from "../sound/player.js";
import { form, icon, make, request, seconds, studio } from "../studio.js";

const NOTHING = "(nothing)";
const written = ({ heard }) => (heard ? best(heard) : "");

/** The text that is offered as the right one: of the tab's main run, with key terms where there are any. */
export function best({ columns }) {
  const { plain, biased } = columns[1] ?? columns[0];
  return (biased ?? plain).text;
}

/** An entry is `{ sound, address, run, model, dataset, heard, text, verdict, kept, trouble }`: a blob and its address,
 *  who read it, what was read (null where it could not be), the field's text, “right”, “wrong” or null, the clip.
 *  `onShow(entry)` is called when one comes on show, `onProgress(share)` while it plays,
 *  `onAgain(entry)` to transcribe it again. */
export class Utterances {
  #entries = []; // the newest first
  /** @type {any} */
  #shown; // once there is one

  constructor(root, { onShow, onProgress, onAgain }) {
    this.$ = (selector) => root.querySelector(selector);
    this.onShow = onShow;
    this.onProgress = onProgress;
    this.onAgain = onAgain;
    this.columns = new Columns(this.$(".li-columns"), (text) => this.#take(text));
    this.verdicts = new Verdicts(root, (name) => this.#judge(name));
    this.$(".li-keep").onsubmit = (event) => {
      event.preventDefault();
      this.#judge("keep");
    };
    this.$(".li-said").oninput = ({ target }) => (this.#shown.text = target.value);
    this.$(".li-replay").onclick = () => this.#play(this.#shown, this.$(".li-replay"));
    this.$(".li-again").onclick = () => this.onAgain(this.#shown);
  }

  /** A new utterance; shown at once, unless another one is being corrected. */
  add(/** @type {Record<string, any> & { heard?: Server.UtteranceHypotheses | null }} */ fields) {
    const entry = { heard: null, text: "", verdict: null, truth: null, kept: null, trouble: null, ...fields };
    entry.text = written(entry);
    this.#entries.unshift(entry);
    if (entry.heard && !this.#isCorrecting) this.#show(entry);
    else this.#list();
    return entry;
  }

  /** An utterance was transcribed again: what the person wrote or judged stays. */
  renew(entry, fields) {
    const isUntouched = entry.text === written(entry) && !entry.verdict;
    Object.assign(entry, fields);
    if (isUntouched) entry.text = written(entry);
    this.#show(entry);
  }

  /** Nothing on show is by `model` and the runs named `runs`: say what will be. */
  wait(model, runs) {
    if (!this.#shown) this.columns.wait(model, runs);
  }

  get #isCorrecting() {
    return document.activeElement === this.$(".li-said") && !this.$(".li-said").readOnly;
  }

  #show(entry) {
    this.#shown = entry;
    this.columns.show(entry.heard);
    const [base, after] = entry.heard.columns;
    this.$(".li-key").hidden = !(after ?? base).edits.some(({ kind }) => kind !== "equal");
    this.$(".li-keep").hidden = this.$(".li-replay").disabled = this.$(".li-again").disabled = false;
    this.$(".li-said").value = entry.text;
    this.#changed();
    this.onShow(entry);
  }

  #take(text) {
    if (this.#shown.kept) return;
    this.#shown.text = this.$(".li-said").value = text;
    this.$(".li-said").focus();
  }

  /** What a press of a button or a key asked for; what goes wrong is shown next to it. */
  async #judge(name) {
    const entry = this.#shown;
    if (!entry?.heard) return;
    entry.trouble = null;
    this.$(".li-save").disabled = true;
    const deed = { right: this.#right, wrong: this.#wrong, keep: this.#keep, undo: this.#undo }[name];
    try {
      await deed.call(this, entry);
    } catch (error) {
      entry.trouble = error;
    }
    this.#changed();
  }

  #right(entry) {
    if (entry.verdict || entry.kept) return;
    Object.assign(entry, { verdict: "right", truth: entry.text });
  }

  #wrong(entry) {
    if (entry.kept) return;
    Object.assign(entry, { verdict: "wrong", truth: null });
    const field = this.$(".li-said");
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  async #keep(entry) {
    const { sound, text, run, dataset } = entry;
    if (entry.kept) return;
    entry.kept = await request("listen/keep", { body: form({ sound, text, run: run[0] ?? "", dataset }) });
    entry.text = entry.truth = entry.kept.text;
    entry.verdict = entry.text === best(entry.heard) ? "right" : "wrong";
    // the keys work again
    if (entry === this.#shown && document.activeElement === this.$(".li-said")) this.verdicts.leave();
    studio.changed();
  }

  async #undo(entry) {
    const { kept, run, dataset } = entry;
    if (kept) await request("listen/undo", { body: form({ id: kept.id, run: run[0] ?? "", dataset }) });
    Object.assign(entry, { kept: null, verdict: null, truth: null });
    if (kept) studio.changed();
  }

  async #play(entry, button) {
    try {
      await play(button, entry.address, entry === this.#shown ? this.onProgress : undefined);
    } catch (error) {
      entry.trouble = error;
      this.#changed();
    }
  }

  /** What became of the utterance on show, and of all. */
  #changed() {
    if (this.#shown) this.verdicts.show(this.#shown);
    this.verdicts.count(this.#entries.filter(({ heard }) => heard));
    this.#list();
  }

  #list() {
    silence(); // the buttons are made anew
    this.$(".li-past").hidden = this.#entries.length < 2 && this.#entries.every(({ heard }) => heard);
    this.$(".li-utterances").replaceChildren(...this.#entries.map((entry) => this.#line(entry)));
  }

  #line(entry) {
    const { heard } = entry;
    const name = heard ? written(entry) || NOTHING : "not transcribed";
    const hear = make("button", {
      type: "button",
      class: "st-button small square plain",
      "aria-label": `Play “${name}”`,
    }, icon("play"));
    hear.onclick = () => this.#play(entry, hear);
    const show = () => (heard ? this.#show(entry) : this.onAgain(entry));
    const text = make("button", {
      type: "button",
      class: "li-line",
      "aria-current": entry === this.#shown ? "true" : null,
      onclick: show,
    });
    text.append(
      heard ? written(entry) || unwritten() : `Not transcribed: ${entry.trouble?.message ?? ""} Press to try again.`,
    );
    const mark = entry.kept ? "kept" : entry.verdict;
    const pill = mark && make("span", { class: `st-pill ${mark === "wrong" ? "look" : "good"}` }, mark);
    return make(
      "li",
      {},
      hear,
      text,
      pill,
      make("span", { class: "st-quiet st-small st-number" }, heard ? seconds(heard.columns[0].plain.seconds) : ""),
    );
  }
}
