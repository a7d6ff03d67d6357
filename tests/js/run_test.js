// What the events of a run add up to, and the curves that are drawn of them.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { bestSoFar, smoothed } from "../../studio/ui/assets/train/live-chart.js";
import { History, STAGES } from "../../studio/ui/assets/train/live-history.js";

/** The history of `events`, of which each has only what matters here. */
function after(...events) {
  const history = new History();
  for (const event of events) history.add({ at: 0, ...event });
  return history;
}

const started = (more = {}) => ({ type: "started", max_steps: 10, resumed_from: 0, ...more });
const step = (number, more = {}) => ({ type: "step", step: number, loss: 1 / number, ...more });
const scored = (number, wer, more = {}) => ({
  type: "evaluated",
  split: "validation",
  step: number,
  wer,
  cer: wer / 2,
  unit: "word",
  best: false,
  ...more,
});

test("a run that is resumed takes back the steps after its checkpoint", () => {
  const history = after(started(), step(1), step(2), step(3), scored(3, 0.2), started({ resumed_from: 2 }));
  assert.deepEqual(history.steps.map((event) => event.step), [1, 2]);
  assert.deepEqual([history.scorings.length, history.step, history.max], [0, 2, 10]);
});

test("a log that is read again adds nothing twice", () => {
  const history = after(started(), step(1), step(2), step(1), step(2), scored(2, 0.3), scored(2, 0.3));
  assert.deepEqual([history.steps.length, history.scorings.length], [2, 1]);
});

test("the best scoring is the last that was called so, else the first", () => {
  assert.equal(after().best, null);
  assert.equal(after(scored(1, 0.5), scored(2, 0.4)).best?.step, 1);
  assert.equal(after(scored(1, 0.5, { best: true }), scored(2, 0.4, { best: true }), scored(3, 0.6)).best?.step, 2);
});

test("a language without spaces goes by its characters", () => {
  const history = after(scored(0, 0.4, { split: "test", unit: "character" }));
  assert.deepEqual([history.before?.rate, history.rateName, history.after], [0.2, "CER", null]);
  assert.equal(after(scored(8, 0.1, { split: "test" })).after?.rate, 0.1);
});

test("the end of a run has both rates, and every stage is full", () => {
  const rates = { wer_before: 0.4, wer_after: 0.1, cer_before: 0.2, cer_after: 0.05 };
  const history = after(started(), { type: "finished", step: 10, best_step: 8, unit: "word", ...rates });
  assert.deepEqual(history.finished?.rates, [0.4, 0.1]);
  assert.deepEqual(history.stages, STAGES.map(() => 1));
});

test("a run has one duration: from its trainer's start, and once it is over what its report says", () => {
  const loading = (at) => ({ type: "phase", name: "loading", done: 0, total: 0, at });
  const going = after(
    loading(100),
    started({ at: 104 }),
    step(1, { at: 110 }),
    step(2, { at: 111 }),
    step(3, { at: 112 }),
  );
  assert.equal(after().elapsed(150), null);
  assert.equal(going.elapsed(120), 20);
  going.add({ type: "finished", at: 131, seconds: 30.5, step: 3, best_step: 3, unit: "word" });
  assert.deepEqual([going.elapsed(131), going.elapsed(500), going.left], [30.5, 30.5, null]);
});

test("what a resumed run took before it was stopped counts, the pause does not", () => {
  const loading = (at) => ({ type: "phase", name: "loading", done: 0, total: 0, at });
  const history = after(loading(100), started({ at: 104 }), step(1, { at: 110 }), loading(1000));
  assert.equal(history.elapsed(1005), 15);
});

test("stages fill one after the other", () => {
  const phase = { type: "phase", name: "training", done: 0, total: 10 };
  assert.deepEqual(after(started(), phase, step(5)).stages, [1, 1, 0.5, 0]);
  assert.deepEqual(after(started(), { ...phase, name: "baseline", done: 5 }).stages, [1, 0.5, 0, 0]);
});

test("the time left comes from the steps since the last start", () => {
  const phase = { type: "phase", name: "training", done: 0, total: 10 };
  const steps = [1, 2, 3].map((number) => step(number, { at: 10 * number }));
  assert.equal(after(started(), phase, ...steps.slice(0, 2)).left, null);
  assert.equal(after(started(), phase, ...steps).left, 70);
  assert.equal(after(...steps, started({ at: 25, resumed_from: 3 }), phase).left, null);
});

test("the time that scoring still takes is known after two seconds, the second time from the first", () => {
  const history = new History();
  const left = (name, done, total, at) => {
    history.add({ type: "phase", name, done, total, at });
    return history.scoringLeft(at);
  };
  assert.deepEqual([left("baseline", 0, 40, 100), left("baseline", 8, 40, 104), left("baseline", 40, 40, 120)], [
    null,
    16,
    null,
  ]);
  assert.deepEqual([left("training", 0, 10, 120), left("tuned", 0, 40, 200), left("tuned", 8, 40, 205)], [
    null,
    20,
    20,
  ]);
});

test("the same warning is shown once, and samples are those of the latest scoring", () => {
  const sample = (number) => ({ type: "sample", step: number, reference: "a", hypothesis: "b", edits: [] });
  const warned = { type: "warned", message: "Few clips." };
  const history = after(warned, warned, sample(1), sample(1), sample(2), ...Array(8).fill(sample(2)));
  assert.deepEqual([history.warnings, history.samples.length], [["Few clips."], 6]);
  assert.ok(history.samples.every((event) => event.step === 2));
});

test("an event of a newer version is passed over", () => {
  assert.doesNotThrow(() => after({ type: "unheard of" }));
});

test("a smoothed curve begins at its first point and follows a level one exactly", () => {
  const level = [[1, 3], [2, 3], [3, 3]];
  assert.deepEqual(smoothed(level, 4).map(([x, y]) => [x, Math.round(y * 1e9) / 1e9]), level);
  assert.deepEqual(smoothed([[1, 8], [2, 0]], 4)[0], [1, 8]);
});

test("the best so far is a staircase that never rises", () => {
  assert.deepEqual(bestSoFar([[1, 5], [2, 7], [3, 4]]), [[1, 5], [2, 5], [2, 5], [3, 5], [3, 4]]);
});
