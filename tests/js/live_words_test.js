// Words while a person speaks: what is new is sent alone, and again from where the model has lost it.

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveWords } from "../../studio/ui/assets/listen/listen-live.js";

const RATE = 48_000;
const settled = () => new Promise((done) => setTimeout(done));

function spoken() {
  const asked = [];
  globalThis.fetch = (_, { body }) =>
    new Promise((answer) =>
      asked.push({ at: Number(body.get("at")), turn: body.get("turn"), answer: (said) => answer(Response.json(said)) })
    );
  const talk = {
    seconds: 0,
    since: (from) => talk.seconds && talk.seconds - from / RATE,
    soFar: () => ({ wav: new Blob(["RIFF"]) }),
  };
  const live = new LiveWords({ replaceChildren() {} }, () => ({ model: "slow" }), () => {});
  return { asked, talk, live };
}

test("each piece begins where the model's sound ends, and one is under way at a time", async () => {
  const { asked, talk, live } = spoken();
  live.consider(talk); // no one speaks
  live.begin();
  for (const seconds of [0.1, 0.3, 0.6, 0.9]) {
    talk.seconds = seconds;
    live.consider(talk);
  }
  assert.deepEqual(asked.map(({ at }) => at), [0]);
  asked[0].answer({ heard: 0.3 * RATE, columns: [] });
  await settled();
  live.consider(talk);
  assert.deepEqual(asked.map(({ at }) => at), [0, 0.3 * RATE]);
  asked[1].answer({ heard: 0, columns: [] }); // its process ended meanwhile
  await settled();
  live.consider(talk);
  assert.deepEqual(asked.map(({ at }) => at), [0, 0.3 * RATE, 0]);
});

test("an answer that comes after its turn changes nothing of the next", async () => {
  const { asked, talk, live } = spoken();
  live.begin();
  talk.seconds = 1;
  live.consider(talk);
  live.end();
  live.begin();
  asked[0].answer({ heard: RATE, columns: [] });
  await settled();
  live.consider(talk);
  assert.equal(asked[1].at, 0);
  assert.notEqual(asked[1].turn, asked[0].turn);
});

test("after a refusal no more is sent of that turn: the whole utterance says what is wrong", async () => {
  const { asked, talk, live } = spoken();
  live.begin();
  talk.seconds = 1;
  live.consider(talk);
  globalThis.fetch = () => assert.fail("sent once more");
  asked[0].answer(null);
  await settled();
  talk.seconds = 2;
  live.consider(talk);
});
