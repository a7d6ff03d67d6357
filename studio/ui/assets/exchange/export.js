// The Export tab: what a run made, where it lies, and the lines of Python that use it.

import { at, counted, icon, isShown, make, request, studio } from "../studio.js";
import { copier, size } from "./export-parts.js";
import { Targets } from "./export-targets.js";

const STAGES = ["Starting", "Loading", "Merging", "Checking", "Finishing"];
const POLL = 700; // ms between two looks at a merge that goes on
const PILLS = {
  none: ["not made yet", ""],
  working: ["merging", "accent"],
  done: ["ready", "good"],
  stale: ["out of date", "look"],
  failed: ["failed", "bad"],
};
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function where(target) {
  const files = `${counted(target.files.length, "file")}: ${target.files.join(", ")}`;
  return [
    make("code", { class: "st-mono ex-path", tabindex: "0" }, target.path),
    copier(target.path, "Copy the path"),
    make("p", { class: "st-quiet st-small" }, files),
  ];
}

function snippet(target) {
  if (!target.snippet) return [make("p", { class: "st-message look" }, icon("warning"), target.trouble)];
  return [
    make(
      "div",
      { class: "ex-bar" },
      make("span", { class: "st-label" }, "Use it from Python"),
      copier(target.snippet, "Copy the Python lines"),
    ),
    make("pre", { class: "ex-code", tabindex: "0", "aria-label": "Python" }, make("code", {}, target.snippet)),
  ];
}

class Export {
  #runs = [];
  #timer = 0;

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.$(".ex-runs").onchange = ({ target }) =>
      studio.chooseRun(target.value, this.#runs.find(({ name }) => name === target.value)?.model);
    this.$(".ex-merge").onclick = () => this.#merge();
    this.targets = new Targets(root);
    for (const news of ["changed", "dataset"]) studio.on(news, root, () => this.load());
    studio.on("run", root, () => this.#pick());
    new IntersectionObserver(() => isShown(root) && this.load()).observe(root);
  }

  get #run() {
    return this.#runs.find(({ name }) => name === this.$(".ex-runs").value) ?? null;
  }

  /** Read the list again, and show the run that every tab shows. */
  async load() {
    const picker = this.$(".ex-runs");
    try {
      this.#runs = await request("listen/runs");
    } catch (error) {
      return this.#tell(error);
    }
    picker.replaceChildren(...this.#runs.map(({ name }) => make("option", { value: name }, name)));
    const isEmpty = !this.#runs.length;
    this.$(".ex-message").hidden = true; // it was about an earlier look
    this.$(".ex-empty").hidden = !isEmpty;
    this.$(".ex-head").hidden = isEmpty;
    for (const target of this.root.querySelectorAll(".ex-target")) target.hidden = isEmpty;
    await this.#pick();
  }

  async #pick() {
    const run = studio.shownRun(this.#runs) ?? this.#runs[0] ?? null; // any run can be exported
    if (!run) return;
    this.$(".ex-runs").value = run.name;
    await Promise.all([this.#show(), this.targets.show(run.name)]);
  }

  async #show() {
    const run = this.#run;
    try {
      const found = await request(`export/${at(run.name)}`);
      if (run.name === this.#run?.name) this.#draw(run, found);
    } catch (error) {
      this.#tell(error);
    }
  }

  async #merge() {
    const run = this.#run;
    this.$(".ex-merge").disabled = true;
    try {
      this.#draw(run, await request(`export/${at(run.name, "merge")}`, { method: "POST" }));
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error) {
    this.$(".ex-message").hidden = false;
    this.$(".ex-message").replaceChildren(icon("warning"), error.message);
    this.$(".ex-merge").disabled = false;
  }

  #draw(run, /** @type {Server.Exports} */ { adapter, merge, command, serve }) {
    this.$(".ex-message").hidden = true;
    const wer = run.after === null
      ? ""
      : ` · ${run.rate} ${run.before === null ? "" : `${percent(run.before)} → `}${percent(run.after)}`;
    this.$(".li-about").textContent = `${run.model}${run.dataset ? `, fine-tuned on ${run.dataset}` : ""}${wer}`;
    this.$(".ex-download").href = `studio/export/${at(run.name)}/adapter.zip`;
    this.$(".ex-command").textContent = command;
    this.$(".ex-serve").textContent = serve;
    this.#target(".ex-adapter", adapter);
    this.#target(".ex-merged", merge.target);
    this.#progress(merge);
    clearTimeout(this.#timer);
    if (merge.status === "working") {
      this.#timer = setTimeout(() => run.name === this.#run?.name && this.root.isConnected && this.#show(), POLL);
    }
  }

  #target(selector, target) {
    this.$(`${selector} .ex-size`).textContent = target ? size(target.size) : "";
    this.$(`${selector} .ex-where`).replaceChildren(...(target ? where(target) : []));
    const shown = this.$(`${selector} .ex-snippet`);
    const text = target ? target.snippet || target.trouble : "";
    if (shown.dataset.text === text) return; // a selection in it stays
    shown.dataset.text = text;
    shown.replaceChildren(...(target ? snippet(target) : []));
  }

  #progress(merge) {
    const [word, kind] = PILLS[merge.status];
    this.$(".ex-status").className = `st-pill ex-status ${kind}`;
    this.$(".ex-status").textContent = word;
    this.$(".ex-progress").hidden = merge.status !== "working";
    this.$(".ex-stage").textContent = merge.stage;
    this.$(".ex-progress progress").value = 0.5 + STAGES.findIndex((name) => merge.stage.startsWith(name));
    this.$(".ex-merge").disabled = merge.status === "working";
    this.$(".ex-merge").textContent = merge.target ? "Merge again" : "Merge into the base model";
    this.$(".ex-merge").classList.toggle("primary", merge.status !== "done");
    const [text, look] = this.#result(merge);
    this.$(".ex-result").hidden = !text;
    this.$(".ex-result").className = `st-message ex-result ${look}`;
    this.$(".ex-result").replaceChildren(icon(look === "good" ? "check" : "warning"), text);
  }

  #result({ status, trouble, clips, max_difference: difference }) {
    if (status === "done") {
      return [
        `Equal to base model and adapter on ${counted(clips, "clip")}: no logit differs by more than ${
          difference.toExponential(1)
        }.`,
        "good",
      ];
    }
    if (status === "stale") return ["The run has trained further since this was made. Merge it again.", "look"];
    return [status === "failed" ? trouble : "", "bad"];
  }
}

export function start({ element }) {
  new Export(element.querySelector(".ex"));
}
