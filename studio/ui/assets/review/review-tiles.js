// What the clips that match are like: histograms that filter, minutes per split and speaker, words. It comes after the
// table.

import { at, counted, duration, make, request, studio } from "../studio.js";
import { SPLITS } from "./review-columns.js";

const TITLES = { duration: "Length", pace: "Pace", loudness: "Loudness", snr: "SNR" };
const KEY = "studio.review.tiles";
const SOON = 60; // ms after the table, so that it is never waited for
const MOST = { words: 24, rare: 12, speakers: 5 };

export class Tiles {
  /** `add(term)` narrows the filter. */
  constructor(root, add) {
    this.add = add;
    this.asked = 0;
    this.query = "";
    this.box = root.querySelector("#rev-tiles");
    this.button = root.querySelector("[data-do=tiles]");
    this.#open(localStorage.getItem(KEY) !== "closed");
    this.box.addEventListener(
      "click",
      ({ target }) => target.closest("[data-term]") && add(target.closest("[data-term]").dataset.term),
    );
  }

  toggle() {
    this.#open(this.box.hidden);
    localStorage.setItem(KEY, this.box.hidden ? "closed" : "open");
    if (!this.box.hidden) this.load(this.query);
  }

  #open(isOpen) {
    this.box.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
  }

  /** Show what `query` matches, soon. */
  load(query) {
    this.query = query;
    clearTimeout(this.waiting);
    if (!this.box.hidden) this.waiting = setTimeout(() => this.#fetch(query), SOON);
  }

  async #fetch(query) {
    const asked = (this.asked += 1);
    const search = new URLSearchParams({ query });
    const address = (what) => `${at("review", studio.dataset(), what)}?${search}`;
    const [summary, words] = await Promise.all([request(address("summary")), request(address("words"))]).catch(
      () => [],
    );
    if (asked !== this.asked || !summary) return; // the table shows what is wrong
    const shown = JSON.stringify([summary, words]);
    if (shown === this.shown) return; // nothing jumps where nothing changed
    this.shown = shown;
    this.box.classList.toggle("empty", !summary.clips);
    this.box.replaceChildren(
      ...summary.histograms.map((one) => new Histogram(one, this.add).tile),
      minutes(summary),
      vocabulary(words),
    );
  }
}

/** Bars to click or to brush over; by keyboard the arrows move and Enter filters. */
class Histogram {
  constructor({ field, unit, edges, counts, median }, add) {
    this.field = field;
    this.unit = unit;
    this.edges = edges;
    this.add = add;
    this.from = null;
    const most = Math.max(1, ...counts);
    this.bars = counts.map((count, bin) =>
      make("button", {
        type: "button",
        class: "rvt-bar",
        tabindex: bin ? "-1" : "0",
        "aria-label": `${this.range(bin, bin)}: ${count}`,
        title: `${this.range(bin, bin)}: ${count}`,
      }, make("i", { style: `height: ${count ? Math.max(4, (count / most) * 100) : 0}%` }))
    );
    this.chart = make("div", {
      class: "rvt-bars",
      role: "toolbar",
      "aria-label": `${TITLES[field]}: choose a range to filter`,
    }, ...this.bars);
    const known = counts.some(Boolean);
    this.tile = make(
      "div",
      { class: "rvt-tile" },
      make("h2", {}, `${TITLES[field]}, ${unit}`),
      make(
        "p",
        { class: "st-number" },
        known ? make("b", {}, short(median)) : "–",
        known ? " median" : " no figures yet",
      ),
      known ? this.chart : make("div", { class: "rvt-bars" }),
      make(
        "p",
        { class: "rvt-ends st-number" },
        make("span", {}, known ? short(edges[0]) : ""),
        make("span", {}, known ? short(edges.at(-1)) : ""),
      ),
    );
    this.#listen();
  }

  range(first, last) {
    return `${number(this.edges[first])} to ${number(this.edges[last + 1])} ${this.unit}`;
  }

