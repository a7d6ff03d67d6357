// The text so far: asked for whenever the model is free, however long it took before.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Partial } from "../../studio/ui/assets/listen/listen-partial.js";

test("while a person speaks the text so far is asked for again as soon as the last one is there", async () => {
  const asked = [];
  globalThis.fetch = () => new Promise((answer) => asked.push(() => answer(Response.json({ text: "" }))));
  const classes = new Set();
  const element = {
    replaceChildren() {},
    classList: { add: (name) => classes.add(name), remove: (name) => classes.delete(name) },
  };
  const talk = { heard: 0, soFar: () => ({ wav: new Blob(["RIFF"]), seconds: talk.heard }) };
  const partial = new Partial(element, () => ({ model: "slow" }));
  partial.begin();
  partial.consider(talk);
  assert.equal(asked.length, 0); // no word is as short as that
  for (const [heard, requests] of [[1, 1], [9, 1]]) { // the first takes eight seconds
    talk.heard = heard;
    partial.consider(talk);
    assert.equal(asked.length, requests);
    assert.deepEqual([...classes], ["is-working"]);
  }
  asked[0]();
  await new Promise((done) => setTimeout(done));
  assert.deepEqual([...classes], []);
  partial.consider(talk);
  assert.equal(asked.length, 2);
});
