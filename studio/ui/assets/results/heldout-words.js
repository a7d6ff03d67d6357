// Words that are wrong, what is taken for what, and under which conditions: small tables whose rows pick the clips.

import { make } from "../studio.js";

export const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const NOTHING = "(nothing)";

/** The same filter always has the same name: a picked row is found again by it. */
export const nameOf = (filter) => JSON.stringify(filter);

function box(title, sub, ...content) {
  return make(
    "section",
    { class: "li-box" },
    make("h3", {}, title),
    make("p", { class: "st-quiet st-small" }, sub),
    ...content,
  );
}

/** A table with `heads`, the last ones of figures; each of `rows` is a list of cells, texts or elements. */
function table(label, heads, rows, figures) {
  const isFigure = (place) => (place >= heads.length - figures ? "figure" : null);
  const line = (cells, tag) =>
    make(
      "tr",
      {},
      ...cells.map((cell, place) => make(tag, { class: isFigure(place), scope: tag === "th" ? "col" : null }, cell)),
    );
  const body = rows.map((cells) => line(cells, "td"));
  return make(
    "div",
    { class: "li-list", tabindex: "0", role: "region", "aria-label": label },
    make("table", { class: "st-table" }, make("thead", {}, line(heads, "th")), make("tbody", {}, ...body)),
  );
}

/** A button that filters the clips by `filter`, called `about` where the clips are listed. */
function picker(text, filter, about, pick) {
  return make("button", {
    type: "button",
    class: "li-pickable",
    "aria-pressed": "false",
    "data-pick": nameOf(filter),
    onclick: () => pick({ ...filter, about }),
  }, text);
}

export function words(found, pick) {
  const rows = found.map((
    { word, said, right_before: before, right_after: after },
  ) => [picker(word, { word }, `with “${word}”`, pick), `${said}`, before === null ? "–" : `${before}`, `${after}`]);
  const sub = rows.length
    ? "Words still written wrong; press one to see its clips."
    : "Every word of the held-out clips is right.";
  return box(
    "Words",
    sub,
    rows.length ? table("Words that are wrong", ["Word", "Said", "Right before", "Right after"], rows, 3) : "",
  );
}

export function confusions(found, pick) {
  const rows = found.map(({ said, written, before, after, is_spelling: isSpelling }) => {
    const text = `${said || NOTHING} → ${written || NOTHING}`;
    const name = picker(text, { said, written }, text, pick);
    return [
      isSpelling ? make("span", {}, name, make("span", { class: "st-pill" }, "different spelling")) : name,
      before === null ? "–" : `${before}`,
      `${after}`,
    ];
  });
  const sub = rows.length ? "What was said → what the model writes, and how often." : "No words are confused.";
  return box(
    "Confusions",
    sub,
    rows.length ? table("Confused words", ["Said → written", "Before", "After"], rows, 2) : "",
  );
}

export function conditions(groups) {
  const rows = groups.map((
    { by, name, clips, before, after },
  ) => [`${by}: ${name}`, `${clips}`, percent(before), percent(after)]);
  const sub = rows.length
    ? "Word error rate by length, pace, noise and speaker, where they differ."
    : "All clips are similar in length, pace, noise and speaker.";
  return box(
    "Conditions",
    sub,
    rows.length ? table("Errors by condition", ["Clips", "Number", "Before", "After"], rows, 3) : "",
  );
}

export function sureties(found) {
  const rows = found.map((
    { name, words: count, mean, share },
  ) => [name, count.toLocaleString("en"), percent(mean), percent(share)]);
  const sub = rows.length
    ? "Words that the tuned model wrote, by its confidence, and how many of them are right."
    : "This run is of an earlier version: it did not record the model's confidence in each word.";
  return box(
    "Does it know when it is wrong?",
    sub,
    rows.length ? table("How sure it is, and how right", ["Sure", "Words", "On average", "Right"], rows, 3) : "",
  );
}
