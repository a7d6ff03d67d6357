// What a run is to be: base model, preset, every knob, the command that does the same; and one button that starts it.

import { knobGroups, valueOf } from "./train-knobs.js";
import { adapterLine, megabytes, Models } from "./train-models.js";
import { Where } from "./train-where.js";
import { counted, duration, icon, make, request, studio, StudioError } from "../studio.js";
import { showTab } from "../tabs.js";

const SKELETON = `
  <div class="st-card train-card">
    <header class="train-head"><h2>Set up a run</h2><p class="st-quiet train-clips"></p></header>
    <div class="train-choices">
      <fieldset><legend class="st-label">Base model</legend><div class="train-list train-models"></div></fieldset>
      <div class="train-column">
        <fieldset><legend class="st-label">What to teach</legend><div
          class="train-list train-adapters"></div></fieldset>
        <fieldset><legend class="st-label">How long</legend>
          <div class="st-choice train-presets"></div><p
            class="st-quiet st-small train-meaning" aria-live="polite"></p></fieldset>
        <p class="train-memory st-quiet st-small st-number" aria-live="polite"></p>
        <div class="train-mixed" role="status"></div>
        <div class="train-notes" role="status"></div>
        <div class="train-readiness" role="status"></div>
      </div>
    </div>
    <details class="train-advanced"><summary>Advanced<span class="st-quiet train-away"></span></summary>
      <div class="train-knobs">
        <fieldset class="train-on"><legend>Run on</legend><div class="train-where"></div></fieldset>
      </div></details>
    <div class="train-foot">
      <div class="train-message" role="alert"></div>
      <button type="button" class="st-button primary train-start"></button>
      <div class="train-needs st-small st-number" aria-live="polite"><p class="train-time"></p></div>
    </div>
    <div class="train-command" role="group" aria-label="The same from the command line"><code
      class="st-mono" tabindex="0"></code>
      <button type="button" class="st-button plain small train-copy">Copy</button></div>
  </div>`;

export class Settings {
  /** @type {Server.Form} */
  #form;
  #dataset = "";
  #asking = 0;
  #isStarting = false;
  #suited = ""; // what was last taken because it suits the model
  #isOwnChoice = false; // the person changed a setting: what to teach stays when another model is chosen
  next = "wait"; // what the button does

  /** Fills `element`; `on` has `start(values)`, `download(model)` and `models()`, when the list is another one. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    element.innerHTML = SKELETON;
    this.$ = (selector) => element.querySelector(selector);
    this.where = new Where(this.$(".train-where"), () => this.#refresh());
    this.$(".train-start").addEventListener("click", () => this.#go());
    this.$(".train-copy").addEventListener("click", () => this.#copy().catch(() => {}));
    this.models = new Models(this.$(".train-models"), {
      asked: () => this.#suit(),
      changed: () => this.on.models(),
    });
    this.$(".train-adapters").addEventListener("change", () => {
      this.#isOwnChoice = true;
      this.#usePreset();
    });
    this.$(".train-presets").addEventListener("change", () => this.#usePreset());
    this.$(".train-knobs").addEventListener("input", () => {
      this.#isOwnChoice = true;
      this.#refresh();
    });
    studio.on("model", element, () => {
      this.models.leaveAnother();
      this.#choose();
    });
  }

  /** Bring the form up to date; what the person chose stays. */
  show(/** @type {Server.Form} */ form, dataset) {
    const isFirst = this.#form?.kind !== form.kind; // or of the other kind: it has other settings
    this.#form = form;
    this.#dataset = dataset;
    this.$(".train-message [data-code=Gone]")?.remove(); // it answers again
    this.#clips();
    this.where.allow(form.can_go_away);
    this.models.show(form.models);
    this.#choose();
    if (isFirst) {
      this.#adapters();
      this.#presets();
      this.#knobs();
      this.#usePreset();
    }
    this.#refresh();
  }

  /** Take the settings of another run; whether its base model is offered here. */
  use(values) {
    this.#isOwnChoice = true;
    const isOffered = !!this.$(`[name=train-model][value="${CSS.escape(values.model)}"]`);
    if (isOffered) studio.chooseModel(values.model);
    for (const field of this.element.querySelectorAll("[data-knob]")) {
      const value = values[field.dataset.knob];
      if (value === undefined) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
    this.#refresh();
    this.$(".train-start").focus();
    return isOffered;
  }

  /** Say what went wrong, next to the button. */
  tell(error) {
    const text = error instanceof StudioError ? error.message : `The page has an error: ${error.message}`;
    if (this.$(".train-message").textContent === text) return;
    const box = make("div", { class: "st-message bad", "data-code": error.code }, icon("warning"), make("p", {}, text));
    this.$(".train-message").replaceChildren(box);
  }

  get #model() {
    return this.models.value || studio.model();
  }

