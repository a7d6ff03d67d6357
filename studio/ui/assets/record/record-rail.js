// The list of prompts next to the card: which are recorded, which is selected, and what was done last, with its undo.

import { counted, icon, make, seconds } from "../studio.js";

const EDGE = 6; // px that stay between the selected pill and the edge of the list

export class Rail {
  /** `goTo(place)` when a prompt is chosen; `undo()` to take back `last`. */
  constructor(root, goTo, undo) {
    this.goTo = goTo;
    this.undo = undo;
    this.last = null;
    this.list = root.querySelector(".rec-pills");
    this.done = root.querySelector(".rec-done");
    this.bar = root.querySelector(".rec-bar-done");
    this.line = root.querySelector(".rec-last");
    this.list.addEventListener("click", (event) => this.#chosen(event));
  }

  #chosen(event) {
    const pill = event.target.closest("button");
    if (!pill) return;
    this.goTo(Number(pill.dataset.place));
  }

  show(cards, place, isFree) {
    const recorded = cards.filter((card) => card.clip).length;
    this.done.textContent = isFree ? counted(recorded, "clip") : `${recorded} of ${cards.length} recorded`;
    this.bar.max = Math.max(cards.length, 1);
    this.bar.value = recorded;
    this.bar.hidden = isFree;
    if (this.list.childElementCount !== cards.length) {
      this.list.replaceChildren(...cards.map((_, number) => pillFor(number)));
    }
    [...this.list.children].forEach((row, number) => dress(row.firstChild, cards[number], number === place));
    this.#reveal(place);
  }

  /** Bring the selected pill into view without moving the page. */
  #reveal(place) {
    const row = this.list.children[place];
    if (!row) return;
    const [list, pill] = [this.list.getBoundingClientRect(), row.getBoundingClientRect()];
    const by = (start, end, from, to) => (start < from + EDGE ? start - from - EDGE : Math.max(0, end - to + EDGE));
    this.list.scrollTop += by(pill.top, pill.bottom, list.top, list.bottom);
    this.list.scrollLeft += by(pill.left, pill.right, list.left, list.right);
  }

  /**
   * Say what was done: `{ kind: "saved" | "doubted" | "removed" | "relabelled" | "trimmed" | "discarded", clip,
   * replaced, take, card, place }`, or nothing.
   */
  tell(done) {
    this.last = done;
    if (!done) return this.line.replaceChildren();
    const { kind, clip, take, place } = done;
    const words = {
      removed: "Moved to the trash: ",
      relabelled: "Label saved: ",
      trimmed: "Silence trimmed: ",
      discarded: "Discarded: ",
    }[kind] || `Saved, ${seconds(clip.duration)}: `;
    const shown = kind === "doubted"
      ? [`Prompt ${place + 1}: the model transcribed `, make("b", {}, `“${clip.heard}”`)]
      : [words, make("b", {}, (clip || take).text || "no label yet")];
    const button = make(
      "button",
      { type: "button", class: "st-button small", onclick: () => this.undo() },
      icon("undo"),
      "Undo",
    );
    this.line.replaceChildren(make("p", {}, ...shown), button);
  }
}

const pillFor = (number) =>
  make(
    "li",
    {},
    make(
      "button",
      { type: "button", class: "rec-pill", "data-place": String(number) },
      make("span", { class: "rec-mark" }),
      make("span", { class: "rec-number st-number" }, String(number + 1)),
      make("span", { class: "rec-words" }),
    ),
  );

function dress(pill, card, isActive) {
  const state = card.take
    ? "unsaved"
    : !card.clip
    ? "pending"
    : card.clip.verdict.length || card.clip.heard || !card.clip.text
    ? "look"
    : "done";
  const words = card.text || (card.clip ? card.clip.text || "No label yet" : "New recording");
  const status =
    { pending: "not recorded", unsaved: "not saved yet", done: "recorded", look: "recorded, needs a look" }[state];
  if (isActive) pill.setAttribute("aria-current", "step");
  else pill.removeAttribute("aria-current");
  if (pill.dataset.state === state && pill.lastChild.textContent === words) return;
  pill.dataset.state = state;
  pill.setAttribute("aria-label", `${Number(pill.dataset.place) + 1}, ${words}, ${status}`);
  pill.firstChild.replaceChildren(...(state === "pending" ? [] : [icon(state === "done" ? "check" : "warning")]));
  pill.lastChild.textContent = words;
}
