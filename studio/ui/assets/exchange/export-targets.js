// Choose the program a run is for, follow the export, see how near each finished one is to PyTorch, and use it.

import { at, counted, icon, make, request } from "../studio.js";
import { followAt } from "../tasks.js";
import { copier, size } from "./export-parts.js";
import { uses } from "./export-uses.js";

const HEADS = ["Runs in", "Stages", "Texts", "Errors", "Size", "Speed", "Files"];
const LOOKS = { better: "good", worse: "bad" }; // of a verdict; the others are neither
const CANCELLED = {
  stopped: "Cancelled. Nothing was left behind.",
  interrupted: "The export was interrupted. Nothing was kept; start it again.",
};
const isGoing = (status) => ["running", "stopping"].includes(status);

export class Targets {
  #run = "";
  /** @type {Map<string, { close: () => void }>} */
  #tasks = new Map(); // those that are followed, by target and precision
  /** @type {Server.TargetChoice[]} */
  #targets = [];
  #uses = "";

  constructor(root) {
    this.$ = (selector) => root.querySelector(selector);
    this.$(".ex-programs").onchange = () => this.#offer();
    this.$(".ex-precision").onchange = () => this.#allow();
    this.$(".ex-go").onclick = () => this.#start();
  }

  /** Show what the run called `run` can be exported to, and what it was. */
  async show(run) {
    const isOther = run !== this.#run;
    if (isOther) this.#leave();
    this.#run = run;
    try {
      const found = await request(`export/${at(run, "targets")}`);
      if (run === this.#run) this.#draw(found, isOther);
    } catch (error) {
      this.#fail(error);
    }
  }

  #leave() {
    for (const task of this.#tasks.values()) task.close();
    this.#tasks.clear();
    this.$(".ex-going").replaceChildren();
  }

  #draw(/** @type {Server.RunExports} */ { targets, finished, tasks }, isOther) {
    const chosen = this.#chosen;
    this.#targets = targets;
    this.$(".ex-programs").replaceChildren(...targets.map(program));
    const kept = targets.findIndex(({ name }) => name === chosen);
    const radio = this.$(".ex-programs").querySelectorAll("input")[Math.max(kept, 0)];
    if (radio) radio.checked = true;
    this.$(".ex-rows").replaceChildren(...(finished.length ? [table(finished)] : []));
    this.#use(finished);
    for (const { name, status } of tasks) {
      if (isGoing(status) ? !this.#tasks.has(name) : isOther && status === "failed") this.#follow(name);
    }
    this.#offer();
  }

  /** The cards of what was exported, unless they are shown already: a selection in them stays. */
  #use(finished) {
    const shown = JSON.stringify(finished.map((found) => found.uses));
    if (shown === this.#uses) return;
    this.#uses = shown;
    this.$(".ex-uses").replaceChildren(...uses(finished));
  }

  get #chosen() {
    return this.$(".ex-programs input:checked")?.value;
  }

  #offer() {
    const target = this.#targets.find(({ name }) => name === this.#chosen);
    const [precision, chosen] = [this.$(".ex-precision"), this.$(".ex-precision").value];
    const choices = target?.precisions ?? [];
    precision.replaceChildren(...choices.map(({ name, share }) => make("option", { value: name }, label(name, share))));
    if (choices.some(({ name }) => name === chosen)) precision.value = chosen;
    this.$(".ex-missing").hidden = !target?.install;
    this.$(".ex-missing-line").replaceChildren(
      ...(target?.install
        ? [make("code", {}, target.install), copier(target.install, "Copy the line that installs it")]
        : []),
    );
    this.#allow();
  }

  /** Whether what is chosen can be exported now: not twice at once. */
  #allow() {
    const target = this.#targets.find(({ name }) => name === this.#chosen);
    const isFollowed = this.#tasks.has(`${target?.name}-${this.$(".ex-precision").value}`);
    this.$(".ex-go").disabled = !target || !!target.install || isFollowed;
  }

  async #start() {
    this.$(".ex-go").disabled = true;
    const run = this.#run;
    const address = at(run, "targets", this.#chosen, this.$(".ex-precision").value);
    try {
      const { name } = await request(`export/${address}`, { method: "POST" });
      this.#place("").remove(); // why an earlier one could not begin
      if (run === this.#run) this.#follow(name);
    } catch (error) {
      this.#fail(error);
    }
    this.#offer();
  }

  #follow(name) {
    const [run, place] = [this.#run, this.#place(name)];
    const task = followAt(place, `export/${at(run, "targets", "tasks", name)}`, (status) => {
      this.#tasks.delete(name);
      if (status === "finished") place.remove(); // its row says it
      if (CANCELLED[status]) place.replaceChildren(message(CANCELLED[status], "look"));
      if (run === this.#run) this.show(run);
    });
    this.#tasks.set(name, task);
  }

  /** Where it is said how a job goes: one place each, without what was said there of an earlier one. */
  #place(name) {
    const going = this.$(".ex-going");
    [...going.children].find((place) => place.dataset.task === name)?.remove();
    const place = make("div", { "data-task": name });
    going.append(place);
    return place;
  }

  #fail(error) {
    this.#place("").replaceChildren(message(error.message, "bad"));
  }
}

