// The Train tab: set up a run, start it, watch it, go back to earlier ones.

import { askForNotices } from "./going.js";
import { About } from "./train-about.js";
import { LiveView } from "./live.js";
import { percent, STANDS } from "./live-parts.js";
import { watchVisibility } from "../stream.js";
import { Queue } from "./train-queue.js";
import { Settings } from "./train-settings.js";
import { at, duration, icon, make, request, studio, StudioError } from "../studio.js";
import { showTab } from "../tabs.js";

const DOWNLOAD_POLL = 700; // milliseconds between two looks at a download
const QUEUE_POLL = 1000; // and at the runs, while one waits

class Train {
  /** @type {Server.Form} */
  #form;
  #chosen = ""; // the run on show; empty for the set-up
  #going = ""; // the run that went on last
  /** @type {{ token: string, run: string } | null} */
  #undo = null; // the run just deleted: { token, run }
  /** @type {{ line: HTMLElement, words: () => string } | null} */
  #notice = null; // what was said last: { line, words }
  #loading = 0;

  constructor(element) {
    this.element = element;
    this.$ = (selector) => element.querySelector(selector);
    this.live = new LiveView(this.$(".train-run"), {
      back: () => this.#open(""),
      resumed: (run) => this.#open(run),
      remove: (run) => this.#remove(run),
      ended: () => this.#changed(),
      test: () => showTab("Test"),
    });
    this.about = new About(this.$(".train-about"), {
      renamed: (before, run) => this.#renamed(before, run),
      again: (values) => this.#again(values),
      noted: () => this.load(),
    });
    this.settings = new Settings(this.$(".train-setup"), {
      start: (values) => this.#start(values),
      download: (model) => this.#download(model),
      models: () => this.load(),
    });
    this.queue = new Queue(this.$(".train-queue"), {
      move: (run, to) => this.#requeue(`${at(run)}/move`, { to }),
      cancel: (run) => this.#requeue(`${at(run)}/cancel`, {}),
    });
    this.$(".train-runs").addEventListener("click", (event) => this.#press(event.target.closest("[data-do]")));
    studio.on("dataset", element, () => this.load());
    studio.on("changed", element, () => this.load());
    studio.on("open:another-model", element, () => {
      if (this.#chosen) this.#open("");
      this.settings.models.askForAnother();
    });
    watchVisibility(element, (isVisible) => isVisible && this.load());
    addEventListener("focus", () => this.load());
  }

  /**
   * Read anew what the tab shows, if it is in front. A run that has begun comes to the fore; one of the queue only
   * where the one before it was on show: who looks at something else is left there.
   */
  async load() {
    if (!this.element.offsetParent || !studio.dataset()) return;
    const turn = ++this.#loading;
    try {
      /** @type {Server.Form} */
      const form = await request(`train/form/${at(studio.dataset())}`);
      if (turn !== this.#loading) return;
      if (form.waiting.length && !form.running) await request("train/queue", { method: "POST" });
      const isNew = form.running && form.running !== this.#form?.running;
      const isNext = this.#form?.waiting.some(({ name }) => name === form.running);
      const before = this.#going;
      this.#form = form;
      if (form.running) this.#going = form.running;
      if (isNew && isNext && this.#chosen === before) this.#goOn(before, form.running);
      else if (isNew && !isNext) this.#open(form.running);
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
    this.#renew();
    if (this.#form.runs.some(({ name }) => name === this.#undo?.run)) this.#undo = null; // restored elsewhere
    this.about.show(this.#chosen, this.#form);
    this.queue.show(this.#form.waiting.filter(({ name }) => name !== running));
    this.#list();
    clearTimeout(this.timer);
    if (this.#form.download?.status === "running") this.timer = setTimeout(() => this.load(), DOWNLOAD_POLL);
    else if (this.#form.waiting.length) this.timer = setTimeout(() => this.load(), QUEUE_POLL);
  }

  #open(run) {
    this.#view(run);
    if (!run) return;
    const name = this.element.querySelector(".live-name");
    name.focus({ preventScroll: true });
    name.scrollIntoView({ block: "center" });
  }

  #view(run) {
    this.#chosen = run;
    // Test and Export show it as soon as it is done
    if (run) studio.chooseRun(run, this.#form.runs.find(({ name }) => name === run)?.model);
    this.$(".train-note").replaceChildren();
    if (run) this.live.show(run);
    else this.live.close();
    this.#show();
  }

  /** The run on show is over, and the next of the queue goes on: show that, and say what came of the one before. */
  #goOn(before, run) {
    this.#view(run);
    const { status, before: was, after, rate } =
      this.#form.runs.find(({ name }) => name === before) ?? /** @type {any} */ ({});
    const result = after == null ? "" : `: held-out ${rate} ${percent(was)} → ${percent(after)}`;
    const ended = status ? `${before} ${STANDS[status][1].toLowerCase()}${result}. ` : "";
    this.#say("", "info", () => (this.#form.running === run ? `${ended}Now ${run}, the next of the queue.` : ""));
  }

  async #start(values) {
    askForNotices();
    try {
      /** @type {Server.RunStarted} */
      const { run, position } = await request("train/start", { body: values });
      if (position) return await this.#queued(run);
      this.#form.running = this.#going = run;
      this.#open(run);
      this.#changed();
    } catch (error) {
      if (error.code !== "JobError") return this.settings.tell(error);
      await this.load();
      this.#tell(error);
    }
  }

  async #queued(run) {
    await this.load(); // what goes on comes to the fore, if that is news
    const words = () => {
      const { running, waiting } = this.#form;
      const place = waiting.filter(({ name }) => name !== running).findIndex(({ name }) => name === run) + 1;
      return place &&
        `${running ? `${running} is still going. ` : ""}${run} is number ${place} in the queue and starts on its own.`;
    };
    if (words()) this.#say("", "info", words, this.$(this.#chosen ? ".train-note" : ".train-message"));
  }

  async #requeue(path, body) {
    try {
      this.#form.waiting = await request(`train/queue/${path}`, { body });
      this.#show();
    } catch (error) {
      await this.load(); // its turn may have come
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

  /** Draw the list of runs, where it shows something new: the focus stays in it. */
  #list() {
    const { runs } = this.#form;
    const facts = runs.map((run) => ({ ...run, step: 0, seconds: isOver(run) ? run.seconds : null }));
    const shown = JSON.stringify([facts, this.#chosen, this.#undo]);
    const box = this.$(".train-runs");
    if (box.dataset.shown === shown) return;
    box.dataset.shown = shown;
    const head = make("h2", {}, "Runs");
    const undone = this.#undo ? [undoMessage(this.#undo.run)] : [];
    if (!runs.length) return box.replaceChildren(head, ...undone, nothingYet());
    const names = ["Run", "State", "Base model", "Dataset", "Held-out errors", "Took", ""].map((name) =>
      make("th", { scope: "col" }, name)
    );
    names[names.length - 1].append(make("span", { class: "st-hidden" }, "Actions"));
    const rows = runs.map((run) => row(run, run.name === this.#chosen));
    box.replaceChildren(
      head,
      ...undone,
      make(
        "table",
        { class: "st-table train-table" },
        make("thead", {}, make("tr", {}, ...names)),
        make("tbody", {}, ...rows),
      ),
    );
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
      await this.load();
      this.#tell(error);
    }
  }

  async #restore() {
    try {
      await request("train/restore", { body: { token: this.#undo?.token } });
      this.#undo = null;
      this.#changed();
    } catch (error) {
      await this.load();
      this.#tell(error);
    }
  }

  /** The run is called otherwise now: show it under that name. */
  async #renamed(before, run) {
    if (this.#going === before) this.#going = run;
    await this.load();
    this.#view(run);
    studio.changed();
  }

  /** Set up a run with the settings of another one. */
  #again(values) {
    this.#open("");
    const isOffered = this.settings.use(values);
    const dataset =
      () => (values.dataset === studio.dataset()
        ? ""
        : `These settings were for ${values.dataset}; the run will train on ${studio.dataset()}. `);
    const told = () => dataset() + (isOffered ? "" : `Choose a base model: ${values.model} is not in the list here.`);
    if (told()) this.#say("", "info", told, this.$(".train-message"));
  }

  #tell(error) {
    const was = standing(this.#form);
    const text = error instanceof StudioError ? error.message : `The page has an error: ${error.message}`;
    this.#say("bad", "warning", () => (standing(this.#form) === was ? text : ""));
  }

  /** Show what `words()` gives, for as long as it gives anything: no notice outlives its cause. */
  #say(kind, picture, words, box = this.$(".train-note")) {
    const line = make("p", {}, words());
    this.#notice = { line, words };
    box.replaceChildren(make("div", { class: `st-message ${kind}` }, icon(picture), line));
  }

  #renew() {
    if (!this.#notice?.line.isConnected) return (this.#notice = null);
    const { line, words } = this.#notice;
    const text = words();
    if (!text) line.parentElement?.remove();
    else if (line.textContent !== text) line.textContent = text;
  }
}

/** The status of all runs: an error about one of them may be outdated once this has changed. */
const standing = (/** @type {Server.Form} */ { running, waiting, runs }) =>
  JSON.stringify([running, waiting.map(({ name }) => name), runs.map(({ name, status }) => [name, status])]);

const isOver = ({ status }) => status !== "running" && status !== "stopping";

function nothingYet() {
  const text = "Each run will appear here with its word error rate before and after. Set one up above and press Start.";
  return make("div", { class: "st-empty" }, icon("wave"), make("h3", {}, "No runs yet"), make("p", {}, text));
}

function undoMessage(run) {
  const undo = make("button", { type: "button", class: "st-button small", "data-do": "undo" }, icon("undo"), "Undo");
  return make(
    "div",
    { class: "st-message", role: "status" },
    icon("trash"),
    make("p", { class: "st-grow" }, `${run} was moved to the trash.`),
    undo,
  );
}

function row(/** @type {Server.RunSummary} */ run, isChosen) {
  const [colour, word] = STANDS[run.status];
  const errors = run.after == null
    ? "–"
    : `${run.rate === "CER" ? "CER " : ""}${percent(run.before)} → ${percent(run.after)}`;
  const note = run.note ? make("small", { class: "st-quiet" }, run.note.split("\n")[0].slice(0, 120)) : null;
  const name = make("button", {
    type: "button",
    class: "train-name",
    "data-do": "open",
    "data-run": run.name,
    "aria-current": isChosen ? "true" : null,
  }, run.name);
  const remove = make("button", {
    type: "button",
    class: "st-button plain square small",
    "data-do": "remove",
    "data-run": run.name,
    "aria-label": `Delete ${run.name}`,
    title: "Delete",
  }, icon("trash"));
  const cells = [
    ["Run", note ? make("div", {}, name, note) : name],
    ["State", make("span", { class: `st-pill ${colour}` }, word)],
    ["Base model", run.model],
    ["Dataset", run.dataset],
    ["Held-out errors", errors],
    ["Took", isOver(run) && run.seconds != null ? duration(run.seconds) : "–"],
    ["", isOver(run) ? remove : null],
  ];
  return make(
    "tr",
    { class: isChosen ? "chosen" : null },
    ...cells.map(([title, content]) => make("td", { "data-title": title }, content)),
  );
}

export function start({ element }) {
  new Train(element.querySelector(".train"));
}