  get #values() {
    const fields = [...this.element.querySelectorAll("[data-knob]")];
    return {
      dataset: this.#dataset,
      model: this.#model,
      ...Object.fromEntries(fields.map((field) => [field.dataset.knob, valueOf(field)])),
      on: this.where.value,
    };
  }

  #clips() {
    const { train, validation, test, seconds } = this.#form.clips;
    const isSound = this.#form.kind === "speech";
    const total = train + validation + test;
    const parts = `${train} to learn from, ${validation} to validate, ${test} held out`;
    this.$(".train-clips").textContent = total
      ? `${this.#dataset}: ${
        isSound ? `${counted(total, "clip")}, ${duration(seconds)}` : counted(total, "pair")
      }. ${parts}.`
      : `${this.#dataset} has no ${isSound ? "clips" : "pairs"} yet.`;
    this.#readiness();
  }

  /** Why a run cannot start with these clips, or why more should come first: above the button, where the eye is. */
  #readiness() {
    const { blocker, advice } = this.#form.clips;
    const box = this.$(".train-readiness");
    const text = blocker || advice;
    if (box.textContent === text) return;
    box.replaceChildren(
      ...(text
        ? [make("div", { class: `st-message ${blocker ? "look" : ""}` }, icon("info"), make("p", {}, text))]
        : []),
    );
  }

  /** Mark the model that the sidebar names. */
  #choose() {
    this.models.choose(studio.model());
    this.#suit();
  }

  #adapters() {
    this.$(".train-adapters").replaceChildren(...this.#form.adapters.map(adapterLine));
    this.#suited = this.#usual || this.#form.presets[0].values.targets;
    this.#checkAdapter(this.#suited);
  }

  /** What the chosen model is usually taught on this computer. */
  get #usual() {
    return this.#form?.models.find((model) => model.id === this.#model)?.targets;
  }

  /** Teach another model what suits it, unless the person chose what to teach. */
  #suit() {
    const usual = this.#usual;
    if (usual && usual !== this.#suited && !this.#isOwnChoice && this.#checkAdapter(usual)) {
      this.#suited = usual;
      this.#usePreset();
    } else this.#refresh();
  }

  /** Check the line `name`; whether there is one. */
  #checkAdapter(name) {
    const field = this.$(`[name=train-adapter][value="${CSS.escape(name)}"]`);
    if (field) field.checked = true;
    return !!field;
  }

  /** The values of the chosen line; own target layers, under Advanced, leave none chosen. */
  #useAdapter() {
    const name = this.$("[name=train-adapter]:checked")?.value;
    const values = this.#form.adapters.find((adapter) => adapter.name === name)?.values || {};
    for (const [knob, value] of Object.entries(values)) this.$(`[data-knob="${CSS.escape(knob)}"]`).value = value;
    this.#refresh();
  }

  #presets() {
    const field = (preset) =>
      make("input", { type: "radio", name: "train-preset", value: preset.name, checked: preset.name === "balanced" });
    this.$(".train-presets").replaceChildren(
      ...this.#form.presets.map((preset) => make("label", {}, field(preset), preset.title)),
    );
  }

  #knobs() {
    for (const group of this.element.querySelectorAll(".train-knobs > fieldset:not(.train-on)")) group.remove();
    this.$(".train-knobs").append(...knobGroups(this.#form.knobs));
  }

  #usePreset() {
    const name = this.$("[name=train-preset]:checked").value;
    const preset = this.#form.presets.find((preset) => preset.name === name) ?? this.#form.presets[0];
    this.$(".train-meaning").textContent = `${preset.meaning} It ends earlier if validation errors stop falling.`;
    for (const field of this.element.querySelectorAll("[data-knob]")) {
      if (field.type === "checkbox") field.checked = preset.values[field.dataset.knob];
      else field.value = preset.values[field.dataset.knob];
    }
    this.#useAdapter();
  }

  /** The button's text names what is missing; the command is what the form says. */
  #refresh() {
    if (!this.#form) return;
    const { clips, download, running, waiting, kind } = this.#form;
    const noun = kind === "speech" ? "clip" : "pair";
    for (const field of this.element.querySelectorAll("[name=train-adapter]")) {
      field.checked = field.value === this.$("[data-knob=targets]").value;
    }
    const model = this.#form.models.find((model) => model.id === this.#model);
    if (!model) return;
    const isComing = download?.status === "running" && download.model === model.id;
    this.#tellMixed(clips.mixed);
    this.$(".train-away").textContent = this.where.value === null ? "" : "runs on a Ray cluster";
    const button = this.$(".train-start");
    button.disabled = isComing || this.#isStarting || this.models.isAsking;
    if (this.models.isAsking) [this.next, button.textContent] = ["wait", "Add the model first"];
    else if (clips.missing) {
      [this.next, button.textContent] = ["record", `Record ${counted(clips.missing, `more ${noun}`)}`];
    } else if (clips.blocker) [this.next, button.textContent] = ["record", `Record more ${noun}s`];
    else if (isComing) [this.next, button.textContent] = ["wait", `Downloading  ${download.line}`];
    else if (model.state === "download") {
      [this.next, button.textContent] = ["download", ["Download", megabytes(model.download_bytes)].join(" ").trim()];
    } else {[this.next, button.textContent] = [
        "start",
        this.#isStarting ? "Starting …" : running || waiting.length ? "Add to the queue" : "Start",
      ];}
    if (download?.status === "failed" && download.model === model.id) this.tell(new StudioError(download.line));
    else this.$('.train-message [data-code=""]')?.remove();
    clearTimeout(this.waiting);
    if (this.models.isAsking || this.estimated !== model.id) this.#needs(null, ""); // it was about another model
    if (this.models.isAsking) {
      this.asked = "";
      this.#asking += 1;
      return;
    }
    this.waiting = setTimeout(() => this.#ask(), 150);
  }

  /** Labels that write numbers in two ways are reported before a start, with the way to unify them. */
  #tellMixed(sentence) {
    const box = this.$(".train-mixed");
    if (box.dataset.shown === sentence) return;
    box.dataset.shown = sentence;
    const mend = make(
      "button",
      { type: "button", class: "st-button small", onclick: () => studio.open("labels") },
      "Labels",
    );
    box.replaceChildren(
      ...(sentence
        ? [make("div", { class: "st-message look" }, icon("warning"), make("p", { class: "st-grow" }, sentence), mend)]
        : []),
    );
  }

  /** Ask what command the form comes to, whether it holds, and how much memory it would take. */
  async #ask() {
    const values = JSON.stringify(this.#values);
    const asked = JSON.stringify([values, this.#form.clips, this.#form.running]); // on these the memory depends too
    if (asked === this.asked) return;
    this.asked = asked;
    const turn = ++this.#asking;
    const box = this.$(".train-command code");
    for (const field of this.element.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    try {
      const { command, memory, notes, time } = await request("train/command", { body: JSON.parse(values) });
      if (turn !== this.#asking) return;
      box.textContent = command;
      this.#needs(memory, time);
      this.estimated = JSON.parse(values).model;
      this.#notes(notes);
      this.$('.train-message .bad:not([data-code=""])')?.remove(); // it was about other settings
    } catch (error) {
      if (turn !== this.#asking) return;
      this.#needs(null, "");
      this.#notes([]);
      if (!["ConfigError", "ModelError"].includes(error.code)) return;
      for (const [, name] of error.what.matchAll(/(?:^|; )(\w+): /g)) {
        this.#markWrong(this.$(`[data-knob="${name}"], [data-setting="${name}"]`));
      }
      this.tell(error);
    }
  }

  /** A field with a value that cannot be used, in sight. */
  #markWrong(field) {
    if (!field) return;
    field.setAttribute("aria-invalid", "true");
    this.$(".train-advanced").open = true;
  }

  /** How long the run takes and how much memory it needs; next to Start if that is too much. */
  #needs(memory, time) {
    const line = this.$(".train-memory");
    const isTooMuch = memory?.is_enough === false;
    if (line.classList.toggle("bad", isTooMuch) !== this.$(".train-needs").contains(line)) {
      if (isTooMuch) this.$(".train-needs").append(line);
      else this.$(".train-mixed").before(line);
    }
    if (line.textContent !== (memory?.text || "")) line.textContent = memory?.text || "";
    if (this.$(".train-time").textContent !== time) this.$(".train-time").textContent = time;
  }

  /** Labels that the chosen model cannot write, before a run starts. */
  #notes(sentences) {
    const box = this.$(".train-notes");
    const text = sentences.join(" ");
    if (box.textContent === text) return;
    box.replaceChildren(
      ...(text ? [make("div", { class: "st-message look" }, icon("warning"), make("p", {}, text))] : []),
    );
  }

  async #go() {
    if (this.next === "record") return showTab("Record");
    this.$(".train-message").replaceChildren();
    if (this.next === "download") return this.on.download(this.#model);
    this.#isStarting = true;
    this.#refresh();
    await this.on.start(this.#values);
    this.#isStarting = false;
    this.#refresh();
  }

  async #copy() {
    const command = this.$(".train-command code");
    getSelection()?.selectAllChildren(command); // what is left to do by hand where the browser forbids the rest
    await navigator.clipboard.writeText(command.textContent);
    this.$(".train-copy").textContent = "Copied";
    setTimeout(() => (this.$(".train-copy").textContent = "Copy"), 1500);
  }
}
