// A transcript word by word, each with the model's confidence; in words too, for those who cannot see it.

import { make } from "../studio.js";
import { isUnsure, percent, sureWord } from "../sureness.js";

/** A function that makes a node of the next words of `text`, each with its own of `words` (`[word, share]`).
 *  Where the two do not match, words stay as they are. */
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
  const element = sureWord(word, share);
  if (isUnsure(share)) element.append(make("span", { class: "st-hidden li-doubt" }, ` (only ${percent(share)} sure)`));
  return element;
}
