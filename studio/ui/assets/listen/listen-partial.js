// The text so far, during speech. Transcribing it never delays the final text: none is started that
// would not be done in the time that the end of a turn takes anyway.

import { form, make, request } from "../studio.js";

const STEP = 0.5; // seconds of new sound between two partial texts
const FIRST = 0.8; // seconds before the first: less is rarely a word
const MARGIN = 2; // a partial text may take so much longer than those before did: others use the machine too
const KEPT = 0.8; // of what was expected, where one was quicker: one lucky one proves little
const FORGET = 0.7; // from turn to turn: a model that was slow once is tried again

/** How many words two partial texts begin with alike: those will hardly change any more. */
function agreed(one, other) {
  let count = 0;
  while (count < one.length && one[count] === other[count]) count += 1;
  return count;
}

export class Partial {
  #turn = 0; // answers that come after their turn are dropped
  #isAsking = false;
  #at = 0; // seconds of sound that were sent last
  #cost = { took: 0, seconds: 1 }; // of the last partial text
  #settled = []; // words on show that stay
  #last = []; // all words of the last partial text

  /** Shows the text in `element`; `who()` gives the fields `{ run, model }` of the reader. */
  constructor(element, who) {
    this.element = element;
    this.who = who;
  }

  /** A new turn begins. */
  begin() {
    this.end();
    this.clear();
    this.#cost.took *= FORGET;
  }

  /** The turn is over: the text stays as it is until the answer comes. */
  end() {
    this.#turn += 1;
    this.#at = 0;
    this.#settled = this.#last = [];
  }

  /** The answer has come, or there will be none. */
  clear() {
    this.element.replaceChildren();
  }

  /** Called for every block: transcribes what `talk` has recorded so far, where it is time to. */
  consider(talk) {
    const seconds = talk.heard;
    if (this.#isAsking || seconds < Math.max(FIRST, this.#at + STEP)) return;
    if (MARGIN * this.#expected(seconds) <= talk.slack) this.#ask(talk.soFar());
  }

  /** How many seconds it will take to transcribe `seconds` of sound, second for second as those before. */
  #expected(seconds) {
    return Math.max(0.5, seconds / this.#cost.seconds) * this.#cost.took;
  }

  async #ask({ wav, seconds }) {
    const [turn, began] = [this.#turn, performance.now()];
    this.#isAsking = true;
    this.#at = seconds;
    // the final request shows what is wrong
    const answer = await request("listen/partial", { body: form({ sound: wav, ...this.who() }) }).catch(() => null);
    this.#isAsking = false;
    this.#cost = { took: Math.max((performance.now() - began) / 1000, KEPT * this.#expected(seconds)), seconds };
    if (answer?.text && turn === this.#turn) this.#show(answer.text.split(/\s+/));
  }

  /** What two partial texts agree on is settled, and is never taken back while the turn lasts. */
  #show(words) {
    const settled = words.slice(0, agreed(words, this.#last));
    this.#last = words;
    if (settled.length > this.#settled.length) {
      this.#settled = [...this.#settled, ...settled.slice(this.#settled.length)];
    }
    const open = words.slice(this.#settled.length).join(" ");
    this.element.replaceChildren(this.#settled.join(" "), " ", make("span", { class: "li-open-end" }, open));
    this.element.scrollTop = this.element.scrollHeight;
  }
}
