// A waveform on a canvas, live or whole, and a level meter with peak hold and a clip lamp. Decibels are dBFS.

const BAR = 3; // px, with its gap: one block of about 20 ms
const FLOOR = -60;
const HOLD = 1200; // ms that the peak mark is held
const FULL_SCALE = 0.999;

export const decibels = (amplitude) => Math.max(FLOOR, 20 * Math.log10(amplitude || 1e-9));

/** What `scope` shows: `push` peaks while recording, or the whole of `show(samples)` with `progress` while playing. */
export class Scope {
  #peaks = [];
  /** @type {number[]} */
  #times = []; // of a recording: seconds in it at the end of each block
  /** @type {number[]} */
  #marks = []; // seconds of a recording
  #isLive = false;
  #played = 0;
  #asked = 0;

  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    document.addEventListener("studio:theme", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    this.#set([], false);
  }

  /** One more block of a recording, which has `at` seconds with it. */
  push(peak, at = 0) {
    if (!this.#isLive) this.#set([], true);
    this.#peaks.push(peak);
    this.#times.push(at);
    this.draw();
  }

  /** Lines at these seconds of the recording, in their order. */
  mark(seconds) {
    this.#marks = seconds;
    this.draw();
  }

  /** A whole recording. */
  show(samples) {
    const columns = Math.max(1, Math.floor(this.canvas.clientWidth / BAR));
    const width = Math.max(1, samples.length / columns);
    const peaks = [];
    for (let column = 0; column < columns && column * width < samples.length; column += 1) {
      let peak = 0;
      for (let at = Math.floor(column * width); at < (column + 1) * width && at < samples.length; at += 1) {
        peak = Math.max(peak, Math.abs(samples[at]));
      }
      peaks.push(peak);
    }
    this.#set(peaks, false);
  }

  /** How much of it was played, 0..1. */
  progress(share) {
    this.#played = share;
    this.draw();
  }

  #set(peaks, isLive) {
    this.#peaks = peaks;
    this.#times = [];
    this.#marks = [];
    this.#isLive = isLive;
    this.#played = 0;
    this.draw();
  }

  draw() {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.#paint();
    });
  }

  #paint() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);
    pen.fillStyle = colour("--st-line");
    pen.fillRect(0, height / 2 - 0.5, width, 1);
    const shown = this.#isLive ? this.#peaks.slice(-Math.floor(width / BAR)) : this.#peaks;
    const [rest, played] = [colour(this.#isLive ? "--st-record" : "--st-wave"), colour("--st-accent")];
    shown.forEach((peak, column) => {
      const size = Math.max(1, peak * (height - 8));
      pen.fillStyle = column / shown.length < this.#played ? played : rest;
      pen.fillRect(column * BAR, (height - size) / 2, BAR - 1, size);
    });
    pen.fillStyle = played;
    const hidden = this.#peaks.length - shown.length;
    for (const mark of this.#marks) {
      const column = this.#times.findIndex((at) => at > mark) - hidden;
      if (column >= 0) pen.fillRect(column * BAR - 1, 0, 1, height);
    }
  }
}

/** The level of the open microphone. */
export class Meter {
  #held = { level: FLOOR, at: 0 };
  #lastSpoken = 0;

  constructor(meter, lamp) {
    this.meter = meter;
    this.lamp = lamp;
    this.fill = meter.querySelector(".rec-fill");
    this.mark = meter.querySelector(".rec-peak");
  }

  level(peak) {
    const now = performance.now();
    const level = decibels(peak);
    if (level >= this.#held.level || now - this.#held.at > HOLD) this.#held = { level, at: now };
    const share = (value) => `${Math.min(100, ((value - FLOOR) / -FLOOR) * 100)}%`;
    this.fill.style.clipPath = `inset(0 calc(100% - ${share(level)}) 0 0)`;
    this.mark.style.left = share(this.#held.level);
    if (peak >= FULL_SCALE) this.lamp.classList.add("on");
    if (now - this.#lastSpoken > 250) {
      this.#lastSpoken = now;
      this.meter.setAttribute("aria-valuenow", level.toFixed(0));
      this.meter.setAttribute("aria-valuetext", `${level.toFixed(0)} dB`);
    }
  }

  /** For a new take. */
  forgetClipping() {
    this.lamp.classList.remove("on");
  }

  rest() {
    this.#held = { level: FLOOR, at: 0 };
    this.level(0);
  }
}

/** Samples of a mono 16-bit WAV, as the studio writes it: -1..1. */
export async function samplesOf(blob) {
  const file = new DataView(await blob.arrayBuffer());
  for (let at = 12; at + 8 <= file.byteLength;) {
    const size = file.getUint32(at + 4, true);
    if (file.getUint32(at) === 0x64617461) {
      const steps = new Int16Array(file.buffer.slice(at + 8, at + 8 + size - (size % 2)));
      return Float32Array.from(steps, (step) => step / 32768);
    }
    at += 8 + size + (size % 2);
  }
  return new Float32Array(0);
}
