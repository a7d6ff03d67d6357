// The Train tab: set up a run, start it, watch it, go back to earlier ones.

import { LiveView } from "./live.js";
import { STANDS, percent } from "./live-parts.js";
import { watchVisibility } from "./live-stream.js";
import { Settings, goTo } from "./train-settings.js";
import { StudioError, at, duration, icon, make, request, studio } from "./studio.js";

const DOWNLOAD_POLL = 700; // milliseconds between two looks at a download

class Train {
  #form = null;
  #chosen = ""; // the run on show; empty for the set-up
  #undo = null; // the run just deleted: { token, run }
  #loading = 0;

  constructor(element, trigger) {
    this.element = element;
    this.$ = (selector) => element.querySelector(selector);
    this.live = new LiveView(this.$(".train-run"), {
      back: () => this.#open(""),
      resumed: (run) => this.#open(run),
      remove: (run) => this.#remove(run),
      ended: () => this.#changed(),
      test: () => goTo("Test"),
    });
    this.settings = new Settings(this.$(".train-setup"), {
      start: (values) => this.#start(values),
      download: (model) => this.#download(model),
      model: (id) => {
        studio.choose(studio.dataset(), id);
        trigger("input"); // the sidebar's own picker follows
      },
    });
    this.$(".train-runs").addEventListener("click", (event) => this.#press(event.target.closest("[data-do]")));
    studio.on("dataset", element, () => this.load());
    studio.on("changed", element, () => this.load());
    watchVisibility(element, (isVisible) => isVisible && this.load());
    addEventListener("focus", () => this.load());
  }

  /** Read anew what the tab shows, if it is in front; a run that is going on comes to the fore. */
  async load() {
    if (!this.element.offsetParent || !studio.dataset()) return;
    const turn = ++this.#loading;
    try {
      const form = await request(`train/form/${at(studio.dataset())}`);
      if (turn !== this.#loading) return;
      const isNew = form.running && form.running !== this.#form?.running;
      this.#form = form;
      if (isNew) this.#open(form.running);
      this.#show();
    } catch (error) {
      this.settings.tell(error);
    }
  }

  #show() {
    const { running } = this.#form;
    this.settings.show(this.#form, studio.dataset());
    this.$(".train-run").hidden = !this.#chosen;
    this.$(".train-setup").hidden = !!this.#chosen;
    this.$(".train-runs").replaceChildren(...this.#list(running));
    clearTimeout(this.waiting);
    if (this.#form.download?.status === "running") this.waiting = setTimeout(() => this.load(), DOWNLOAD_POLL);
  }

  #open(run) {
    this.#chosen = run;
    this.$(".train-note").replaceChildren();
    if (run) this.live.show(run);
    else this.live.close();
    this.#show();
    if (run) this.element.querySelector(".live-name").focus({ preventScroll: true });
  }

  async #start(values) {
    try {
      const { run } = await request("train/start", { body: values });
      this.#form.running = run;
      this.#open(run);
      this.#changed();
    } catch (error) {
      if (error.code !== "JobError") return this.settings.tell(error);
      await this.load(); // another run is going on: it comes to the fore
      this.#tell(error);
    }
  }

  async #download(model) {
    try {
      this.#form.download = await request("train/download", { body: { model } });
      this.#show();
    } catch (error) {
      this.settings.tell(error);
    }
  }

  #changed() {
    studio.changed();
    this.load();
  }

  #list(running) {
    const { runs } = this.#form;
    const head = make("h2", {}, "Runs");
    const undone = this.#undo ? [undoMessage(this.#undo.run)] : [];
    if (!runs.length) return [head, ...undone, nothingYet()];
    const names = ["Run", "State", "Base model", "Dataset", "Held-out WER", "Took", ""].map((name) => make("th", { scope: "col" }, name));
    names.at(-1).append(make("span", { class: "st-hidden" }, "Actions"));
    const rows = runs.map((run) => row(run, run.name === this.#chosen));
    return [head, ...undone, make("table", { class: "st-table train-table" }, make("thead", {}, make("tr", {}, ...names)), make("tbody", {}, ...rows))];
  }

  async #press(button) {
    if (!button) return;
    const { do: what, run } = button.dataset;
    if (what === "open") this.#open(run);
    if (what === "remove") await this.#remove(run);
    if (what === "undo") await this.#restore();
  }

  async #remove(run) {
    try {
      const { token } = await request(`train/runs/${at(run)}/delete`, { body: {} });
      this.#undo = { token, run };
      this.#form.runs = this.#form.runs.filter((other) => other.name !== run);
      if (this.#chosen === run) this.#open("");
      this.#changed();
    } catch (error) {
      this.#tell(error);
    }
  }

  async #restore() {
    try {
      await request("train/restore", { body: { token: this.#undo.token } });
      this.#undo = null;
      this.#changed();
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error) {
    const text = error instanceof StudioError ? error.message : `The page made a mistake: ${error.message}`;
    this.$(".train-note").replaceChildren(make("div", { class: "st-message bad" }, icon("warning"), make("p", {}, text)));
  }
}

function nothingYet() {
  const text = "Each run will stand here with its word error rate before and after. Set one up above and press Start.";
  return make("div", { class: "st-empty" }, icon("wave"), make("h3", {}, "No runs yet"), make("p", {}, text));
}

function undoMessage(run) {
  const undo = make("button", { type: "button", class: "st-button small", "data-do": "undo" }, icon("undo"), "Undo");
  return make("div", { class: "st-message", role: "status" }, icon("trash"), make("p", { class: "st-grow" }, `${run} was moved to the trash.`), undo);
}

function row(run, isChosen) {
  const [colour, word] = STANDS[run.status];
  const wer = run.wer_after == null ? "–" : `${percent(run.wer_before)} → ${percent(run.wer_after)}`;
  const isOver = run.status !== "running" && run.status !== "stopping";
  const name = make("button", { type: "button", class: "train-name", "data-do": "open", "data-run": run.name, "aria-current": isChosen ? "true" : null }, run.name);
  const remove = make("button", { type: "button", class: "st-button plain square small", "data-do": "remove", "data-run": run.name, "aria-label": `Delete ${run.name}`, title: "Delete" }, icon("trash"));
  const cells = [
    ["Run", name],
    ["State", make("span", { class: `st-pill ${colour}` }, word)],
    ["Base model", run.model],
    ["Dataset", run.dataset],
    ["Held-out WER", wer],
    ["Took", isOver && run.seconds != null ? duration(run.seconds) : "–"],
    ["", isOver ? remove : null],
  ];
  return make("tr", { class: isChosen ? "chosen" : null }, ...cells.map(([title, content]) => make("td", { "data-title": title }, content)));
}

export function start({ element, trigger }) {
  new Train(element.querySelector(".train"), trigger);
}
