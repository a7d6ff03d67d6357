// Words that differ, marked by shape as well as by colour, and in words to a screen reader.

import { make } from "./studio.js";

const spoken = (text) => make("span", { class: "st-hidden" }, text);

const SHAPES = {
  /** The text before: what became something else, or went away. */
  before: {
    substitute: (edit, write) =>
      make("mark", { class: "df-was", title: `became “${edit.hypothesis}”` }, write(edit.reference)),
    delete: (edit, write) => make("del", { class: "df-gone" }, write(edit.reference), spoken(" (left out after)")),
    insert: () => null,
    spelling: (edit, write) =>
      make("span", { class: "df-same", title: `means the same as “${edit.hypothesis}”` }, write(edit.reference)),
  },
  /** The text after: what is new. */
  after: {
    substitute: (edit, write) =>
      make(
        "mark",
        { class: "df-now", title: `was “${edit.reference}”` },
        write(edit.hypothesis),
        spoken(` (was ${edit.reference})`),
      ),
    delete: () => null,
    insert: (edit, write) => make("ins", { class: "df-new" }, write(edit.hypothesis), spoken(" (new)")),
    spelling: (edit, write) =>
      make(
        "span",
        { class: "df-same", title: `different spelling of “${edit.reference}”` },
        write(edit.hypothesis),
        spoken(" (different spelling)"),
      ),
  },
  /**
   * A text against its reference: what is wrong with it. Words that are missing are counted: they are no part of it.
   */
  errors: {
    substitute: (edit, write) =>
      make(
        "mark",
        { class: "df-wrong", title: `for “${edit.reference}”` },
        write(edit.hypothesis, edit),
        spoken(` (wrong, for ${edit.reference})`),
      ),
    delete: (edit) =>
      make(
        "span",
        { class: "df-missing", title: `missing: “${edit.reference}”` },
        `${edit.reference.split(" ").length} missing`,
        spoken(` (${edit.reference})`),
      ),
    insert: (edit, write) =>
      make("ins", { class: "df-extra", title: "not said" }, write(edit.hypothesis, edit), spoken(" (not said)")),
    spelling: (edit, write) =>
      make(
        "span",
        { class: "df-same", title: `different spelling of “${edit.reference}”` },
        write(edit.hypothesis, edit),
        spoken(" (different spelling)"),
      ),
  },
};

/** `edits` of studio.word_diff.compared as elements, for one `side`: "before", "after" or "errors".
 *  `write(words, edit)` makes a node of words, in the text's order; of a mark of "errors" it gets the edit.
 *  @param {Server.Edit[]} edits
 *  @param {"before" | "after" | "errors"} side
 *  @param {(words: string, edit?: Server.Edit) => Node} write */
export function diffed(edits, side, write = (words) => document.createTextNode(words)) {
  const text = new DocumentFragment();
  for (const edit of edits) {
    const part = edit.kind === "equal"
      ? write(side === "before" ? edit.reference : edit.hypothesis)
      : SHAPES[side][edit.kind](edit, write);
    if (part === null) continue;
    if (text.hasChildNodes()) text.append(" ");
    text.append(part);
  }
  return text;
}

/** The word edits that make `hypothesis` of `reference`, as `studio.metrics.diff` gives them.
 *  @param {string} reference
 *  @param {string} hypothesis
 *  @returns {Server.Edit[]} */
export function wordEdits(reference, hypothesis) {
  const [said, read] = [reference, hypothesis].map((text) => text.split(/\s+/).filter(Boolean));
  const cost = Array.from({ length: said.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= read.length; j++) cost[0][j] = j;
  for (let i = 1; i <= said.length; i++) {
    for (let j = 1; j <= read.length; j++) {
      cost[i][j] = Math.min(
        cost[i - 1][j - 1] + Number(said[i - 1] !== read[j - 1]),
        cost[i - 1][j] + 1,
        cost[i][j - 1] + 1,
      );
    }
  }
  /** @type {Server.Edit[]} */
  const edits = [];
  for (let i = said.length, j = read.length; i || j;) {
    const [ref, hyp] = [said[i - 1], read[j - 1]];
    const here = cost[i][j];
    if (i && j && here === cost[i - 1][j - 1] + Number(ref !== hyp)) {
      edits.unshift({ kind: ref === hyp ? "equal" : "substitute", reference: ref, hypothesis: hyp });
      [i, j] = [i - 1, j - 1];
    } else if (i && here === cost[i - 1][j] + 1) {
      edits.unshift({ kind: "delete", reference: ref, hypothesis: "" });
      i--;
    } else {
      edits.unshift({ kind: "insert", reference: "", hypothesis: hyp });
      j--;
    }
  }
  return edits;
}
