// WAV files, spectra, and where a turn of speech begins and ends.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Loudness, Turns } from "../../studio/ui/assets/listen/turns.js";
import { wav } from "../../studio/ui/assets/sound/recorder.js";
import { decibels } from "../../studio/ui/assets/sound/scope.js";
import { AXES, levels, RATE, TOP } from "../../studio/ui/assets/sound/spectrum.js";

const letters = (file, at, count) => String.fromCharCode(...new Uint8Array(file, at, count));
const tone = (hertz, amplitude, length) =>
  Float32Array.from({ length }, (_, at) => amplitude * Math.sin((2 * Math.PI * hertz * at) / RATE));

test("a WAV file has one channel of 16 bits at the given rate, and says how long it is", async () => {
  const blob = wav(new Float32Array(100), 48_000);
  const file = await blob.arrayBuffer();
  const view = new DataView(file);
  assert.equal(blob.type, "audio/wav");
  assert.deepEqual([letters(file, 0, 4), letters(file, 8, 8), letters(file, 36, 4)], ["RIFF", "WAVEfmt ", "data"]);
  assert.deepEqual([20, 22, 32, 34].map((at) => view.getUint16(at, true)), [1, 1, 2, 16]);
  assert.deepEqual([4, 24, 28, 40].map((at) => view.getUint32(at, true)), [236, 48_000, 96_000, 200]);
  assert.equal(file.byteLength, 244);
});

test("samples that 16 bits hold stay bit-equal, louder ones are cut off", async () => {
  const exact = [-32768, -12345, -1, 0, 1, 12345, 32767];
  const samples = Float32Array.from([...exact.map((value) => value / 32768), 1.5, -1.5]);
  const found = new Int16Array((await wav(samples, 16_000).arrayBuffer()).slice(44));
  assert.deepEqual([...found], [...exact, 32767, -32768]);
});

test("a full-scale tone is 0 dB at its frequency and nowhere else", () => {
  const bins = TOP / (RATE / 512) + 1;
  const found = levels(tone(1000, 1, RATE), 1);
  const loudest = found.indexOf(Math.max(...found));
  assert.equal(found.length, bins);
  assert.equal(loudest * (RATE / 512), 1000);
  assert.ok(Math.abs(found[loudest]) < 0.1);
  assert.ok(found[loudest + 8] < -60);
});

test("each axis of a spectrum goes from 0 Hz to the top and can be read backwards", () => {
  for (const axis of Object.values(AXES)) {
    assert.ok(Math.abs(axis.up(0)) < 1e-9 && Math.abs(axis.up(TOP) - 1) < 1e-9);
    for (const hertz of [100, 1000, 5000]) assert.ok(Math.abs(axis.hertz(axis.up(hertz)) - hertz) < 1e-6);
  }
});

test("silence has a level too", () => {
  assert.equal(decibels(1), 0);
  assert.ok(Number.isFinite(decibels(0)));
});

test("a level is that of the sound without its hum", () => {
  const voice = new Loudness(RATE).of(tone(1000, 0.5, RATE));
  const hum = new Loudness(RATE).of(tone(50, 0.5, RATE));
  assert.ok(Math.abs(voice - 20 * Math.log10(0.5 / Math.SQRT2)) < 0.5);
  assert.ok(hum < voice - 6);
});

const [ROOM, VOICE] = [-62, -25]; // dBFS

/** The events of `[level, seconds]` pairs, each with the second at which it came. */
function heard(pairs, settings = {}) {
  const turns = new Turns({ silence: 0.8, sensitivity: 3, longest: 29.5, ...settings });
  const events = [];
  for (const [level, length] of pairs) {
    for (let at = 0; at < Math.round(length / 0.02); at += 1) events.push(turns.hear(level, 0.02));
  }
  return events.flatMap((event, place) => (event ? [[event, Math.round(2 * (place + 1)) / 100]] : []));
}

const PAUSE = [[ROOM, 1], [VOICE, 1], [ROOM, 0.6], [VOICE, 1], [ROOM, 1]];

test("silence ends a turn, a short pause does not, unless it is set so", () => {
  assert.deepEqual(heard([[ROOM, 1], [VOICE, 1], [ROOM, 1.5]]), [["begin", 1.06], ["end", 2.8]]);
  assert.deepEqual(heard(PAUSE), [["begin", 1.06], ["end", 4.4]]);
  assert.deepEqual(heard(PAUSE, { silence: 0.4 }).map(([kind]) => kind), ["begin", "end", "begin", "end"]);
});

test("a click is no turn, and a knock is dropped", () => {
  assert.deepEqual(heard([[ROOM, 1], [VOICE, 0.04], [ROOM, 2]]), []);
  assert.deepEqual(heard([[ROOM, 1], [VOICE, 0.1], [ROOM, 2]]), [["begin", 1.06], ["drop", 1.9]]);
});

test("a turn that is too long is cut and goes on", () => {
  const found = heard([[ROOM, 1], [VOICE, 3], [ROOM, 1]], { longest: 2 });
  assert.deepEqual(found.slice(0, 3), [["begin", 1.06], ["cut", 3], ["begin", 3.06]]);
  assert.equal(found.length, 4);
});

test("a voice must exceed the room, by less where the sensitivity is higher", () => {
  const noisy = [[-45, 3], [-39, 1], [-45, 2]];
  assert.deepEqual(heard(noisy), []);
  assert.deepEqual(heard(noisy, { sensitivity: 5 }), [["begin", 3.06], ["end", 4.8]]);
});

test("who speaks at once is heard, and below -60 dBFS there is no voice", () => {
  assert.deepEqual(heard([[VOICE, 1], [ROOM, 1]]), [["begin", 0.3], ["end", 1.8]]);
  assert.deepEqual(heard([[-120, 2], [-70, 2]]), []);
});

test("a microphone that gives nothing for three seconds is mute", () => {
  const turns = new Turns({ silence: 0.8, sensitivity: 3, longest: 29.5 });
  const listen = (level, length) => {
    for (let at = 0; at < length; at += 0.02) turns.hear(level, 0.02);
    return turns.isMute;
  };
  assert.deepEqual([listen(-120, 2), listen(-120, 2), listen(ROOM, 0.1)], [false, true, false]);
});
