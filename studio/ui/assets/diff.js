// Words that differ, told by shape as well as by colour, and in words to a screen reader.

import { make } from "./studio.js";

const spoken = (text) => make("span", { class: "st-hidden" }, text);

const SHAPES = {
  /** The text before: what became something else, or went away. */
  before: {
    substitute: (edit) => make("mark", { class: "df-was", title: `became “${edit.hypothesis}”` }, edit.reference),
    delete: (edit) => make("del", { class: "df-gone" }, edit.reference, spoken(" (left out after)")),
    insert: () => null,
  },
  /** The text after: what is new. */
  after: {
    substitute: (edit) => make("mark", { class: "df-now", title: `was “${edit.reference}”` }, edit.hypothesis, spoken(` (was ${edit.reference})`)),
    delete: () => null,
    insert: (edit) => make("ins", { class: "df-new" }, edit.hypothesis, spoken(" (new)")),
  },
  /** A text against its reference: what is wrong with it. */
  errors: {
    substitute: (edit) => make("mark", { class: "df-wrong", title: `for “${edit.reference}”` }, edit.hypothesis, spoken(` (wrong, for ${edit.reference})`)),
    delete: (edit) => make("del", { class: "df-missing", title: "missing" }, edit.reference, spoken(" (missing)")),
    insert: (edit) => make("ins", { class: "df-extra", title: "not said" }, edit.hypothesis, spoken(" (not said)")),
  },
};

/** `edits` of studio.metrics.diff as elements, for one `side`: "before", "after" or "errors". */
export function diffed(edits, side) {
  const text = new DocumentFragment();
  for (const edit of edits) {
    const part = edit.kind === "equal" ? document.createTextNode(side === "before" ? edit.reference : edit.hypothesis) : SHAPES[side][edit.kind](edit);
    if (part === null) continue;
    if (text.hasChildNodes()) text.append(" ");
    text.append(part);
  }
  return text;
}
