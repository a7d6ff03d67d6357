// The held-out clips of a run: totals before and after, and every clip against its reference, the worst first.

import { diffed } from "./diff.js";
import { play, silence } from "./player.js";
import { at, icon, make, request } from "./studio.js";

const COMPARED = {
  exact: "compared exactly as written",
  plain: "compared without case and punctuation",
  spoken: "compared as spoken: 129 is the same as one two nine",
};
const VERDICTS = { true: ["good", "check"], false: ["bad", "warning"], null: ["", "wave"] }; // by is_better
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const arrow = () => make("span", { class: "li-arrow", "aria-label": "to" }, "→");

function tile(name, before, after) {
  const better = before != null && after < before ? "li-better" : "";
  const figures = before == null ? [] : [make("span", { class: "li-was" }, percent(before)), arrow()];
  return make("div", { class: "st-tile" }, make("b", {}, ...figures, make("span", { class: better }, percent(after))), make("span", {}, name));
}

/** Shows the held-out results in `element`. */
export class HeldOut {
  #run = null;
  #asked = 0; // the latest question: answers to earlier ones are dropped

  constructor(element) {
    this.element = element;
  }

  /** Show `page` of `run`; without a run, what will stand here. */
  async show(run, page = 0) {
    this.#run = run;
    const asked = (this.#asked += 1);
    if (!run) return this.#say("Held-out clips", "When a run has finished, the clips that it never trained on stand here: what was said, what was written before and after, and every error marked.");
    try {
      const found = await request(`listen/heldout/${at(run.name)}?page=${page}`);
      if (asked === this.#asked) this.#draw(found);
    } catch (error) {
      if (asked === this.#asked) this.#say("No held-out results", error.message);
    }
  }

  #say(title, text) {
    silence();
    this.element.replaceChildren(make("div", { class: "st-empty" }, icon("wave"), make("h3", {}, title), make("p", {}, text)));
  }

  #draw(found) {
    silence();
    const { before, after } = found;
    const notes = [];
    if (!before) notes.push("The base model was not scored in this run.");
    if (!found.is_same_test) notes.push("Before and after were scored on different clips or labels, so they cannot be compared.");
    if (found.skipped.length) notes.push(`${found.skipped.length} clips could not be scored: ${found.skipped.join("; ")}.`);
    const [kind, picture] = VERDICTS[found.is_better];
    const verdict = found.verdict && make("p", { class: `st-message ${kind} li-verdict` }, icon(picture), found.verdict);
    this.element.replaceChildren(
      make("h2", { class: "li-title" }, "Held-out clips"),
      make("p", { class: "st-quiet li-sub" }, `${after.clips} clips with ${after.words} words that the run never trained on, ${COMPARED[after.normaliser]}.`),
      verdict,
      make("div", { class: "st-tiles" }, tile("Word error rate", before?.wer, after.wer), tile("Character error rate", before?.cer, after.cer), tile("Digit error", before?.digit_error, after.digit_error)),
      ...notes.map((note) => make("p", { class: "st-message look" }, icon("warning"), note)),
      this.#table(found),
      this.#pager(found),
    );
  }

  #table({ rows }) {
    const heads = ["", "Reference", "Before", "After"].map((name) => make("th", { scope: "col" }, name || make("span", { class: "st-hidden" }, "Play")));
    heads.push(make("th", { scope: "col", class: "figure" }, "Errors"));
    const table = make("table", { class: "st-table li-table" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows.map((row) => this.#row(row))));
    return make("div", { class: "li-scroll", tabindex: "0", role: "region", "aria-label": "Held-out clips, the worst first" }, table);
  }

  #row({ id, reference, before, after }) {
    const cell = (name, ...content) => make("td", { "data-name": name }, make("div", {}, ...content));
    const errors = before ? [`${before.errors}`, arrow(), `${after.errors}`] : [`${after.errors}`];
    return make(
      "tr",
      {},
      make("td", { class: "li-hear" }, this.#hear(id, reference)),
      cell("Reference", reference),
      cell("Before", before ? diffed(before.edits, "errors") : "–"),
      cell("After", diffed(after.edits, "errors")),
      make("td", { class: "figure", "data-name": "Errors" }, make("div", {}, ...errors)),
    );
  }

  #hear(id, reference) {
    const { dataset } = this.#run;
    const button = make("button", { type: "button", class: "st-button small square plain", "aria-label": `Play “${reference}”` }, icon("play"));
    button.disabled = !dataset; // its clips lie outside recordings/
    button.onclick = async () => {
      const trouble = await play(button, `studio/${at("clips", dataset, id)}`).catch((error) => error);
      if (trouble) button.replaceWith(make("span", { class: "li-lost", role: "alert" }, icon("warning"), trouble.what));
    };
    return button;
  }

  #pager({ page, pages }) {
    if (pages < 2) return "";
    const go = (name, step, label) => {
      const button = make("button", { type: "button", class: "st-button small square", "aria-label": label }, icon(name));
      button.disabled = page + step < 0 || page + step >= pages;
      button.onclick = () => this.show(this.#run, page + step);
      return button;
    };
    return make("nav", { class: "st-row li-pager", "aria-label": "Pages" }, go("back", -1, "Previous page"), make("span", { class: "st-number" }, `${page + 1} of ${pages}`), go("next", 1, "Next page"));
  }
}
