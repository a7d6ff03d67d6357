// Word edits, and what can be typed in the filter of the Review tab.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { wordEdits } from "../../studio/ui/assets/diff.js";
import { turned } from "../../studio/ui/assets/review/review-columns.js";
import { joined } from "../../studio/ui/assets/review/review-filter.js";
import { next } from "../../studio/ui/assets/review/review-offers.js";

const kinds = (reference, hypothesis) => wordEdits(reference, hypothesis).map(({ kind }) => kind);

test("edits tell which words were replaced, left out and added", () => {
  assert.deepEqual(wordEdits("call the clinic now", "call a clinic right now"), [
    { kind: "equal", reference: "call", hypothesis: "call" },
    { kind: "substitute", reference: "the", hypothesis: "a" },
    { kind: "equal", reference: "clinic", hypothesis: "clinic" },
    { kind: "insert", reference: "", hypothesis: "right" },
    { kind: "equal", reference: "now", hypothesis: "now" },
  ]);
  assert.deepEqual(kinds("one two three", "one three"), ["equal", "delete", "equal"]);
});

test("spaces make no edit, and an empty text is all missing or all new", () => {
  assert.deepEqual(kinds(" one  two ", "one two"), ["equal", "equal"]);
  assert.deepEqual(kinds("one two", ""), ["delete", "delete"]);
  assert.deepEqual(kinds("", "one"), ["insert"]);
  assert.deepEqual(kinds("", ""), []);
});

test("both texts can be read off the edits, which are as few as there can be", () => {
  for (const [one, other] of [["a b c d", "b c x d"], ["x x x", "y x"], ["a b", "c d e"]]) {
    const edits = wordEdits(one, other);
    const side = (name) => edits.map((edit) => edit[name]).filter(Boolean).join(" ");
    assert.deepEqual([side("reference"), side("hypothesis")], [one, other]);
  }
  assert.equal(kinds("a b c d", "b c x d").filter((kind) => kind !== "equal").length, 2);
});

test("a range of a field takes the place of the one that was there", () => {
  assert.equal(joined("", "wer > 0.3"), "wer > 0.3");
  assert.equal(joined("wer > 0.3 and split = train", "wer > 0.5"), "split = train and wer > 0.5");
  assert.equal(joined("duration >= 1 and duration < 2", "duration < 4"), "duration < 4");
  assert.equal(joined('prompt = "a b" and clinic', "prompt = c"), "clinic and prompt = c");
});

test("a query with “or”, “not” or parentheses is kept whole", () => {
  assert.equal(joined("wer > 0.3 or snr < 10", "wer > 0.5"), "(wer > 0.3 or snr < 10) and wer > 0.5");
});

const FIELDS = [
  { name: "split", kind: "choice", unit: "", what: "Where it is", values: ["train", "test", "Set aside"] },
  { name: "speaker", kind: "text", unit: "", what: "Who speaks" },
  { name: "duration", kind: "number", unit: "s", what: "Its length" },
];
const offers = (typed) => next(typed, FIELDS).map(({ text }) => text);

test("an empty filter offers every field, a begun word those that begin like it", () => {
  assert.deepEqual(offers(""), ["split", "speaker", "duration"]);
  assert.deepEqual(next("not sp", FIELDS).map(({ text, replaces }) => [text, replaces]), [["split", 2], [
    "speaker",
    2,
  ]]);
  assert.deepEqual(offers("zebra"), []);
});

test("after a field come its signs, after a sign its values, quoted where they need it", () => {
  assert.ok(offers("duration ").includes("<"));
  assert.deepEqual(offers("split = t"), ["train", "test"]);
  assert.deepEqual(offers("split = Set"), ['"Set aside"']);
  assert.deepEqual(offers("split = train"), []);
});

test("a column of figures is sorted from the highest, words from A, and a second click turns it", () => {
  assert.equal(turned("-created", "text"), "text");
  assert.equal(turned("text", "text"), "-text");
  assert.equal(turned("-created", "duration"), "-duration");
  assert.equal(turned("-duration", "duration"), "duration");
});
