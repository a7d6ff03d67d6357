// How sure a model was of each word: by opacity, and a dashed line under what it was not sure of.

import { make } from "../studio.js";

const UNSURE = 0.6; // of the lowest probability of a word's tokens

/** A function that makes a node of the next words of `text`, each with its own of `words` (`[word, share]`).
 *  Where the two do not go together, words stand as they are. */
export function writer({ text, words }) {
  const left = text ? text.split(/\s+/) : [];
  if (!words || words.length !== left.length) return (part) => document.createTextNode(part);
  const shares = words.map(([, share]) => share);
  return (part) => {
    const row = new DocumentFragment();
    for (const [place, word] of part.split(/\s+/).entries()) row.append(place ? " " : "", one(word, shares.shift()));
    return row;
  };
}

function one(word, share) {
  const percent = Math.round(100 * share);
  const isUnsure = share < UNSURE;
  const element = make("span", { class: `li-word${isUnsure ? " unsure" : ""}`, title: `${percent} % sure` }, word);
  if (isUnsure) element.append(make("span", { class: "st-hidden li-doubt" }, ` (only ${percent} % sure)`));
  element.style.setProperty("--sure", share);
  return element;
}
