// The exported page: the rules by which it writes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { likeliest, mostTokens, text } from "../../studio/export/onnx/page/speech.js";

test("a letter of two bytes may be written by two tokens, and a special one writes nothing", () => {
  const written = [btoa(" n"), btoa("\xc3"), btoa("\xa9"), ""];
  assert.equal(text([0, 1, 2, 3], written), "né");
});

test("what is forbidden is not written, however likely", () => {
  assert.equal(likeliest(Float32Array.of(-3, -1, -2), new Set([1])), 2);
});

test("a text grows with its sound, between the least and the most", () => {
  const length = { least: 8, per_second: 6.5, most: 193 };
  assert.deepEqual([0.1, 10, 60].map((seconds) => mostTokens(seconds, length)), [8, 65, 193]);
});
