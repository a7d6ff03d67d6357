// The clip in hand: heard, seen as waveform and spectrogram, with a playhead, and where its silence lies.

import { icon, make } from "../studio.js";
import { AXES, levels, paint, rgb } from "../sound/spectrum.js";
import { Sounds } from "./review-sound.js";
import { facts } from "./review-facts.js";
import { Words } from "./review-words.js";

const SETTLED = 70; // ms that a clip is in hand before it is fetched: keys may be held down
const MOST_COLUMNS = 900; // of the spectrogram
const MOST_GAIN = 8;
const STEP = 0.1; // seconds that an arrow key moves
const KEYS = {
  rate: "studio.review.rate",
  scale: "studio.review.scale",
  follow: "studio.review.follow",
  dock: "studio.review.dock",
};

export class Dock {
  /** `fail(error)` tells; `playing(id)` when a clip begins to sound, with null when it ends; `timed()` when word times
   *  were saved. */
  constructor(root, fail, playing, timed) {
    this.fail = fail;
    this.playing = playing;
    /** @type {number | null} */
    this.until = null; // seconds at which a part that is played ends
    this.sounds = new Sounds();
    this.audio = new Audio();
    this.row = null;
    this.sound = null;
    this.root = root.querySelector(".rvd");
    this.$ = (selector) => this.root.querySelector(selector);
    this.plot = this.$(".rvd-plot");
    this.wave = this.$(".rvd-wave");
    this.spectrum = this.$(".rvd-spectrum");
    this.words = new Words(this, timed);
    this.#remember();
    this.#listen();
  }

  get follows() {
    return this.$(".rvd-follow").checked;
  }

  get isPlaying() {
    return !this.audio.paused;
  }

  /** Take `row` in hand (null for none); `next` is fetched in advance. */
  show(row, next) {
    const isSame = row && this.row && row.id === this.row.id && row.samples === this.row.samples;
    this.row = row;
    this.root.hidden = !row;
    this.words.show(row);
    if (!row) return this.stop();
    this.$(".rvd-label").textContent = row.text;
    this.$(".rvd-facts").replaceChildren(...(row.trashed ? [] : facts(row)));
    this.#marks();
    if (isSame && this.sound) return;
    const wasPlaying = this.isPlaying;
    this.stop();
    this.sound = null;
    this.#move(0);
    clearTimeout(this.waiting);
    if (this.follows || wasPlaying) this.play();
    this.waiting = setTimeout(() => this.#fetch(row, next), SETTLED);
  }

  async #fetch(row, next) {
    try {
      const sound = await this.sounds.of(row);
      if (row !== this.row && row.id !== this.row?.id) return;
      this.sound = sound;
      this.found = null;
      this.draw();
      if (next) this.sounds.of(next).catch(() => {}); // its own turn will show it
    } catch (error) {
      if (row.id === this.row?.id) this.fail(error);
    }
  }

  // ---- playing ----

  async play() {
    const { row, audio } = this;
    if (!row) return;
    if (this.isPlaying && audio.dataset.id === row.id) return audio.pause();
    this.until = null;
    await this.#sound(row);
  }

  /** Play from `start` to `end`, in seconds. */
  async playPart(start, end) {
    const { row } = this;
    this.audio.pause();
    await this.seek(start);
    if (row !== this.row) return;
    this.until = end;
    await this.#sound(row);
  }

