// Hold to talk: with the pointer, with a key, or, for whoever cannot hold, with one press to begin and one to end.

import { Recorder } from "../sound/recorder.js";
import { isShown, isTyping } from "../studio.js";

const PRESS = 350; // ms: what is shorter was a press, not a hold
const TAIL = 300; // ms recorded after the end: the last word's end
const REST = 30_000; // ms without a word after which the microphone is let go

/** Whether the browser will ask the person before it opens the microphone; a browser that does not say counts as no. */
async function isAsking() {
  const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  return permission?.state === "prompt";
}

/** Turns presses of `button` (and of the key T) into takes. `longest()` gives the seconds that one may last.
 *  Calls `on.state(name)`, `on.level(peak, isRecording)`, `on.take(take, isCut)`, `on.error(error)`, and
 *  `on.lost(take, error)` when the microphone stops by itself (`take` is null where nothing was being said). */
export class HoldToTalk {
  #recorder = new Recorder({ onLevel: (peak) => this.#level(peak), onLost: (take, error) => this.#lost(take, error) });
  #since = 0; // when the press began; 0 while nothing is pressed
  #isMissed = false; // held and let go before the microphone was open
  #phase = "idle"; // idle, opening, recording, ending
  #timer = 0;

  constructor(button, longest, on) {
    this.button = button;
    this.longest = longest;
    this.on = on;
    button.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    for (const name of ["pointerup", "pointercancel"]) button.addEventListener(name, () => this.#release());
    button.addEventListener("click", (event) => event.detail === 0 && this.#tap()); // Enter, or a screen reader
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    document.addEventListener("keyup", (event) => this.#keyUp(event));
    window.addEventListener("blur", () => this.#since && this.#release());
  }

  get isBusy() {
    return this.#phase !== "idle";
  }

  /** The take so far, as `Recorder.soFar` and `since`, its seconds, and how many pass between its end and its
   *  transcription. */
  soFar = (from = 0) => this.#recorder.soFar(from);
  since = (from) => (this.#phase === "recording" ? this.#recorder.since(from) : 0);
  lag = TAIL / 1000;
  get heard() {
    return this.#phase === "recording" ? this.#recorder.heard : 0;
  }

  /** Forget what is being said. */
  discard() {
    this.#recorder.discard();
    this.#since = 0;
    if (this.#phase === "recording") this.#enter("idle");
  }

  /** Let the microphone go. */
  close() {
    this.discard();
    this.#recorder.close();
  }

  #enter(phase) {
    this.#phase = phase;
    this.on.state(phase);
    clearTimeout(this.#timer);
    if (phase === "recording") this.#timer = setTimeout(() => this.#end(true), 1000 * this.longest() - TAIL);
    if (phase === "idle") this.#timer = setTimeout(() => this.#recorder.close(), REST);
  }

  #isOurs(event) {
    const onButton = event.target === this.button && event.key === " ";
    const anywhere = event.key.toLowerCase() === "t" && !isTyping(event) && !event.ctrlKey && !event.metaKey &&
      !event.altKey;
    return (onButton || anywhere) && isShown(this.button);
  }

  #keyDown(event) {
    if (event.key === "Escape" && this.#phase === "recording") return this.discard();
    if (!this.#isOurs(event)) return;
    event.preventDefault();
    if (!event.repeat) this.#press();
  }

  #keyUp(event) {
    if (!this.#isOurs(event)) return;
    event.preventDefault(); // Firefox clicks when Space comes up
    this.#release();
  }

  #pointerDown(event) {
    if (event.button !== 0) return;
    event.target.setPointerCapture?.(event.pointerId);
    this.#press();
  }

  /** The button or the key goes down: begin, or end what an earlier press began. */
  #press() {
    if (this.#phase === "recording") this.#end();
    else if (this.#phase === "idle") this.#begin();
  }

  #tap() {
    this.#press();
    this.#since = 0;
  }

  async #begin() {
    this.#since = performance.now();
    this.#isMissed = false;
    this.#enter("opening");
    const wasAsked = await isAsking();
    try {
      await this.#recorder.open();
      await this.#recorder.start();
    } catch (error) {
      this.#since = 0;
      this.#enter("idle");
      return this.on.error(error);
    }
    if (!this.#isMissed && (this.#since || !wasAsked)) return this.#enter("recording");
    this.#recorder.discard();
    this.#enter("idle");
    this.on.state("missed");
  }

  /** The button or the key comes up: after a hold that is the end; after a mere press the next one is. */
  #release() {
    const isHeld = this.#since > 0 && performance.now() - this.#since > PRESS;
    this.#since = 0;
    if (isHeld && this.#phase === "opening") this.#isMissed = true;
    if (isHeld && this.#phase === "recording") this.#end();
  }

  async #end(isCut = false) {
    this.#since = 0;
    this.#enter("ending");
    const take = await this.#recorder.stop(TAIL);
    this.#enter("idle");
    if (take) this.on.take(take, isCut);
  }

  #level(peak) {
    this.on.level(peak, this.#phase === "recording");
  }

  #lost(take, error) {
    this.#since = 0;
    this.#enter("idle");
    this.on.lost(take, error);
  }
}
