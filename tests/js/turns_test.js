// Where the strip of the Test tab puts the end of a turn.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { ended } from "../../studio/ui/assets/listen/listen-turns.js";

const track = {
  run: "",
  seconds: [0.08, 0.16, 0.24, 0.32],
  chances: [[0.9, 0.1], [0.2, 0.1], [0.4, 0.1], [0.7, 0.8]],
  first_word: 0.16,
};

test("a turn ends once a word came in and the head passes the threshold", () => {
  assert.equal(ended(track, 0, 0.5), 0.32); // not at 0.08, before the first word
  assert.equal(ended(track, 0, 0.3), 0.24);
  assert.equal(ended(track, 1, 0.9), undefined);
  assert.equal(ended({ ...track, first_word: null }, 0, 0.1), undefined);
});
