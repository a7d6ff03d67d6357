// What a run's events add up to. Reading them again from the start gives the same, so nothing has to be remembered.

/** A name for each phase, and its place in the whole run. */
export const PHASES = {
  loading: { stage: 0, text: "Loading the model" },
  labelling: { stage: 0, text: "Labelling the replayed clips" },
  encoding: { stage: 0, text: "Encoding the clips" },
  baseline: { stage: 1, text: "Scoring the base model" },
  training: { stage: 2, text: "Training" },
  validating: { stage: 2, text: "Scoring the validation clips" },
  tuned: { stage: 3, text: "Scoring the tuned model" },
  writing: { stage: 3, text: "Writing the report" },
};
export const STAGES = ["Prepare", "Score before", "Train", "Score after"];

const SAMPLES = 6; // of the latest scoring

/** @typedef {Server.Evaluated & { rate: number }} Scoring
 *  @typedef {Server.Sampled & { edits: Server.Edit[] }} Sample */

export class History {
  /** @type {Server.StepDone[]} */
  steps = [];
  /** @type {Scoring[]} */
  scorings = []; // of the validation split
  /** @type {Server.LossMeasured[]} */
  losses = []; // of the validation clips, between two scorings
  /** @type {Sample[]} */
  samples = []; // of the latest scoring
  /** @type {string[]} */
  warnings = [];
  /** @type {Scoring | null} */
  before = null; // on the test split, by the base model
  /** @type {Scoring | null} */
  after = null; // the same, tuned
  /** @type {Server.Started | null} */
  started = null;
  /** @type {Server.Phase | null} */
  phase = null;
  /** @type {Server.Stopped | null} */
  stopped = null;
  /** @type {Server.Failed | null} */
  failed = null;
  /** @type {(Server.Finished & { rates: (number | null)[] }) | null} */
  finished = null;
  baselineSeconds = 0;
  /** @type {number | null} */
  began = null; // when the trainer was started last, in seconds of the server's clock
  #latest = 0; // the time of the latest event
  #spent = 0; // seconds, up to the stop before each resume

  /** @param {Server.RunEvent} event */
  add(event) {
    this[`on_${event.type}`]?.(event);
    this.#latest = event.at;
  }

  /** Seconds that the run has taken at `now`; once it is finished, what its report says, whatever the time. */
  elapsed(now) {
    if (this.finished) return this.finished.seconds;
    return this.began === null || now == null ? null : Math.max(0, this.#spent + now - this.began);
  }

  get max() {
    return this.started?.max_steps || 0;
  }

  get step() {
    return this.steps.at(-1)?.step || this.started?.resumed_from || 0;
  }

  get best() {
    return this.scorings.findLast(({ best }) => best) ?? this.scorings[0] ?? null;
  }

  /** Seconds until the end, by the steps since the last start; null while there are too few. */
  get left() {
    if (this.finished) return null;
    const recent = this.steps.filter((step) => step.at >= (this.started?.at ?? Infinity));
    if (recent.length < 3 || !this.phase || PHASES[this.phase.name]?.stage !== 2) return null;
    const [first, last] = [recent[0], recent[recent.length - 1]];
    return ((last.at - first.at) / (last.step - first.step || 1)) * (this.max - last.step) + this.baselineSeconds;
  }

  /**
   * Seconds until the test clips are scored, at `now`, in seconds of the server's clock; null while it cannot be
   * estimated.
   */
  scoringLeft(now) {
    if (!this.phase) return null;
    const { name, done, total } = this.phase;
    if (done >= total || !["baseline", "tuned"].includes(name)) return null;
    const { at, done: from } = this.scoringFrom;
    const lasted = now - at;
    if (done > from && lasted > 2) return Math.max(1, (lasted / (done - from)) * (total - from) - lasted);
    return name === "tuned" && this.baselineSeconds ? Math.max(1, this.baselineSeconds - lasted) : null;
  }

  /** How much of each stage is done, 0 to 1. */
  get stages() {
    if (this.finished) return STAGES.map(() => 1);
    const at = this.phase ? PHASES[this.phase.name]?.stage ?? 0 : 0;
    const share = at === 2 ? this.step / (this.max || 1) : (this.phase?.done || 0) / (this.phase?.total || 1);
    return STAGES.map((_, stage) => (stage < at ? 1 : stage === at ? Math.min(share, 1) : 0));
  }

  on_started(event) {
    const isKept = (past) => past.step <= event.resumed_from;
    Object.assign(this, { started: event, phase: null, stopped: null, failed: null, finished: null });
    this.steps = this.steps.filter(isKept);
    this.scorings = this.scorings.filter(isKept);
    this.losses = this.losses.filter(isKept);
  }

  on_phase(event) {
    if (event.name === "loading" && this.phase?.name !== "loading") {
      if (this.began !== null) this.#spent += this.#latest - this.began;
      this.began = event.at;
    }
    if (this.phase?.name === "baseline") this.baselineSeconds = event.at - this.baselineAt;
    else if (event.name === "baseline") this.baselineAt = event.at;
    const { name, total, done } = this.phase || { name: "", total: 0, done: 0 };
    // own clips, then others'
    if (event.name !== name || event.total !== total || event.done < done) this.scoringFrom = event;
    this.phase = event;
  }

  on_step(event) {
    while (this.steps.length && this.steps[this.steps.length - 1].step >= event.step) this.steps.pop();
    this.steps.push(event);
  }

  /** The name of the rate that the run goes by: of words, or of characters where the language has no spaces. */
  get rateName() {
    return (this.finished ?? this.before)?.unit === "character" ? "CER" : "WER";
  }

  on_evaluated(event) {
    event.rate = event.unit === "character" ? event.cer : event.wer;
    if (event.split === "validation") {
      this.scorings = [...this.scorings.filter((past) => past.step < event.step), event];
    } else if (event.split === "test") this[event.step ? "after" : "before"] = event;
  }

  on_loss(event) {
    this.losses = [...this.losses.filter((past) => past.step < event.step), event];
  }

  on_sample(event) {
    if (this.samples[0]?.step !== event.step) this.samples = [];
    if (this.samples.length < SAMPLES) this.samples.push(event);
  }

  on_warned(event) {
    if (!this.warnings.includes(event.message)) this.warnings.push(event.message);
  }

  on_stopped(event) {
    this.stopped = event;
  }

  on_failed(event) {
    this.failed = event;
  }

  on_finished(event) {
    this.finished = {
      ...event,
      rates: event.unit === "character" ? [event.cer_before, event.cer_after] : [event.wer_before, event.wer_after],
    };
  }
}