  async #sound(row) {
    const { audio } = this;
    try {
      const { url } = await this.sounds.of(row);
      if (row.id !== this.row?.id) return;
      if (audio.src !== url) audio.src = url;
      audio.dataset.id = row.id;
      audio.playbackRate = Number(this.$(".rvd-rate").value);
      await audio.play();
    } catch (error) {
      if (error.name !== "AbortError") {
        this.fail(
          error.what ? error : {
            what: "The clip cannot be played.",
            remedy: "Press Play once with the mouse: the browser asks for that.",
          },
        );
      }
    }
  }

  stop() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    delete this.audio.dataset.id;
  }

  async seek(time) {
    const { row, audio } = this;
    if (!row) return;
    const { url } = await this.sounds.of(row).catch(() => ({}));
    if (!url || row.id !== this.row?.id) return;
    this.until = null;
    if (audio.src !== url) audio.src = url;
    audio.dataset.id = row.id;
    audio.currentTime = Math.max(0, Math.min(time, row.duration));
    this.#move(audio.currentTime);
  }

  #move(time) {
    const { duration } = this.row;
    this.$(".rvd-head-line").style.left = `${Math.min(1, time / duration) * 100}%`;
    this.$(".rvd-time").textContent = `${time.toFixed(1)} / ${duration.toFixed(1)} s`;
    this.plot.setAttribute("aria-valuemax", duration.toFixed(2));
    this.plot.setAttribute("aria-valuenow", time.toFixed(2));
    this.plot.setAttribute("aria-valuetext", `${time.toFixed(1)} of ${duration.toFixed(1)} seconds`);
  }

  #run() {
    if (!this.row) return;
    this.#move(this.audio.currentTime);
    if (this.until !== null && this.audio.currentTime >= this.until) this.audio.pause();
    if (this.isPlaying) requestAnimationFrame(() => this.#run());
  }

  // ---- the picture ----

  draw() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      if (this.sound && this.plot.clientWidth && !this.$(".rvd-body").hidden) this.#paint();
    });
  }

  #paint() {
    const { samples } = this.sound;
    const scale = devicePixelRatio || 1;
    for (const canvas of [this.wave, this.spectrum]) {
      canvas.width = Math.round(canvas.clientWidth * scale);
      canvas.height = Math.round(canvas.clientHeight * scale);
    }
    const colour = (name) => getComputedStyle(this.root).getPropertyValue(name);
    drawWave(this.wave, samples, colour("--st-wave"), colour("--st-line"));
    const columns = Math.min(MOST_COLUMNS, this.spectrum.width);
    if (this.found?.columns !== columns) this.found = { columns, levels: levels(samples, columns) };
    const axis = AXES[this.$(".rvd-scale").value];
    paint(
      this.spectrum,
      this.found.levels,
      axis,
      ["--st-sunken", "--st-raw", "--st-accent", "--st-ink"].map((name) => rgb(colour(name))),
    );
    this.$(".rvd-axis").replaceChildren(
      ...axis.marks.map((hertz) =>
        make(
          "span",
          { style: `bottom: ${axis.up(hertz) * 100}%` },
          hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`,
        )
      ),
    );
    this.$(".rvd-ticks").replaceChildren(
      ...ticks(this.row.duration).map((time) =>
        make("span", { style: `left: ${(time / this.row.duration) * 100}%` }, `${time} s`)
      ),
    );
  }

  /** Silence at the edges, as it was measured. */
  #marks() {
    const { quality, duration } = this.row;
    const mark = (seconds, side, words) => {
      if (!(seconds >= 0.05)) return null;
      const style = `width: ${Math.min(1, seconds / duration) * 100}%; ${side}: 0`;
      return make("div", { class: `rvd-silence ${side}`, style, title: `${seconds.toFixed(2)} s of silence ${words}` });
    };
    const marks = [
      mark(quality?.silence_before, "left", "before the first word"),
      mark(quality?.silence_after, "right", "after the last word"),
    ];
    this.$(".rvd-marks").replaceChildren(...marks.filter(Boolean));
  }

  // ---- what the person sets ----

  toggle() {
    this.#open(this.$(".rvd-body").hidden);
    localStorage.setItem(KEYS.dock, this.$(".rvd-body").hidden ? "closed" : "open");
  }

  #open(isOpen) {
    this.$(".rvd-body").hidden = !isOpen;
    this.$("[data-do=dock]").setAttribute("aria-expanded", String(isOpen));
    this.draw();
  }

  #remember() {
    const [rate, scale, follow] = [this.$(".rvd-rate"), this.$(".rvd-scale"), this.$(".rvd-follow")];
    for (const [name, input] of Object.entries({ rate, scale })) {
      const kept = localStorage.getItem(KEYS[name]);
      if (kept) input.value = kept;
      input.addEventListener("change", () => localStorage.setItem(KEYS[name], input.value));
    }
    follow.checked = localStorage.getItem(KEYS.follow) === "on";
    follow.addEventListener("change", () => localStorage.setItem(KEYS.follow, follow.checked ? "on" : "off"));
    const isNarrow = matchMedia("(max-width: 760px)").matches;
    this.#open((localStorage.getItem(KEYS.dock) ?? (isNarrow ? "closed" : "open")) === "open");
  }

  #listen() {
    this.$(".rvd-rate").addEventListener("change", ({ target }) => (this.audio.playbackRate = Number(target.value)));
    this.$(".rvd-scale").addEventListener("change", () => this.draw());
    this.plot.addEventListener(
      "pointerdown",
      (event) =>
        this.seek(
          ((event.clientX - this.plot.getBoundingClientRect().left) / this.plot.clientWidth) * this.row.duration,
        ),
    );
    this.plot.addEventListener("keydown", (event) => this.#pressed(event));
    new ResizeObserver(() => this.draw()).observe(this.plot);
    const recolour = () => setTimeout(() => this.draw());
    document.addEventListener("studio:theme", recolour);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => this.#turned());
  }

  #pressed(event) {
    const to = {
      ArrowLeft: this.audio.currentTime - STEP,
      ArrowRight: this.audio.currentTime + STEP,
      Home: 0,
      End: this.row.duration,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.seek(to);
  }

  #turned() {
    const id = this.isPlaying ? this.audio.dataset.id : null;
    this.$("[data-do=play] .st-icon").replaceWith(id ? icon("pause") : icon("play"));
    this.playing(id);
    this.#run();
  }
}

/** The extremes of each column, as an editor draws them; quiet clips are drawn larger, up to MOST_GAIN times. */
function drawWave(canvas, samples, ink, line) {
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  const middle = height / 2;
  pen.fillStyle = line;
  pen.fillRect(0, middle, width, 1);
  pen.fillStyle = ink;
  const size = middle *
    Math.min(MOST_GAIN, 0.95 / samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6));
  for (let column = 0; column < width; column += 1) {
    let [low, high] = [0, 0];
    const end = Math.floor(((column + 1) * samples.length) / width);
    for (let at = Math.floor((column * samples.length) / width); at < end; at += 1) {
      if (samples[at] < low) low = samples[at];
      else if (samples[at] > high) high = samples[at];
    }
    pen.fillRect(column, middle - high * size, 1, Math.max(1, (high - low) * size));
  }
}

/** Places on the time axis, in seconds: about eight. */
function ticks(duration) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60].find((size) => duration / size <= 9) ?? 120;
  return Array.from({ length: Math.floor(duration / step) + 1 }, (_, place) => Number((place * step).toFixed(1)));
}
