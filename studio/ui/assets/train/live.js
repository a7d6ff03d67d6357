// One run, live or long over: phase, progress, figures, curves, samples, log; and the ways to end it or go on with it.

import { diffed } from "../diff.js";
import { bestSoFar, Chart, smoothed } from "./live-chart.js";
import { History, PHASES, STAGES } from "./live-history.js";
import {
  action,
  describe,
  keys,
  lossPoints,
  message,
  percent,
  replaceText,
  SKELETON,
  span,
  STATES,
  tiles,
} from "./live-parts.js";
import { Stream, watchVisibility } from "../stream.js";
import { at, counted, duration, icon, make, request, studio } from "../studio.js";

const PICTURES = { good: "check", look: "info", bad: "warning" };
const isGoingOn = (status) => status === "running" || status === "stopping";

const LOG_CHARACTERS = 400_000; // of the log, on show

export class LiveView {
  run = "";
  #history = new History();
  /** @type {any} */
  #state = { status: "none" };
  #skew = 0; // seconds that the server's clock is ahead of ours
  /** @type {Stream | null} */
  #stream = null;
  /** @type {Stream | null} */
  #log = null;
  #isVisible = false;
  #isBroken = false;
  #drawing = 0;
  /** @type {Error | null} */
  #problem = null;
  /** @type {Server.VerdictSummary | null} */
  #verdict = null; // on the held-out clips
  #judged = ""; // the run whose verdict was asked for

