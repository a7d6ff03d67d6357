// The text so far, during speech: transcribed whenever the model is free. The final text does not wait for it: the
// server gives up a partial text as soon as the whole one is asked for.

import { form, make, request } from "../studio.js";

const STEP = 0.5; // seconds of new sound between two partial texts
const FIRST = 0.8; // seconds before the first: less is rarely a word

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

  /** Called for every block: transcribes what `talk` has recorded so far, where there is more and the model is free. */
  consider(talk) {
    if (this.#isAsking || talk.heard < Math.max(FIRST, this.#at + STEP)) return;
    this.#ask(talk.soFar());
  }

  async #ask({ wav, seconds }) {
    const turn = this.#turn;
    this.#isAsking = true;
    this.#at = seconds;
    this.element.classList.add("is-working");
    // the final request shows what is wrong
    const answer = await request("listen/partial", { body: form({ sound: wav, ...this.who() }) }).catch(() => null);
    this.#isAsking = false;
    this.element.classList.remove("is-working");
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
