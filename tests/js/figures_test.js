// How the page writes figures, times and addresses.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  at,
  called,
  counted,
  duration,
  form,
  isTyping,
  request,
  seconds,
  StudioError,
} from "../../studio/ui/assets/studio.js";
import { isUnsure, percent as sure } from "../../studio/ui/assets/sureness.js";
import { latency } from "../../studio/ui/assets/listen/heard-columns.js";
import { refusal } from "../../studio/ui/assets/record/record-saving.js";
import { nameOf, percent as share } from "../../studio/ui/assets/results/heldout-words.js";
import { percent } from "../../studio/ui/assets/train/live-parts.js";
import { megabytes } from "../../studio/ui/assets/train/train-models.js";

test("a count comes with its noun and verb in the right number", () => {
  assert.equal(counted(1, "clip"), "1 clip");
  assert.equal(counted(0, "clip"), "0 clips");
  assert.equal(counted(1200, "clip is", "clips are"), "1,200 clips are");
});

test("a model in a folder is called by its name, and a merged run by the run's", () => {
  const names = {
    "openai/whisper-base:de": "openai/whisper-base:de",
    "starter": "starter",
    "/home/anna/models/whisper-base": "whisper-base",
    "C:\\models\\mine": "mine",
    "/studio/outputs/my-voice-0001/merged": "my-voice-0001, merged",
    "/studio/outputs/my-voice-0001/exports/merged-fp32": "my-voice-0001, merged",
  };
  for (const [model, name] of Object.entries(names)) assert.equal(called(model), name);
});

test("a time is written in its two largest units", () => {
  assert.deepEqual([0.4, 59.4, 59.6, 754, 3599.6, 7384].map(duration), [
    "0 s",
    "59 s",
    "1 min 0 s",
    "12 min 34 s",
    "1 h 0 min",
    "2 h 3 min",
  ]);
  assert.equal(seconds(2.25), "2.3 s");
});

test("a rate that is not known is a dash, and 0 is not", () => {
  assert.deepEqual([null, 0, 0.1234, 1.5].map(percent), ["–", "0.0 %", "12.3 %", "150.0 %"]);
  assert.deepEqual([undefined, null, 0].map(share), ["–", "–", "0.0 %"]);
  assert.deepEqual([null, 0, 0.876].map(sure), ["–", "0 %", "88 %"]);
});

test("a word is unsure below 60 %, and never where nothing is known of it", () => {
  assert.deepEqual([null, 0.59, 0.6].map(isUnsure), [false, true, false]);
});

test("a latency is never 0 ms", () => {
  assert.deepEqual([0.0001, 0.25, 1.26].map(latency), ["1 ms", "250 ms", "1.3 s"]);
});

test("a download's size is in megabytes, then in gigabytes; one of unknown size says nothing", () => {
  assert.deepEqual([0, 123_400_000, 1_540_000_000].map(megabytes), ["", "123\u00a0MB", "1.5\u00a0GB"]);
});

test("each part of an address is escaped by itself", () => {
  assert.equal(at("clips", "my voice", "a/b?c"), "clips/my%20voice/a%2Fb%3Fc");
});

test("a list becomes one form field for each of its values", () => {
  const data = form({ run: ["one", "two"], model: "base" });
  assert.deepEqual([...data.entries()], [["run", "one"], ["run", "two"], ["model", "base"]]);
});

test("what was picked has the same name however often it is picked", () => {
  assert.equal(nameOf({ word: "seven" }), nameOf({ word: "seven" }));
  assert.notEqual(nameOf({ word: "seven" }), nameOf({ word: "eleven" }));
});

test("a silent take and one that is too short are refused with a remedy, any other is not", () => {
  const limits = { silent: 0.01, shortest: 0.3 };
  const take = (peak, length) => ({ peak, samples: new Float32Array(length * 16_000), rate: 16_000 });
  assert.match(refusal(take(0.001, 2), limits)?.[0] ?? "", /Nothing was recorded/);
  assert.match(refusal(take(0.5, 0.2), limits)?.[0] ?? "", /too short \(0\.2 s\)/);
  assert.equal(refusal(take(0.5, 2), limits), null);
});

test("keys belong to a field while one types in it; Space alone belongs to a box to tick", () => {
  const field = (tagName, type) => ({
    tagName,
    matches: (selector) => selector.includes(`=${type}]`),
    closest: () => null,
    isContentEditable: false,
  });
  assert.equal(isTyping({ target: field("TEXTAREA"), key: "r" }), true);
  assert.equal(isTyping({ target: field("INPUT", "checkbox"), key: "r" }), false);
  assert.equal(isTyping({ target: field("INPUT", "checkbox"), key: " " }), true);
  assert.equal(isTyping({ target: field("BUTTON"), key: "r" }), false);
});

/** What `request` makes of one answer of the server. */
async function answered(answer) {
  const asked = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(answer);
  try {
    return await request("clips");
  } catch (error) {
    return error;
  } finally {
    globalThis.fetch = asked;
  }
}

test("an error of the server keeps its words, its remedy and its code", async () => {
  const body = JSON.stringify({ what: "No such clip.", remedy: "Reload the page.", code: "DataError" });
  const error = await answered(new Response(body, { status: 404 }));
  assert.ok(error instanceof StudioError);
  assert.equal(error.message, "No such clip. Reload the page.");
  assert.equal(error.code, "DataError");
});

test("an answer that is no JSON still ends in a sentence", async () => {
  const error = await answered(new Response("<h1>Internal error</h1>", { status: 500 }));
  assert.equal(error.message, "The studio answered 500.");
  assert.deepEqual(await answered(new Response("[1, 2]")), [1, 2]);
});
