// The same utterance by each model, side by side: the base first, then each run, without and with key terms.

import { diffed } from "../diff.js";
import { writer } from "./heard-words.js";
import { called, make } from "../studio.js";

const NOTHING = "(nothing)";
const WAITING = {
  base: "What the base model writes will appear here.",
  run: "What the fine-tuned model writes will appear here.",
  none: "What your own model writes will appear here once a run has finished: record some clips, then press Start in " +
    "the Train tab.",
};
export const latency = (value) => (value < 1 ? `${Math.max(1, Math.round(1000 * value))} ms` : `${value.toFixed(1)} s`);
const factor = (value) => (value < 0.1 ? value.toPrecision(1) : value.toFixed(2));
export const unwritten = () => make("span", { class: "st-quiet" }, NOTHING);

/** The columns of `section`. `onTake(text)` is called when one text is wanted as the right one. */
export class Columns {
  constructor(section, onTake) {
    this.section = section;
    this.onTake = onTake;
  }

  /** Nothing is transcribed yet by `model` and the runs named `runs`. */
  wait(model, runs) {
    const says = (text) => make("div", { class: "li-readings" }, make("p", { class: "li-text li-waiting" }, text));
    const more = runs.length
      ? runs.map((run) => this.#column(run, runs, says(WAITING.run)))
      : [this.#column("", ["?"], says(WAITING.none), "After")];
    this.#lay([this.#column("", runs, says(WAITING.base), "Before", model), ...more]);
  }

  /** Show what was `heard`. */
  show(/** @type {Server.UtteranceHypotheses} */ { model, columns }) {
    const runs = columns.slice(1).map(({ run }) => run);
    const isMany = columns.length > 2 || columns[0].biased !== null;
    const made = columns.map((column) => {
      const edits = column.run ? [column.edits, "after"] : [runs.length === 1 ? columns[1].edits : [], "before"];
      const readings = [this.#reading(column.plain, ...edits, column.biased && "Without key terms", isMany)];
      if (column.biased) readings.push(this.#reading(column.biased, column.changes, "after", "With key terms", isMany));
      const body = make("div", { class: "li-readings" }, ...readings);
      return column.run
        ? this.#column(column.run, runs, body, "", "", mark(column, columns))
        : this.#column("", runs, body, "Before", model);
    });
    if (!runs.length) {
      made.push(
        this.#column("", ["?"], make("div", {}, make("p", { class: "li-text li-waiting" }, WAITING.none)), "After"),
      );
    }
    this.#lay(made);
  }

  #lay(columns) {
    this.section.style.setProperty("--columns", columns.length);
    this.section.classList.toggle("many", columns.length > 3);
    this.section.replaceChildren(...columns);
  }

  /** @param {HTMLElement | null} pill */
  #column(run, runs, body, title = "", who = "", pill = null) {
    const isFirst = run === (runs[0] ?? "");
    const name = title || (runs.length === 1 ? "After" : run);
    const kind = title === "Before" ? "li-before" : isFirst || title ? "li-after" : "li-compared-run";
    const by = who || (runs.length === 1 && run ? run : "");
    const head = make(
      "header",
      {},
      make("h2", { title: name }, name),
      make("span", { class: "li-who st-quiet st-small", title: by }, called(by)),
      pill,
    );
    return make(
      "article",
      { class: `st-card li-side ${kind}${pill?.classList.contains("look") ? " odd" : ""}` },
      head,
      body,
    );
  }

  #reading(hypothesis, edits, side, label, isMany) {
    const write = writer(hypothesis);
    const words = edits.some(({ kind }) => kind !== "equal")
      ? diffed(edits, side, write)
      : hypothesis.text && write(hypothesis.text);
    const take = isMany &&
      make("button", {
        type: "button",
        class: "st-button small plain li-take",
        "aria-label": `Take “${hypothesis.text || NOTHING}” as what was said`,
        onclick: () => this.onTake(hypothesis.text),
      }, "Take");
    return make(
      "div",
      { class: "li-reading" },
      label ? make("h3", { class: "st-label" }, label) : null,
      make("p", { class: "li-text" }, hypothesis.text ? words : unwritten()),
      make(
        "div",
        { class: "li-foot" },
        make("p", { class: "li-figures st-quiet st-small st-number" }, ...figures(hypothesis)),
        take || null,
      ),
    );
  }
}

function figures({ latency: taken, seconds, confidence }) {
  const parts = [`took ${latency(taken)}`, `${factor(taken / seconds)} × real time`];
  if (confidence !== null) parts.push(`confidence ${Math.round(100 * confidence)} %`);
  return parts.map((part) => make("span", {}, part));
}

/** Whether a run wrote something else than the base, and than the other runs. */
function mark({ plain: { text }, edits }, columns) {
  const texts = columns.slice(1).map(({ plain }) => plain.text);
  const alike = (wanted) => texts.filter((other) => other === wanted).length;
  const most = Math.max(...texts.map(alike));
  if (texts.length > 2 && alike(text) < most) return make("span", { class: "st-pill look" }, "unlike the other runs");
  return edits.some(({ kind }) => kind !== "equal")
    ? make("span", { class: "st-pill accent" }, "changed")
    : make("span", { class: "st-pill" }, "as before");
}
