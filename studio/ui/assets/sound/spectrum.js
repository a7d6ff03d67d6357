// A spectrogram in the browser: short-time Fourier transform, mel or linear from 0 to 8 kHz, painted on a canvas.

export const RATE = 16_000; // Hz that sounds are decoded at: all of 0..8 kHz and nothing above
export const TOP = RATE / 2;
const WINDOW = 512; // samples: 32 ms, 31 Hz a bin
const BINS = WINDOW / 2 + 1;
const RANGE = 65; // dB between the brightest and the darkest
const CONTRAST = 1.5; // noise stays pale, voices stand out
const QUIETEST = -50; // dBFS of a sine: what is quieter than this everywhere stays dark

const HANN = Float32Array.from({ length: WINDOW }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / WINDOW));
const TURNS = Array.from(
  { length: WINDOW / 2 },
  (_, at) => [Math.cos((2 * Math.PI * at) / WINDOW), -Math.sin((2 * Math.PI * at) / WINDOW)],
);
const FLIPPED = Uint16Array.from({ length: WINDOW }, (_, at) => {
  let flipped = 0;
  for (let bit = 1, left = at; bit < WINDOW; bit <<= 1, left >>= 1) flipped = (flipped << 1) | (left & 1);
  return flipped;
});

/** Fourier transform in place of `real`, `imaginary`: WINDOW values each (Cooley and Tukey, radix 2). */
function transform(real, imaginary) {
  for (let size = 2; size <= WINDOW; size *= 2) {
    const [half, step] = [size / 2, WINDOW / size];
    for (let start = 0; start < WINDOW; start += size) {
      for (let at = 0; at < half; at += 1) {
        const [cos, sin] = TURNS[at * step];
        const [low, high] = [start + at, start + at + half];
        const re = real[high] * cos - imaginary[high] * sin;
        const im = real[high] * sin + imaginary[high] * cos;
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}

/** Decibels (0 for a full-scale sine) of `samples` at RATE, in `columns` windows over its length: columns × 257. */
export function levels(samples, columns) {
  const found = new Float32Array(columns * BINS);
  const [real, imaginary] = [new Float32Array(WINDOW), new Float32Array(WINDOW)];
  const hop = samples.length / columns;
  for (let column = 0; column < columns; column += 1) {
    const start = Math.round((column + 0.5) * hop - WINDOW / 2);
    for (let at = 0; at < WINDOW; at += 1) real[FLIPPED[at]] = (samples[start + at] ?? 0) * HANN[at];
    imaginary.fill(0);
    transform(real, imaginary);
    for (let bin = 0; bin < BINS; bin += 1) {
      const power = (real[bin] ** 2 + imaginary[bin] ** 2) / (WINDOW / 4) ** 2;
      found[column * BINS + bin] = 10 * Math.log10(power + 1e-12);
    }
  }
  return found;
}

const toMel = (hertz) => 2595 * Math.log10(1 + hertz / 700); // O'Shaughnessy 1987
const fromMel = (mel) => 700 * (10 ** (mel / 2595) - 1);

/** Axes by name: `up(Hz)` is the share of the height, 0 at the bottom; `hertz(share)` turns it round; `marks` in Hz. */
export const AXES = {
  mel: {
    up: (hertz) => toMel(hertz) / toMel(TOP),
    hertz: (share) => fromMel(share * toMel(TOP)),
    marks: [500, 1000, 2000, 4000],
  },
  linear: { up: (hertz) => hertz / TOP, hertz: (share) => share * TOP, marks: [2000, 4000, 6000] },
};

/** Paint `found` (of `levels`) over the whole of `canvas`, in `stops`: colours from silent to loud as [r, g, b]. */
export function paint(canvas, found, axis, stops) {
  const columns = found.length / BINS;
  const rows = canvas.height;
  if (!columns || !rows) return;
  const loudest = found.reduce((most, level) => Math.max(most, level), QUIETEST);
  const ramp = palette(stops);
  const picture = new ImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let row = 0; row < rows; row += 1) {
    const place = Math.min(BINS - 1.001, (axis.hertz(1 - (row + 0.5) / rows) / TOP) * (BINS - 1));
    const [below, part] = [Math.floor(place), place % 1];
    for (let column = 0; column < columns; column += 1) {
      const at = column * BINS + below;
      const level = found[at] * (1 - part) + found[at + 1] * part;
      const share = Math.max(0, Math.min(1, (level - loudest + RANGE) / RANGE));
      pixels[row * columns + column] = ramp[Math.round(share ** CONTRAST * 255)];
    }
  }
  const sheet = new OffscreenCanvas(columns, rows);
  sheet.getContext("2d")?.putImageData(picture, 0, 0);
  canvas.getContext("2d").drawImage(sheet, 0, 0, canvas.width, rows);
}

/** 256 colours between `stops`, as the bytes of ImageData. */
function palette(stops) {
  const last = stops.length - 1;
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const place = (step / 255) * last;
    const [from, to] = [stops[Math.floor(place)], stops[Math.ceil(place)]];
    const [red, green, blue] = from.map((value, part) => Math.round(value + (to[part] - value) * (place % 1)));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

/** A colour of CSS as [r, g, b]. */
export function rgb(colour) {
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext("2d"));
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