  #listen() {
    const bin = ({ clientX }) => {
      const { left, width } = this.chart.getBoundingClientRect();
      return Math.max(0, Math.min(this.bars.length - 1, Math.floor(((clientX - left) / width) * this.bars.length)));
    };
    this.chart.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.chart.setPointerCapture(event.pointerId);
      this.from = bin(event);
      this.#mark(this.from, this.from);
    });
    this.chart.addEventListener("pointermove", (event) => this.from !== null && this.#mark(this.from, bin(event)));
    this.chart.addEventListener("pointerup", (event) => this.from !== null && this.#choose(this.from, bin(event)));
    this.chart.addEventListener("pointercancel", () => this.#mark(null));
    this.chart.addEventListener("keydown", (event) => this.#pressed(event));
  }

  #mark(from, to) {
    this.from = from;
    this.bars.forEach((bar, number) =>
      bar.toggleAttribute("data-on", from !== null && number >= Math.min(from, to) && number <= Math.max(from, to))
    );
  }

  #choose(from, to) {
    this.#mark(null);
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    // the outermost bars hold all beyond
    const low = first > 0 || last === this.bars.length - 1 ? [`${this.field} >= ${number(this.edges[first])}`] : [];
    const high = last < this.bars.length - 1 ? [`${this.field} < ${number(this.edges[last + 1])}`] : [];
    this.add([...low, ...high].join(" and "));
  }

  #pressed(event) {
    const at = this.bars.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.bars.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.#choose(at, at);
    else if (this.bars[to]) this.#focus(this.bars[to]);
    else return;
    event.preventDefault();
  }

  #focus(bar) {
    for (const other of this.bars) other.tabIndex = other === bar ? 0 : -1;
    bar.focus();
  }
}

const short = (value) => String(Number(value.toPrecision(3)));

/** As short as it is exact: what the filter gets is what is read. */
const number = (value) => String(Number(value.toFixed(2)));

function minutes({ clips, seconds, splits, speakers }) {
  const most = Math.max(1e-9, ...Object.values(splits));
  const row = (title, value, term, top, split) =>
    make(
      "button",
      { type: "button", class: "rvt-row", "data-term": term, "data-split": split },
      make("span", {}, title),
      make("span", { class: "rvt-track" }, make("i", { style: `width: ${(value / top) * 100}%` })),
      make("span", { class: "st-number" }, duration(value)),
    );
  const named = Object.entries(speakers).filter(([name]) => name).sort(([, one], [, other]) => other - one);
  const shown = named.length > 1 ? named.slice(0, MOST.speakers) : [];
  return make(
    "div",
    { class: "rvt-tile rvt-minutes" },
    make("h2", {}, "Time"),
    make("p", { class: "st-number" }, make("b", {}, duration(seconds)), ` in ${counted(clips, "clip")}`),
    ...Object.keys(SPLITS).filter((name) => splits[name]).map((name) =>
      row(SPLITS[name], splits[name], `split = ${name}`, most, name)
    ),
    ...shown.map(([name, value]) => row(name, value, `speaker = "${name.replaceAll('"', "")}"`, named[0][1])),
    named.length > shown.length && shown.length
      ? make("p", { class: "st-quiet st-small" }, `and ${counted(named.length - shown.length, "more speaker")}`)
      : "",
  );
}

function vocabulary({ frequent, rare, different }) {
  const word = ({ word, count }) =>
    make(
      "button",
      { type: "button", class: "rvt-word", "data-term": `"${word}"`, title: counted(count, "time") },
      word,
      make("small", {}, String(count)),
    );
  return make(
    "div",
    { class: "rvt-tile rvt-words" },
    make("h2", {}, "Words"),
    make("p", { class: "st-number" }, make("b", {}, different.toLocaleString("en")), " different"),
    make(
      "div",
      {
        class: "rvt-cloud",
        tabindex: "0",
        role: "group",
        "aria-label": "Words, the most frequent first, then rare ones",
      },
      ...frequent.slice(0, MOST.words).map(word),
      rare.length ? make("span", { class: "st-quiet st-small" }, "once:") : "",
      ...rare.slice(0, MOST.rare).map(word),
    ),
  );
}
