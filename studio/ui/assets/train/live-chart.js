// A small chart over steps: thin raw lines, one thick line that sums them up. Drawn by hand: cheap at any rate of
// events.

const MARGIN = { left: 46, right: 10, top: 10, bottom: 24 };
const FONT = '12px "IBM Plex Sans", ui-sans-serif, system-ui, sans-serif';

/** Ticks at 1, 2 or 5 times a power of ten: `count` of them or fewer, from 0 to at least `top`. */
function ticks(top, count) {
  const rough = top / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, index) => index * step);
}

/** A running mean that forgets, without the pull to 0 at its start: `[[step, value], …]` of the same length.
 *  @param {Point[]} points
 *  @param {number} span
 *  @returns {Point[]} */
export function smoothed(points, span) {
  const keep = 1 - 1 / Math.max(1, span);
  let sum = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    sum = keep * sum + y;
    weight = keep * weight + 1;
    return [x, sum / weight];
  });
}

/** The lowest value so far, as a staircase.
 *  @param {Point[]} points
 *  @returns {Point[]} */
export function bestSoFar(points) {
  let best = Infinity;
  return points.flatMap(([x, y]) => {
    const before = best;
    best = Math.min(best, y);
    return before === Infinity ? [[x, best]] : [[x, before], [x, best]];
  });
}

export class Chart {
  /** @type {(name: string) => string} */
  colour;
  /** @type {(step: number) => number} */
  x;
  /** @type {(value: number) => number} */
  y;

  /** Draws into `canvas`; `write(value)` gives a value as text. */
  constructor(canvas, write) {
    this.canvas = canvas;
    this.write = write;
    this.lines = [];
    this.last = 1;
    this.pointer = null;
    this.waiting = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.point(null));
  }

  /**
   * `lines`: `{ points: [[step, value], …], colour, width, dots, dash }`, the first of them read out under the
   * pointer.
   */
  show(lines, last) {
    Object.assign(this, { lines, last: Math.max(last, 1) });
    this.draw();
  }

  point(x) {
    this.pointer = x;
    this.draw();
  }

  draw() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.canvas.clientWidth) this.paint();
    });
  }

  paint() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = FONT;
    const colours = getComputedStyle(canvas);
    this.colour = (name) => colours.getPropertyValue(`--st-${name}`).trim();
    const top = Math.max(...this.lines.flatMap((line) => line.points.map((point) => point[1])), 0) || 1;
    const marks = ticks(top, 4);
    const box = {
      x: MARGIN.left,
      y: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
    this.x = (step) => box.x + (box.width * step) / this.last;
    this.y = (value) => box.y + box.height * (1 - value / (marks.at(-1) || 1));
    this.grid(pen, box, marks);
    for (const line of this.lines) this.line(pen, line, box.width);
    if (this.pointer !== null) this.read(pen, box);
  }

  grid(pen, box, marks) {
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    for (const mark of marks) {
      const y = Math.round(this.y(mark)) + 0.5;
      pen.strokeStyle = this.colour("line");
      pen.beginPath();
      pen.moveTo(box.x, y);
      pen.lineTo(box.x + box.width, y);
      pen.stroke();
      pen.fillStyle = this.colour("quiet");
      pen.textAlign = "right";
      pen.fillText(this.write(mark), box.x - 8, y);
    }
    pen.textBaseline = "alphabetic";
    const steps = ticks(this.last, Math.max(2, Math.floor(box.width / 110))).filter((step) =>
      step <= this.last && step % 1 === 0
    );
    for (const step of steps) {
      pen.textAlign = step === 0 ? "left" : this.x(step) > box.x + box.width - 24 ? "right" : "center";
      pen.fillText(step === 0 ? "step 0" : step, this.x(step), box.y + box.height + 18);
    }
  }

  line(pen, { points, colour, width, dots, dash = [] }, room) {
    pen.strokeStyle = pen.fillStyle = this.colour(colour);
    pen.lineWidth = width;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    const every = Math.max(1, Math.floor(points.length / (2 * room)));
    pen.beginPath();
    points.forEach(([step, value], index) => {
      if (index % every === 0 || index === points.length - 1) pen.lineTo(this.x(step), this.y(value));
    });
    pen.stroke();
    pen.setLineDash([]);
    if (!dots) return;
    for (const [step, value] of points) {
      pen.beginPath();
      pen.arc(this.x(step), this.y(value), 3, 0, 7);
      pen.fill();
    }
  }

  /** The value nearest to the pointer, as text next to a hair line. */
  read(pen, box) {
    const points = this.lines[0]?.points || [];
    if (!points.length) return;
    const distance = ([step]) => Math.abs(this.x(step) - this.pointer);
    const [step, value] = points.reduce((near, point) => (distance(point) < distance(near) ? point : near));
    const x = Math.round(this.x(step)) + 0.5;
    pen.strokeStyle = this.colour("edge");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, box.y);
    pen.lineTo(x, box.y + box.height);
    pen.stroke();
    const text = `step ${step}   ${this.write(value)}`;
    const wide = pen.measureText(text).width + 16;
    const left = Math.min(Math.max(x + 8, box.x), box.x + box.width - wide);
    pen.fillStyle = this.colour("ink");
    pen.beginPath();
    pen.roundRect(left, box.y, wide, 24, 4);
    pen.fill();
    pen.fillStyle = this.colour("panel");
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(text, left + 8, box.y + 12);
    pen.textBaseline = "alphabetic";
  }
}