  /** Fills `element`; `on` has `back()`, `resumed(run)`, `remove(run)`, `ended(run)`, `test(run)`. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    element.innerHTML = SKELETON;
    this.$ = (selector) => element.querySelector(selector);
    this.loss = new Chart(this.$("[data-chart=loss]"), (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0)));
    this.wer = new Chart(this.$("[data-chart=wer]"), (value) => `${Math.round(1000 * value) / 10} %`);
    this.$("[data-do=back]").prepend(icon("back"));
    this.$(".live-progress").append(
      ...STAGES.map((name) => make("span", { class: "live-stage" }, make("i"), make("small", {}, name))),
    );
    element.addEventListener("click", (event) => this.#press(event.target.closest("[data-do]")?.dataset.do));
    this.$(".live-log").addEventListener("toggle", () => this.#followLog());
    watchVisibility(element, (isVisible) => this.#see(isVisible));
    const recolour = () => this.#draw();
    studio.on("theme", element, recolour);
    new MutationObserver(recolour).observe(document.body, { attributeFilter: ["class"] });
    setInterval(() => this.#isVisible && isGoingOn(this.#state.status) && this.#times(), 1000);
  }

  /** Show `run` from its first event on. */
  show(run) {
    this.close();
    this.run = run;
    this.#restart();
    this.#state = { status: "none" };
    this.#stream = new Stream(`runs/${at(run)}/events`, {
      data: (events) => this.#add(events),
      state: (state) => this.#show(state),
      restart: () => this.#restart(),
      end: () => this.on.ended(run),
      trouble: (isBroken) => this.#trouble(isBroken),
    });
    this.#see(this.#isVisible);
    this.$(".live-log").open = false;
    this.#render(); // at once: nothing of the run before is seen under this one's name
  }

  close() {
    this.#stream?.close();
    this.#log?.close();
    this.#stream = this.#log = null;
    this.run = "";
  }

  #restart() {
    this.#history = new History();
    this.#problem = this.#verdict = null;
    this.#judged = "";
  }

  #see(isVisible) {
    this.#isVisible = isVisible;
    if (this.#stream) this.#stream.isWanted = isVisible;
    if (this.#log) this.#log.isWanted = isVisible;
  }

  #add(events) {
    for (const event of events) this.#history.add(event);
    this.#draw();
  }

  #show(state) {
    this.#state = state;
    this.#problem = null; // it was about the run's previous state
    this.#skew = state.now - Date.now() / 1000;
    this.#draw();
  }

  #trouble(isBroken) {
    if (isBroken === this.#isBroken) return;
    this.#isBroken = isBroken;
    this.#draw();
  }

  async #press(name) {
    const dialog = this.$(".live-dialog");
    if (name === "back") this.on.back();
    if (name === "test") this.on.test(this.run);
    if (name === "remove") this.on.remove(this.run);
    if (name === "stop") this.#ask();
    if (["continue", "save", "discard"].includes(name)) dialog.close();
    if (name === "save" || name === "discard") await this.#request("stop", { how: name });
    if (name === "resume" && (await this.#request("resume", {}))) this.on.resumed(this.run);
  }

  async #request(what, body) {
    try {
      this.#problem = null;
      await request(`train/runs/${at(this.run)}/${what}`, { body });
      if (what === "stop") this.#state = { ...this.#state, ...body, status: "stopping" };
      return true;
    } catch (error) {
      this.#problem = error;
      return false;
    } finally {
      this.#draw();
    }
  }

  #ask() {
    const { step, max, best } = this.#history;
    const isSaving = this.#state.status === "stopping";
    const reached = step ? `It is at step ${step} of ${max}. ` : "It has not finished a step yet. ";
    const kept = best
      ? `Saving keeps the state of step ${best.step} (validation ${this.#history.rateName} ${
        percent(best.rate)
      }) and scores it.`
      : "";
    this.$(".live-dialog p").textContent = isSaving
      ? "It is saving and scoring what it learnt. Discard deletes that."
      : reached + kept;
    this.$(".live-dialog [data-do=save]").hidden = isSaving;
    this.$(".live-dialog [data-do=continue]").textContent = isSaving ? "Let it save" : "Continue";
    this.$(".live-dialog").showModal();
    this.$(".live-dialog [data-do=continue]").focus();
  }

  #followLog() {
    this.#log?.close();
    this.#log = null;
    const box = this.$(".live-log pre");
    if (!this.$(".live-log").open) return;
    box.textContent = "";
    this.#log = new Stream(`runs/${at(this.run)}/log`, {
      restart: () => (box.textContent = ""),
      data: (text) => {
        const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
        box.textContent = (box.textContent + text).slice(-LOG_CHARACTERS);
        if (isAtEnd) box.scrollTop = box.scrollHeight;
      },
    });
    this.#log.isWanted = this.#isVisible;
  }

  #draw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      if (this.run) this.#render();
    });
  }

  #render() {
    this.#judge();
    this.#head();
    this.#progress();
    this.#times();
    this.#messages();
    this.#tiles();
    this.#charts();
    this.#samples();
  }

  #head() {
    const { status, how } = this.#state;
    const phase = PHASES[this.#history.phase?.name]?.text;
    const isDiscarded = this.#history.stopped?.reason === "discard";
    const [colour, word] = STATES[status];
    const stopping = how === "discard" ? "Discarding" : ["Stopping", phase?.toLowerCase()].filter(Boolean).join(": ");
    const text =
      { none: "Opening", running: phase || "Starting", stopping, stopped: isDiscarded ? "Discarded" : word }[status] ??
        word;
    this.$(".live-name").textContent = this.run;
    const pill = this.$(".live-pill");
    pill.className = `st-pill live-pill ${colour}`;
    replaceText(pill, text);
    const isTraining = status === "running" && PHASES[this.#history.phase?.name]?.stage === 2;
    // not each scoring is announced
    replaceText(this.$(".live-status"), `${this.run}: ${isTraining ? "Training" : text}`);
    const isResumable = ["failed", "interrupted", "stopped"].includes(status) && !this.#history.finished &&
      !isDiscarded;
    const names = isGoingOn(status) ? ["stop"] : isResumable ? ["resume", "remove"] : ["remove"];
    const actions = this.$(".live-actions");
    actions.style.visibility = status === "none" ? "hidden" : ""; // kept in place
    if (actions.dataset.names === String(names)) return;
    actions.dataset.names = names;
    actions.replaceChildren(...names.map(action));
  }

  #progress() {
    const { stages, step, max } = this.#history;
    [...this.$(".live-progress").children].forEach((
      stage,
      index,
    ) => (stage.firstChild.style.width = `${100 * stages[index]}%`));
    const whole = (100 * (0.5 * stages[0] + stages[1] + 6 * stages[2] + stages[3])) / 8.5;
    this.$(".live-progress").setAttribute("aria-valuenow", Math.round(whole));
    this.$(".live-progress").setAttribute("aria-valuetext", max ? `step ${step} of ${max}` : "getting ready");
  }

  #times() {
    const { step, max, left, phase, steps, finished } = this.#history;
    const { status, ended_at } = this.#state;
    const isOver = Boolean(finished) || !isGoingOn(status); // its process ends a moment after its last event
    const until = isOver ? ended_at : Date.now() / 1000 + this.#skew;
    const elapsed = this.#history.elapsed(until);
    const isScoring = phase?.total && PHASES[phase.name].stage !== 2 && !isOver;
    const scoring = status === "running" && !isOver ? this.#history.scoringLeft(until) : null;
    const parts = [
      max ? `step ${step} of ${max}` : "getting ready",
      isScoring ? `${phase.done} of ${counted(phase.total, "clip")}${phase.general ? " of other voices" : ""}` : null,
      elapsed === null ? null : `${duration(elapsed)} ${isOver ? "in all" : "elapsed"}`,
      status === "running" && left !== null ? `about ${duration(left)} left` : null,
      phase && scoring !== null
        ? `about ${duration(scoring)} until ${phase.name === "baseline" ? "training begins" : "the end"}`
        : null,
      steps.length && !isOver ? `${steps[steps.length - 1].clips_per_second.toFixed(1)}\u00a0clips/s` : null,
    ];
    replaceText(this.$(".live-times"), parts.filter(Boolean).join("  ·  "));
  }

  #messages() {
    const found = [...this.#outcome(), ...this.#history.warnings.map((text) => ["", "info", text])];
    if (this.#problem) found.unshift(["bad", "warning", this.#problem.message]);
    if (this.#isBroken) {
      found.unshift(["look", "warning", "The studio does not answer; trying again. The run continues."]);
    }
    const box = this.$(".live-messages");
    if (box.dataset.shown === JSON.stringify(found)) return;
    box.dataset.shown = JSON.stringify(found);
    box.replaceChildren(...found.map(([kind, picture, text, next]) => message(kind, picture, text, next)));
  }

  /** What came of it, once it is over: `[kind, icon, text, next action]`. */
  #outcome() {
    const { finished, failed, stopped, before, after, step, best } = this.#history;
    const { status } = this.#state;
    if (status === "failed") {
      return [["bad", "warning", [failed?.message || "The run failed.", failed?.remedy].filter(Boolean).join("\n")]];
    }
    if (status === "interrupted") {
      return [["look", "warning", `It was interrupted at step ${step}. Resume continues from its last checkpoint.`]];
    }
    if (status === "stopped" && !finished) {
      return [[
        "",
        "info",
        stopped?.reason === "discard"
          ? `It was discarded at step ${step}: nothing was kept.`
          : "It was stopped before the first step.",
      ]];
    }
    if (!["finished", "stopped"].includes(status) || !finished) return [];
    const why = {
      "early stop": `It ended early because validation ${this.#history.rateName} stopped falling, ` +
        `and kept the state of step ${finished.best_step}.`,
      "stop and save": `You stopped it at step ${finished.step}; the state of step ${finished.best_step} was kept.`,
      diverged: `The loss diverged after step ${finished.step}; the state of step ${finished.best_step} was kept.`,
    };
    const weaker = finished.strength < 1
      ? ` The adapter acts at ${Math.round(100 * finished.strength)} % of its strength, where it forgets less.`
      : "";
    const kept = why[stopped?.reason] ||
      `It kept step ${finished.best_step}${
        best ? `, where validation ${this.#history.rateName} was ${percent(best.rate)}` : ""
      }.`;
    const how = kept + weaker;
    const rates = [finished.rates[0] ?? before?.rate, finished.rates[1] ?? after?.rate];
    const figures = rates.includes(undefined)
      ? ""
      : `Held-out ${this.#history.rateName}: ${rates.map(percent).join(" → ")}. `;
    if (!this.#verdict) return [["", "info", figures + how, "test"]];
    const { headline, detail, alarm, state } = this.#verdict;
    const text = [`${headline}. ${detail}`, how, alarm].filter(Boolean).join("\n");
    return [[state, PICTURES[state], text, "test"]];
  }

  /** The verdict on the held-out clips, asked for once the run is whole; where there is none, nothing is said of it. */
  async #judge() {
    if (this.#judged === this.run || this.#state.status !== "finished" || !this.#history.finished) return;
    const run = (this.#judged = this.run);
    const found = await request(`listen/heldout/${at(run)}/verdict`).catch(() => null);
    if (run !== this.run) return;
    this.#verdict = found;
    this.#draw();
  }

  #tiles() {
    const { steps, scorings, best, before, after, finished } = this.#history;
    const known = [before?.general_wer, after?.general_wer]; // those that choose while it trains are other clips
    const general = known[0] == null ? [] : [[
      `General ${this.#history.rateName}`,
      known[1] == null ? percent(known[0]) : known.map(percent).join(" → "),
      after ? "other voices: before → after" : "other voices, before; after comes at the end",
    ]];
    const loss = smoothed(lossPoints(steps), span(steps)).at(-1)?.[1];
    const now = scorings.at(-1);
    const heldOut = finished ? finished.rates : [before?.rate, after?.rate];
    const name = this.#history.rateName;
    const clips = (after || before)?.clips;
    const note = (heldOut[1] == null ? "before; after comes at the end" : "before → after") +
      (clips ? `, ${counted(clips, "clip")}` : "");
    tiles(this.$(".live-tiles"), [
      ["Loss", loss === undefined ? "–" : loss.toFixed(3), "smoothed, in nats per token"],
      [
        `Validation ${name}`,
        now ? percent(now.rate) : "–",
        best ? `best ${percent(best.rate)} at step ${best.step}` : "scored while training",
      ],
      [`Held-out ${name}`, heldOut[1] == null ? percent(heldOut[0]) : heldOut.map(percent).join(" → "), note],
      ...general,
    ]);
  }

  #charts() {
    const { steps, scorings, losses, max } = this.#history;
    const raw = lossPoints(steps);
    /** @type {Point[]} */
    const wers = scorings.map(({ step, rate }) => [step, rate]);
    const soft = smoothed(raw, span(steps));
    const measured = [...scorings.filter((scoring) => scoring.loss != null), ...losses].sort((one, other) =>
      one.step - other.step
    );
    /** @type {Point[]} */
    const held = measured.map(({ step, loss }) => [step, loss ?? 0]); // those without one were left out
    const known = scorings.filter((scoring) => scoring.general_wer != null).map((
      scoring,
    ) => [scoring.step, scoring.general_wer]);
    const general = known.length ? [{ points: known, colour: "look", width: 1.5, dots: true, key: "general" }] : [];
    this.loss.show(
      [{ points: soft, colour: "accent", width: 2, key: "smoothed" }, {
        points: raw,
        colour: "raw",
        width: 1,
        key: "each step",
      }, { points: held, colour: "look", width: 1.5, dots: true, key: "validation" }],
      max,
    );
    this.wer.show(
      [{ points: wers, colour: "raw", width: 1, dots: true, key: "each scoring" }, {
        points: bestSoFar(wers),
        colour: "accent",
        width: 2,
        key: "best so far",
      }, ...general],
      max,
    );
    for (const chart of [this.loss, this.wer]) keys(chart.canvas.parentElement.querySelector(".live-key"), chart.lines);
    describe(this.loss.canvas, soft, (value) => value.toFixed(3), "Loss");
    const name = this.#history.rateName;
    replaceText(this.wer.canvas.parentElement.querySelector("b"), `Validation ${name}`);
    describe(
      this.wer.canvas,
      wers,
      percent,
      name === "CER" ? "Validation character error rate" : "Validation word error rate",
    );
  }

  #samples() {
    const { samples } = this.#history;
    const box = this.$(".live-samples");
    const shown = JSON.stringify(samples);
    if (box.dataset.shown === shown) return;
    box.dataset.shown = shown;
    box.hidden = !samples.length;
    if (box.hidden) return;
    this.$(".live-samples h3").textContent = samples[0].step
      ? `What it transcribed at step ${samples[0].step}`
      : "What the base model transcribed";
    const rows = samples.map(({ reference, hypothesis, edits }) => {
      const read = hypothesis ? make("dd", {}, diffed(edits, "errors")) : make("dd", { class: "st-quiet" }, "nothing");
      return make("div", {}, make("dt", {}, reference), read);
    });
    this.$(".live-samples dl").replaceChildren(...rows);
  }
}