const message = (text, kind) => make("p", { class: `st-message ${kind}`, role: "alert" }, icon("warning"), text);

const label = (
  name,
  share,
) => (share < 1 ? `${name}, about ${Math.round(100 * share)} % of the size` : `${name}, full`);

function program(/** @type {Server.TargetChoice} */ { name, title, install }) {
  return make(
    "label",
    { class: "ex-program" },
    make("input", { type: "radio", name: "ex-program", value: name }),
    make("span", {}, title),
    ...(install ? [make("span", { class: "st-pill look" }, "not installed")] : []),
  );
}

function table(/** @type {Server.FinishedExport[]} */ finished) {
  return make(
    "div",
    { class: "ex-scroll", tabindex: "0", role: "region", "aria-label": "Finished exports" },
    make(
      "table",
      { class: "st-table" },
      make("thead", {}, make("tr", {}, ...HEADS.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...finished.map(row)),
    ),
  );
}

function row(/** @type {Server.FinishedExport} */ found) {
  const stages = found.stages.map(({ name, psnr }) =>
    make("div", { class: "ex-psnr" }, `${name} ${psnr.toFixed(0)} dB`)
  );
  const [here, there] = [found.speed, found.pytorch_speed].map((seconds) => seconds.toFixed(found.digits));
  const times = [`${here} s ${found.each}`, `PyTorch ${there} s`];
  return make(
    "tr",
    {},
    make(
      "th",
      { scope: "row" },
      make("b", {}, found.title),
      " ",
      make("span", { class: "st-pill" }, found.precision),
      ...(found.is_stale ? [" ", make("span", { class: "st-pill look" }, "out of date")] : []),
    ),
    cell("Stages", ...stages),
    cell("Texts", ...texts(found)),
    cell("Errors", make("span", { class: `ex-verdict ${LOOKS[found.verdict] ?? ""}` }, found.errors)),
    cell("Size", make("div", {}, size(found.size)), quiet(`PyTorch ${size(found.model_size)}`)),
    cell("Speed", make("div", {}, times[0]), quiet(`${times[1]}, ${counted(found.threads, "thread")}`)),
    cell("Files", copier(found.path, `Copy the path of ${found.target}, ${found.precision}`, "Copy path")),
  );
}

/** A cell that names its column itself where the table is too wide for the screen. */
const cell = (name, ...content) => make("td", { "data-name": name }, make("div", {}, ...content));
const quiet = (text) => make("div", { class: "st-quiet" }, text);

function texts(/** @type {Server.FinishedExport} */ { clips, noun, others }) {
  if (!others.length) return [`the same on ${counted(clips, noun)}`];
  return [make(
    "details",
    {},
    make("summary", {}, `${others.length} of ${counted(clips, noun)} differ`),
    make(
      "ul",
      { class: "ex-others" },
      ...others.map(({ pytorch, exported }) => make("li", {}, `“${pytorch}” → “${exported}”`)),
    ),
  )];
}
