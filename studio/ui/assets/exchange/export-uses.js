// Cards “Use it in …”: where the files of a finished export go, and the lines that load them.

import { make } from "../studio.js";
import { copier } from "./export-parts.js";

/** The cards of the `finished` exports; where there are several, of one that is chosen. */
export function uses(/** @type {Server.FinishedExport[]} */ finished) {
  const shown = finished.filter((found) => found.uses.length);
  if (!shown.length) return [];
  const cards = make("div", { class: "ex-cards" });
  const choice = make(
    "select",
    { class: "st-select" },
    ...shown.map(({ title, precision }, place) => make("option", { value: place }, `${title}: ${precision}`)),
  );
  const show = () => cards.replaceChildren(...shown[Number(choice.value)].uses.map(card));
  choice.onchange = show;
  show();
  const pick = make("label", { class: "li-pick" }, make("span", { class: "st-label" }, "How to use"), choice);
  return [pick, cards];
}

function card(/** @type {Server.Use} */ { program, passages }) {
  return make(
    "article",
    { class: "ex-use" },
    make("h3", {}, `Use it in ${program}`),
    ...passages.map(({ text, is_code: isCode }) => (isCode ? code(text, program) : make("p", {}, ...marked(text)))),
  );
}

function code(text, program) {
  return make(
    "div",
    { class: "ex-lines" },
    make("pre", { class: "ex-code", tabindex: "0", "aria-label": `Lines for ${program}` }, make("code", {}, text)),
    copier(text, `Copy the lines for ${program}`),
  );
}

/** `text` with what stands between backticks set as code. */
const marked = (text) =>
  text.split("`").map((part, place) => (place % 2 ? make("code", { class: "st-mono" }, part) : part));
