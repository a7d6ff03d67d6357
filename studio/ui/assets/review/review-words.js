// The words of the selected clip over its waveform: a click plays one, and its two borders can be moved.

import { at, make, request, studio } from "../studio.js";

const LEAST = 0.02; // seconds that a word keeps
const STEP = 0.01; // seconds that an arrow key moves a border
const LARGE = 0.05; // with Shift
const SETTLED = 700; // ms after the last key until the borders are saved
const HALF = 0.005; // seconds: words closer than this share a border

/** @typedef {{ word: string, start: number, end: number }} Timed */

export class Words {
  /** `dock` plays and tells; `saved(words)` after the times were written. */
  constructor(dock, saved) {
    this.dock = dock;
    this.saved = saved;
    this.lane = dock.$(".rvd-words");
    this.edges = dock.$(".rvd-edges");
    this.row = null;
    this.dataset = "";
    this.place = 0;
    this.waiting = 0;
    this.isHeld = false;
    /** @type {Timed[]} */
    this.words = [];
    this.lane.addEventListener("click", (event) => this.#clicked(event));
    this.lane.addEventListener("keydown", (event) => this.#pressed(event));
    this.lane.addEventListener("focusin", ({ target }) => this.#hold(target));
    this.edges.addEventListener("keydown", (event) => this.#nudged(event));
    this.edges.addEventListener("pointerdown", (event) => this.#dragged(event));
  }

  /** Show the words of `row`; none where it has no times. */
  show(row) {
    const isSame = row?.id === this.row?.id;
    if (isSame && (this.isHeld || this.waiting)) return; // a person is moving a border
    if (!isSame) this.#flush();
    if (!isSame) this.place = 0;
    this.row = row;
    this.dataset = studio.dataset(); // another may be chosen before keys have settled
    this.words = (row?.timed ?? []).map(([word, [start, end]]) => ({ word, start, end }));
    this.place = Math.max(0, Math.min(this.place, this.words.length - 1));
    this.lane.hidden = this.edges.hidden = !this.words.length;
    this.dock.$(".rvd-rough").hidden = row?.timed_by !== "rough" || !this.words.length;
    this.#draw(isSame);
  }

  /** Build what is on show, unless the same words are there already: whatever has the focus keeps it. */
  #draw(isSame) {
    const shown = [...this.lane.children].map(({ textContent }) => textContent);
    if (!isSame || shown.join("\n") !== this.words.map(({ word }) => word).join("\n")) {
      this.lane.replaceChildren(...this.words.map(({ word }, place) => button(word, place)));
      this.edges.replaceChildren(...this.words.length ? [border("start"), border("end")] : []);
    }
    this.#lay();
  }

  #lay() {
    if (!this.words.length) return;
    const share = (time) => `${(Math.max(0, Math.min(time / this.row.duration, 1)) * 100).toFixed(3)}%`;
    for (const [place, { start, end }] of this.words.entries()) {
      const item = this.lane.children[place];
      item.style.left = share(start);
      item.style.width = share(end - start);
      item.tabIndex = place === this.place ? 0 : -1;
      item.setAttribute("aria-current", String(place === this.place));
    }
    const { word, start, end } = this.words[this.place];
    for (const [item, time] of [[this.edges.children[0], start], [this.edges.children[1], end]]) {
      const which = item.dataset.edge;
      const [least, most] = this.#limits(which);
      item.style.left = share(time);
      item.setAttribute("aria-label", `${which === "start" ? "Start" : "End"} of “${word}”`);
      item.setAttribute("aria-valuemin", least.toFixed(2));
      item.setAttribute("aria-valuemax", most.toFixed(2));
      item.setAttribute("aria-valuenow", time.toFixed(2));
      item.setAttribute("aria-valuetext", `${time.toFixed(2)} seconds`);
    }
  }

  // ---- choosing and playing ----

  #hold(target) {
    const place = Number(target.dataset.place);
    if (Number.isNaN(place) || place === this.place) return;
    this.place = place;
    this.#lay();
  }

  #clicked(event) {
    event.stopPropagation(); // the word keeps the focus: arrow keys go on from it
    if (event.target.dataset.place === undefined) return;
    this.#hold(event.target);
    const { start, end } = this.words[this.place];
    this.dock.playPart(start, end);
  }

  #pressed(event) {
    const last = this.words.length - 1;
    const to = { ArrowLeft: this.place - 1, ArrowRight: this.place + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.lane.children[Math.max(0, Math.min(to, last))].focus();
  }

  // ---- moving a border ----

  #nudged(event) {
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const which = event.target.dataset.edge;
    if (!sign || !which || this.isHeld) return;
    event.preventDefault();
    this.#move(which, this.words[this.place][which] + sign * (event.shiftKey ? LARGE : STEP));
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#flush(), SETTLED);
  }

  #dragged(event) {
    const handle = event.target;
    const which = handle.dataset.edge;
    if (!which || event.button) return;
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    this.isHeld = true;
    const { left, width } = this.edges.getBoundingClientRect();
    const moved = ({ clientX }) => this.#move(which, ((clientX - left) / width) * this.row.duration);
    const ended = () => {
      this.isHeld = false;
      for (const name of ["pointerup", "pointercancel"]) handle.removeEventListener(name, ended);
      handle.removeEventListener("pointermove", moved);
      this.#save();
    };
    handle.addEventListener("pointermove", moved);
    for (const name of ["pointerup", "pointercancel"]) handle.addEventListener(name, ended);
  }

  /** Where the border may go: not over the whole of a neighbour, nor out of the clip. */
  #limits(which) {
    const { start, end } = this.words[this.place];
    const [before, after] = [this.words[this.place - 1], this.words[this.place + 1]];
    return which === "start"
      ? [before ? before.start + LEAST : 0, end - LEAST]
      : [start + LEAST, after ? after.end - LEAST : this.row.duration];
  }

  /** Put a border of the selected word to `time`. A neighbour that touches it moves along, one in the way gives way. */
  #move(which, time) {
    const here = this.words[this.place];
    const [least, most] = this.#limits(which);
    const to = Math.max(least, Math.min(time, most));
    const [other, theirs] = which === "start"
      ? [this.words[this.place - 1], /** @type {const} */ ("end")]
      : [this.words[this.place + 1], /** @type {const} */ ("start")];
    const isCrossed = other && (which === "start" ? to < other.end : to > other.start);
    if (other && (isCrossed || Math.abs(other[theirs] - here[which]) < HALF)) other[theirs] = to;
    here[which] = to;
    this.#lay();
  }

  /** Save what keys have moved, if it is not saved yet. */
  #flush() {
    if (!this.waiting) return;
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.#save();
  }

  async #save() {
    const { row, dataset } = this;
    const words = this.words.map(({ word, start, end }) => [word, [rounded(start), rounded(end)]]);
    if (JSON.stringify(words) === JSON.stringify(row.timed)) return;
    try {
      await request(at("words", dataset, row.id), { body: { words, was: row.timed } });
      Object.assign(row, { timed: words, timed_by: "hand" });
      this.saved();
    } catch (error) {
      if (row === this.row) this.row = null;
      this.show(row);
      this.dock.fail(error);
    }
  }
}

const rounded = (time) => Number(time.toFixed(3));

const button = (word, place) =>
  make("button", { type: "button", class: "rvd-word", "data-place": String(place), title: `Play “${word}”` }, word);

const border = (which) => make("div", { class: "rvd-edge", role: "slider", tabindex: "0", "data-edge": which });
