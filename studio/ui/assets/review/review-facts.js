// What is known of the clip in hand: its figures with their units, what was found and what to do, what a model heard.

import { icon, make } from "../studio.js";
import { sureWords } from "../sureness.js";
import { figure, VERDICTS } from "./review-columns.js";
import { diffed } from "../diff.js";

const FIGURES = [
  ["Loudness", "loudness_lufs", 1, "LUFS"],
  ["Peak", "peak_db", 1, "dBFS"],
  ["SNR", "snr_db", 0, "dB"],
  ["Speech", "speech_seconds", 1, "s"],
  ["Silence before", "silence_before", 2, "s"],
  ["Silence after", "silence_after", 2, "s"],
  ["Longest pause", "longest_pause", 2, "s"],
  ["Bandwidth", "bandwidth_hz", 0, "Hz"],
];

const LIKELY = 0.5; // suspicion above which the label is what a person is asked about first

/** The elements next to the spectrogram. */
export const facts = (row) =>
  (row.suspicion > LIKELY ? [heard(row), verdict(row), figures(row)] : [verdict(row), heard(row), figures(row)]).filter(
    Boolean,
  );

function verdict({ verdict, findings, trim }) {
  if (!verdict) {
    return make("p", { class: "st-quiet" }, "Not measured yet. Press Check above to measure what is missing.");
  }
  const [picture, title] = VERDICTS[verdict];
  const said = findings.length
    ? make(
      "ul",
      {},
      ...findings.map((found) => make("li", { class: found.verdict }, make("b", {}, found.what), ` ${found.remedy}`)),
    )
    : make("p", { class: "st-quiet" }, "Good to train on.");
  const shorten = trim > 0
    ? make(
      "button",
      { type: "button", class: "st-button small", "data-do": "trim" },
      icon("cut"),
      `Trim ${trim.toFixed(1)} s of silence`,
    )
    : null;
  return make(
    "div",
    { class: "rvd-verdict" },
    make("span", { class: `rev-verdict ${verdict}` }, icon(picture), title),
    said,
    shorten,
  );
}

function figures(row) {
  const of = { pace: row.pace, ...row.quality };
  const all = [["Pace", "pace", 1, "chars/s"], ...FIGURES].filter(([, name]) => of[name] != null);
  return make(
    "dl",
    { class: "rvd-figures" },
    ...all.map(([title, name, digits, unit]) =>
      make(
        "div",
        {},
        make("dt", {}, String(title)),
        make("dd", { class: "st-number" }, `${figure(of[name], digits)} ${unit}`),
      )
    ),
  );
}

/** A model's transcript: with confidences the paler the less sure, else as differences from the label. */
function heard(row) {
  if (row.heard == null) return null;
  const words = row.heard_words.length ? sureWords(row.heard_words) : diffed(row.edits ?? [], "errors");
  const judged = [["WER", row.wer, 2], ["confidence", row.confidence, 2], ["suspicion", row.suspicion, 2]].filter((
    [, value],
  ) => value != null);
  return make(
    "div",
    { class: "rvd-heard" },
    make("h2", {}, "A model’s transcript"),
    make("p", {}, words),
    row.reason ? make("p", {}, make("b", {}, row.reason)) : "",
    make(
      "p",
      { class: "st-quiet st-small st-number" },
      judged.map(([title, value, digits]) => `${title} ${figure(value, digits)}`).join(" · "),
    ),
    make(
      "div",
      { class: "st-row" },
      row.suspicion > 0
        ? make("button", { type: "button", class: "st-button small", "data-do": "accept" }, "Label is right")
        : "",
      row.heard && row.heard !== row.text
        ? make("button", { type: "button", class: "st-button small", "data-do": "take" }, "Use this transcript")
        : "",
    ),
  );
}
