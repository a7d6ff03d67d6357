// What more clips would bring: word errors over the number of training clips, and the job that trains the smaller runs.

import { draw } from "./heldout-scatter.js";
import { percent } from "./heldout-words.js";
import { at, counted, icon, make, request } from "../studio.js";
import { followAt } from "../tasks.js";

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [480, 240, 56, 16, 24, 40];
const WHY =
  "The same settings on a quarter and on half of the clips, measured on the same held-out ones: this shows how fast" +
  " the errors fall, and what more clips would bring.";
const CAVEAT = "With 95 % intervals. The forecast is a power law; the flatter the curve, the less more clips bring.";

export class Curve {
  #asked = 0;
  /** @type {{ close(): void } | null} */
  #task = null;

  constructor() {
    this.picture = make("div", {});
    this.said = make("p", { class: "st-quiet st-small" });
    this.place = make("div", {});
    this.go = make("button", { type: "button", class: "st-button small", hidden: true, onclick: () => this.#start() });
    this.element = make(
      "section",
      { class: "li-box li-curve" },
      make("h3", {}, "Would more clips help?"),
      this.said,
      this.picture,
      this.place,
      this.go,
    );
  }

  /** The curve of `run`, texts compared by `normaliser`. */
  async show(run, normaliser) {
    this.run = run;
    this.normaliser = normaliser;
    this.leave();
    await this.#read();
  }

  /** Follow nothing any more: another run is shown. */
  leave() {
    this.#task?.close();
    this.#task = null;
    this.place.replaceChildren();
  }

  get #address() {
    return `listen/curve/${at(this.run.name)}`;
  }

  async #read() {
    const asked = (this.#asked += 1);
    try {
      const found = await request(`${this.#address}?${new URLSearchParams({ normaliser: this.normaliser })}`);
      if (asked === this.#asked) this.#draw(found);
    } catch (error) {
      if (asked === this.#asked) this.#fail(error);
    }
  }

  #draw(/** @type {Server.Learning} */ { curve, outlook, task }) {
    const { missing, points } = curve;
    const isGoing = !!task && ["running", "stopping"].includes(task.status);
    this.said.textContent = outlook || WHY;
    this.picture.replaceChildren(
      ...(points.length > 1 ? [drawing(curve), make("p", { class: "st-quiet st-small" }, CAVEAT)] : []),
    );
    this.go.hidden = !missing.length || isGoing;
    this.go.replaceChildren(
      icon("next"),
      task && task.status !== "finished" ? "Continue the smaller runs" : "Train the smaller runs",
    );
    this.go.title =
      `Takes about three quarters of the time that this run took. It continues after this page is closed.`;
    if (isGoing && !this.#task) this.#follow();
  }

  async #start() {
    this.go.disabled = true;
    try {
      await request(this.#address, { method: "POST" });
      this.go.hidden = true;
      this.#follow();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.go.disabled = false;
    }
  }

  #follow() {
    this.#task = followAt(this.place, `${this.#address}/task`, (status) => {
      this.#task = null;
      if (status === "finished") this.place.replaceChildren(); // the forecast says it
      this.#read();
    });
  }

  #fail(error) {
    this.place.replaceChildren(make("p", { class: "st-message bad", role: "alert" }, icon("warning"), error.message));
  }
}

function drawing(/** @type {Server.LearningCurve} */ { points, forecast, unit }) {
  const last = points[points.length - 1];
  const ahead = forecast && !forecast.doubt
    ? {
      clips: last.clips + forecast.more,
      wer: last.wer + forecast.change,
      low: Math.max(0, last.wer + forecast.low),
      high: last.wer + forecast.high,
    }
    : null;
  const shown = ahead ? [...points, ahead] : points;
  const top = ticksTo(Math.max(...shown.map(({ high }) => high)));
  const most = Math.max(...shown.map(({ clips }) => clips)) * 1.08;
  const x = (clips) => LEFT + ((WIDTH - LEFT - RIGHT) * clips) / most;
  const y = (rate) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.max(0, rate) / (top.at(-1) || 1));
  const path = (marks) => marks.map(({ clips, wer }) => `${x(clips)},${y(wer)}`).join(" ");
  const grid = top.flatMap((mark) => [
    draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark) }),
    draw("text", { x: LEFT - 8, y: y(mark) + 4, "text-anchor": "end" }, `${Math.round(1000 * mark) / 10} %`),
  ]);
  const below = shown.map(({ clips }) =>
    draw("text", { x: x(clips), y: HEIGHT - 22, "text-anchor": "middle" }, `${clips}`)
  );
  const whisker = ({ clips, wer, low, high }, name) => [
    draw("line", { class: "li-interval", x1: x(clips), x2: x(clips), y1: y(low), y2: y(high) }),
    draw("circle", { class: name, cx: x(clips), cy: y(wer), r: 5 }),
  ];
  const lines = [
    draw("polyline", { class: "li-line", points: path(points) }),
    ...(ahead ? [draw("polyline", { class: "li-line li-ahead", points: path([last, ahead]) })] : []),
  ];
  const marks = [
    ...points.flatMap((mark) => whisker(mark, "li-point")),
    ...(ahead ? whisker(ahead, "li-point li-hollow") : []),
  ];
  const label = `${unit === "character" ? "Character" : "Word"} error rate by training clips: ${
    points.map(({ clips, wer }) => `${counted(clips, "clip")} ${percent(wer)}`).join(", ")
  }`;
  const named = draw(
    "text",
    { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" },
    "training clips",
  );
  return draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    ...grid,
    ...below,
    named,
    ...lines,
    ...marks,
  );
}

/** From 0 to `most` or just above it, in steps of 1, 2 or 5 times a power of ten. */
function ticksTo(most) {
  const rough = (most || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, place) => place * step);
}
