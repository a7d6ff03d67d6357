// Hands-free: the microphone stays open, a voice begins a turn and silence ends it.

import { Recorder } from "../sound/recorder.js";
import { isShown, isTyping } from "../studio.js";
import { Loudness, Turns } from "./turns.js";

const PRE_ROLL = 0.3; // seconds kept from before the first voice: no first syllable is lost
const KEPT_AFTER = 0.4; // seconds kept of the silence that ended a turn
const ENDING = 0.15; // seconds of silence after which the turn may be over

/** Listens while `button` (or the key T) is switched on. `settings()` gives `{ silence, sensitivity, longest }`.
 *  Calls `on.state(name)`, `on.level(peak, isRecording)`, `on.take(take, isCut)`, `on.error(error)`,
 *  `on.lost(take, error)`, and asks `on.isHeld()` whether it should not listen now. */
export class HandsFree {
  #recorder = new Recorder({
    onLevel: (peak, block) => this.#hear(peak, block),
    onLost: (take, error) => this.#lost(take, error),
  });
  /** @type {Turns | null} */
  #turns = null; // while the microphone is open
  #state = "idle"; // idle, opening, waiting, mute, recording, held
  /** @type {Loudness} */
  #loudness; // of the sound, while the microphone is open

  constructor(button, settings, on) {
    this.button = button;
    this.settings = settings;
    this.on = on;
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("keydown", (event) => this.#keyDown(event));
  }

  get isOn() {
    return this.#state !== "idle";
  }

  /** The take so far, as `Recorder.soFar` and `since`, and its seconds (0 once it may be ending). */
  soFar = (from = 0) => this.#recorder.soFar(from);
  since = (from) => this.#recorder.since(from);
  get heard() {
    return this.#turns && this.#turns.quiet < ENDING ? this.#recorder.heard : 0;
  }
  /** Seconds between the end of a turn and its transcription. */
  get lag() {
    return this.settings().silence;
  }

  toggle() {
    if (this.isOn) this.stop();
    else this.#start();
  }

  /** Stop listening; a turn that was going on is transcribed. */
  stop() {
    if (this.#state === "recording") this.#end(false);
    this.close();
  }

  /** Let the microphone go, and forget what was being said. */
  close() {
    this.#turns = null;
    this.#recorder.close();
    this.#enter("idle");
  }

  /** Take over settings that were changed. */
  set() {
    if (this.#turns) this.#turns.settings = this.settings();
  }

  #enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.on.state(state);
  }

  #keyDown(event) {
    if (event.key === "Escape" && this.isOn && isShown(this.button) && !event.target.closest?.("dialog")) {
      return this.close();
    }
    const isOurs = event.key.toLowerCase() === "t" && !event.ctrlKey && !event.metaKey && !event.altKey &&
      !event.repeat;
    if (!isOurs || isTyping(event) || !isShown(this.button)) return;
    event.preventDefault();
    this.toggle();
  }

  async #start() {
    this.#enter("opening");
    try {
      await this.#recorder.open();
    } catch (error) {
      this.#enter("idle");
      return this.on.error(error);
    }
    if (this.#state !== "opening") return this.#recorder.close(); // stopped meanwhile
    this.#loudness = new Loudness(this.#recorder.device.rate);
    this.#turns = new Turns(this.settings());
    this.#enter("waiting");
  }

  #hear(peak, block) {
    if (!this.#turns) return;
    if (this.on.isHeld()) return this.#hold();
    const event = this.#turns.hear(this.#loudness.of(block), block.length / (this.#recorder.device.rate ?? 1));
    if (event === "begin") this.#recorder.begin(PRE_ROLL + this.#turns.voiced);
    if (event === "drop") this.#recorder.discard();
    if (event === "end" || event === "cut") this.#end(event === "cut");
    if (this.#turns) this.#enter(this.#turns.isHearing ? "recording" : this.#turns.isMute ? "mute" : "waiting");
    this.on.level(peak, this.#turns?.isHearing ?? false);
  }

  /** Something else has the floor: what was being said is transcribed, and nothing new begins. */
  #hold() {
    if (this.#state === "recording") this.#end(false);
    this.#turns?.reset();
    this.#enter("held");
    this.on.level(0, false);
  }

  #end(isCut) {
    const take = this.#recorder.end(isCut ? 0 : Math.max(0, this.settings().silence - KEPT_AFTER));
    if (take) this.on.take(take, isCut);
  }

  #lost(take, error) {
    this.#turns = null;
    this.#enter("idle");
    this.on.lost(take, error);
  }
}
