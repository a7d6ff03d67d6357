// Words as they are spoken, each with the seconds at which it begins: by a model that writes while it hears. It is sent
// what is new alone, and the base and the tuned model write side by side as long as this computer keeps pace.

import { form, make, request, seconds } from "../studio.js";
import { percent } from "../sureness.js";

const STEP = 0.24; // seconds of new sound: three frames of the model

export class LiveWords {
  #turn = ""; // the name of the turn that is going on
  #turns = 0;
  #isAsking = false;
  #from = 0; // the sample at which the next piece begins: the model has all before it

  /** Shows the words in `element`; `who()` gives the fields `{ run, model }` of the reader, and `onStarts(starts)` gets
   *  the seconds at which the words of the last reader begin. */
  constructor(element, who, onStarts) {
    this.element = element;
    this.who = who;
    this.onStarts = onStarts;
  }

  /** How many models will write. */
  set readers(count) {
    this.element.style.setProperty("--readers", count);
  }

  /** A new turn begins. */
  begin() {
    this.clear();
    this.#turns += 1;
    this.#turn = `${Date.now()}-${this.#turns}`;
    this.#from = 0;
  }

  /** The turn is over: the words stay until the answer comes. */
  end() {
    this.#turn = "";
  }

  /** The answer has come, or there will be none. */
  clear() {
    this.element.replaceChildren();
  }

  /** Called for every block: sends what `talk` has recorded since the last piece. */
  consider(talk) {
    if (this.#turn && !this.#isAsking && talk.since(this.#from) >= STEP) this.#ask(talk.soFar(this.#from));
  }

  async #ask({ wav }) {
    const turn = this.#turn;
    this.#isAsking = true;
    const fields = { sound: wav, turn, at: this.#from, ...this.who() };
    /** @type {Server.LiveTurnHeard | null} */
    const answer = await request("listen/live", { body: form(fields) }).catch(() => null);
    this.#isAsking = false;
    if (turn !== this.#turn) return;
    if (!answer) return this.end(); // the final request shows what is wrong
    this.#from = answer.heard;
    if (answer.columns.length) this.#show(answer.columns);
  }

  #show(/** @type {Server.LiveHypothesis[]} */ columns) {
    const lines = columns.map(({ words, starts }) =>
      make("span", { class: "li-live-words" }, ...words.map((word, place) => timed(word, starts[place])))
    );
    const rows = columns.map(({ run }, place) =>
      make("span", { class: "li-live-row" }, make("b", {}, run ? "After" : "Before"), lines[place])
    );
    this.element.replaceChildren(...rows);
    for (const line of lines) line.scrollLeft = line.scrollWidth; // the newest words
    this.onStarts(columns.at(-1)?.starts ?? []);
  }
}

function timed([word, share], start) {
  const at = make("span", { class: "li-live-at st-number" }, seconds(start));
  const title = `begins at ${start.toFixed(2)} s, ${percent(share)} sure`;
  return make("span", { class: "li-live-word", title }, word, at);
}
