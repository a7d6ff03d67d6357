// Where a program that listens would have ended the turn: what the pause heads said over the utterance, the threshold,
// and the place. Asked for once the texts are there, and only while the section is open.

import { remember } from "../fold.js";
import { draw } from "../results/heldout-scatter.js";
import { form, make, request, seconds } from "../studio.js";

const [WIDTH, HEIGHT] = [600, 72];
const percent = (share) => `${Math.round(100 * share)} %`;

/** Seconds heard when a client would have ended the turn, or undefined: a word has come in, and the head passes.
 *  @param {Server.TurnTrack} track */
export function ended({ seconds, chances, first_word }, head, threshold) {
  if (first_word === null) return undefined;
  return seconds.find((at, place) => at >= first_word && chances[place][head] >= threshold);
}

export class TurnEnds {
  /** @type {Server.TurnEnds | null} */
  #found = null;
  /** @type {any} */
  #entry = null; // the utterance on show
  #asked = null; // the utterance that was asked about, and as read by whom

  /** `queue(job)` waits for what is being transcribed. */
  constructor(root, queue) {
    this.$ = (selector) => root.querySelector(selector);
    this.queue = queue;
    this.box = this.$(".li-end");
    this.head = this.$(".li-end-head");
    this.threshold = this.$(".li-end-threshold");
    remember(this.box, "turn-end", false);
    this.box.ontoggle = () => this.#ask();
    this.head.onchange = this.threshold.oninput = () => this.#draw();
  }

  /** Another utterance came on show, or the same by other models. */
  show(entry) {
    this.#entry = entry;
    this.box.hidden = false;
    this.#ask();
  }

  #ask() {
    const entry = this.#entry;
    if (!this.box.open || !entry || this.#asked === entry.heard) return;
    this.#asked = entry.heard;
    this.#tell("Reading the pauses …");
    this.queue(() => this.#read(entry));
  }

  async #read({ sound, run, model, heard }) {
    try {
      const found = await request("listen/turns", { body: form({ sound, run, model }) });
      if (this.#asked !== heard) return;
      this.#take(found);
    } catch (error) {
      if (this.#asked !== heard) return;
      this.#asked = null;
      this.#tell(error.message);
    }
  }

  #take(/** @type {Server.TurnEnds} */ found) {
    const isFirst = this.#found?.tracks.length !== found.tracks.length;
    this.#found = found;
    this.$(".li-end-choice").hidden = !found.tracks.length;
    if (isFirst && found.tracks.length) {
      const heads = found.tracks[0].chances[0]?.length ?? 0;
      const options = found.horizons.slice(0, heads).map((horizon, head) =>
        make("option", { value: head, selected: head === found.head }, `${horizon} s`)
      );
      this.head.replaceChildren(...options);
      this.threshold.value = found.threshold;
    }
    this.#draw();
  }

  #draw() {
    const found = this.#found;
    if (!found) return;
    const [head, threshold] = [Number(this.head.value), Number(this.threshold.value)];
    this.$(".li-end-threshold-value").textContent = percent(threshold);
    const columns = this.#entry?.heard?.columns ?? [];
    const rows = found.tracks.map((track, place) => this.#row(track, head, threshold, found, columns[place]?.plain));
    const level = make("p", { class: "li-end-level" }, levels(found));
    const note = found.note ? make("p", { class: "st-quiet" }, found.note) : null;
    this.$(".li-end-rows").replaceChildren(...rows, ...[level, note].filter(Boolean));
  }

  #row(track, head, threshold, { duration, tracks }, hypothesis) {
    const name = track.run ? (tracks.length === 2 ? "After" : track.run) : "Before";
    const at = ended(track, head, threshold);
    const said = at === undefined ? "not ended" : `ended at ${seconds(at)} of ${seconds(duration)}`;
    return make(
      "figure",
      { class: "li-end-row" },
      make("figcaption", {}, make("b", {}, name), ` ${said}`),
      strip(track, head, threshold, duration, at, `${name}: the turn was ${said}`),
      written(hypothesis, duration),
    );
  }

  #tell(text) {
    this.$(".li-end-rows").replaceChildren(make("p", { class: "st-quiet" }, text));
  }
}

/** What the detector without a model does: it knows levels alone. */
function levels({ by_level, silence, duration }) {
  const how = `By level alone, ${seconds(silence)} of silence`;
  if (!by_level.length) return `${how} would not have ended the turn within ${seconds(duration)}.`;
  return `${how} would have ended the turn at ${by_level.map(seconds).join(", then at ")} of ${seconds(duration)}.`;
}

/** The words below the strip, each where it begins; as much of it as there is room for before the next. */
function written(/** @type {Server.Hypothesis | undefined} */ hypothesis, duration) {
  const { words, starts } = hypothesis ?? {};
  if (!words?.length || !starts) return null;
  const share = (value) => `${Math.min(100, (100 * value) / duration).toFixed(2)}%`;
  const row = make("div", { class: "li-end-words st-small" });
  for (const [place, [word]] of words.entries()) {
    const element = make("span", { title: `${word}: begins at ${seconds(starts[place])}` }, word);
    element.style.left = share(starts[place]);
    element.style.width = share((starts[place + 1] ?? duration) - starts[place]);
    row.append(element);
  }
  return row;
}

function strip(track, head, threshold, duration, at, label) {
  const x = (value) => Math.min(WIDTH, Math.max(0, (WIDTH * value) / duration));
  const y = (share) => HEIGHT * (1 - share);
  const points = track.seconds.map((value, place) =>
    `${x(value).toFixed(1)},${y(track.chances[place][head]).toFixed(1)}`
  );
  const drawn = [
    draw("polyline", { class: "chance", points: points.join(" ") }),
    draw("line", { class: "threshold", x1: 0, x2: WIDTH, y1: y(threshold), y2: y(threshold) }),
  ];
  if (at !== undefined) drawn.push(draw("line", { class: "end", x1: x(at), x2: x(at), y1: 0, y2: HEIGHT }));
  return draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    ...drawn,
  );
}
