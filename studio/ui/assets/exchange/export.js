// The Export tab: what a run made, where it lies, and the lines of Python that use it.

import { at, counted, icon, isShown, make, request, studio } from "../studio.js";
import { copier, size } from "./export-parts.js";
import { Targets } from "./export-targets.js";

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

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.$(".ex-runs").onchange = ({ target }) =>
      studio.chooseRun(target.value, this.#runs.find(({ name }) => name === target.value)?.model);
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

  #tell(error) {
    this.$(".ex-message").hidden = false;
    this.$(".ex-message").replaceChildren(icon("warning"), error.message);
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
    this.$(".ex-adapter .ex-size").textContent = size(adapter.size);
    this.$(".ex-adapter .ex-where").replaceChildren(...where(adapter));
    this.#lines(adapter);
    this.$(".ex-merged").hidden = !merge.target;
    this.$(".ex-stale").hidden = merge.status !== "stale";
    this.$(".ex-merged .ex-where").replaceChildren(...(merge.target ? where(merge.target) : []));
  }

  #lines(target) {
    const shown = this.$(".ex-snippet");
    const text = target.snippet || target.trouble;
    if (shown.dataset.text === text) return; // a selection in it stays
    shown.dataset.text = text;
    shown.replaceChildren(...snippet(target));
  }
}

export function start({ element }) {
  new Export(element.querySelector(".ex"));
}
