// How sure a model was of each word: by opacity, and a dotted line under what it was not sure of, since opacity alone
// would be too faint a sign. The styles are in studio.css.

import { make } from "./studio.js";

const UNSURE = 0.6; // of the lowest probability of a word's tokens

/** @param {number | null} share */
export const isUnsure = (share) => share !== null && share < UNSURE;

/** “87 %”, or a dash where it is not known.
 *  @param {number | null} share */
export const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);

/** @param {string} word
 *  @param {number} share */
export function sureWord(word, share) {
  const element = make(
    "span",
    { class: `st-word${isUnsure(share) ? " unsure" : ""}`, title: `${percent(share)} sure` },
    word,
  );
  element.style.setProperty("--sure", String(share));
  return element;
}

/** A fragment of `[word, share]` pairs. */
export function sureWords(words) {
  const text = new DocumentFragment();
  for (const [place, [word, share]] of words.entries()) text.append(place ? " " : "", sureWord(word, share));
  return text;
}
