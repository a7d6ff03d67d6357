// The columns of the Review tab: what is in each, which are shown, and how they are sorted. Labels and prompts
// come from other people's files: they are only ever text.

import { icon, make } from "../studio.js";
import { diffed } from "../diff.js";

export const SPLITS = { train: "Train", validation: "Validation", test: "Test", unused: "Set aside" };
export const VERDICTS = {
  fine: ["check", "Fine"],
  look: ["warning", "Look"],
  "re-record": ["microphone", "Re-record"],
};
const SOURCES = { microphone: "Microphone", import: "Import", live: "Correction", synthetic: "Synthetic" };
export const LATEST = "-created"; // the default order
export const NONE = "–"; // nothing was measured or heard here

/** `value` with `digits` decimals, or a dash. */
export const figure = (value, digits) => (value == null ? NONE : value.toFixed(digits));

const measured = (name, title, digits, unit = "") => ({
  name,
  title,
  unit,
  isFigure: true,
  cell: (row) => figure(row[name], digits),
});

/** @typedef {{ name: string, title: string, unit?: string, isFigure?: boolean, isFixed?: boolean, isHidden?: boolean,
 *  cell: (row: any) => any }} Column */

/** Fields of studio.data.query that have a column, in the order of the page. */
/** @type {Column[]} */
export const COLUMNS = [
  { name: "text", title: "Label", isFixed: true, cell: labelOf },
  measured("duration", "Length", 1, "s"),
  measured("pace", "Pace", 1, "chars/s"),
  measured("loudness", "Loudness", 1, "LUFS"),
  measured("snr", "SNR", 0, "dB"),
  measured("wer", "WER", 2),
  { ...measured("confidence", "Confidence", 2), isHidden: true },
  { ...measured("loss", "Loss", 2, "nats"), isHidden: true },
  { ...measured("suspicion", "Suspicion", 2), isHidden: true },
  { name: "speaker", title: "Speaker", cell: (row) => row.speaker || NONE },
  {
    name: "split",
    title: "Split",
    cell: (row) => make("span", { class: "rev-split", "data-split": row.split }, SPLITS[row.split]),
  },
  { name: "quality", title: "Verdict", cell: verdictOf },
  { name: "session", title: "Session", isHidden: true, cell: (row) => row.session || NONE },
  { name: "source", title: "From", isHidden: true, cell: (row) => SOURCES[row.source] ?? row.source },
  {
    name: "created",
    title: "Recorded",
    isHidden: true,
    cell: (row) => (row.created_at || NONE).replace("T", " ").slice(0, 16),
  },
];

function labelOf(row) {
  const isRead = row.prompt && row.prompt !== row.text;
  return make(
    "div",
    { class: "rev-words" },
    make("span", { class: "rev-text" }, row.text),
    isRead ? make("span", { class: "rev-under" }, "prompt: ", row.prompt) : null,
    row.edits?.some(({ kind }) => kind !== "equal")
      ? make("span", { class: "rev-under rev-heard" }, "model: ", diffed(row.edits, "errors"))
      : null,
  );
}

function verdictOf({ verdict, findings }) {
  if (!verdict) return NONE; // not measured yet
  const [picture, title] = VERDICTS[verdict];
  const worst = findings.find((finding) => finding.verdict === verdict);
  return make(
    "span",
    { class: `rev-verdict ${verdict}`, title: worst ? `${worst.what} ${worst.remedy}` : null },
    icon(picture),
    title,
  );
}

const KEY = "studio.review.columns";

/** Which columns are shown: the browser remembers what the person chose. */
export class Columns {
  constructor(box, changed) {
    this.chosen = JSON.parse(localStorage.getItem(KEY) || "{}");
    for (const column of COLUMNS.filter((one) => !one.isFixed)) {
      const input = make("input", { type: "checkbox", name: column.name });
      input.checked = this.isShown(column);
      box.append(
        make(
          "label",
          { class: "st-check" },
          input,
          column.title,
          column.unit ? make("span", { class: "st-quiet" }, column.unit) : null,
        ),
      );
    }
    box.addEventListener("change", ({ target }) => {
      this.chosen[target.name] = target.checked;
      localStorage.setItem(KEY, JSON.stringify(this.chosen));
      changed();
    });
  }

  /** @param {Column} column */
  isShown({ name, isHidden, isFixed }) {
    return isFixed || (this.chosen[name] ?? !isHidden);
  }

  /** What is shown now; the column that a person sorts by is always among them. */
  shown(sort) {
    return COLUMNS.filter((column) => this.isShown(column) || (column.name === field(sort) && sort !== LATEST));
  }
}

export const field = (sort) => sort.replace(/^-/, "");

/** The order that a click on `name` asks for: figures from the highest, words from A; a second click turns it. */
export function turned(sort, name) {
  if (field(sort) === name) return sort.startsWith("-") ? name : `-${name}`;
  return COLUMNS.find((column) => column.name === name)?.isFigure || name === "created" ? `-${name}` : name;
}
