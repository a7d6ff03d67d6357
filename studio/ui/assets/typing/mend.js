// The Test tab of a typing dataset: type, rest, and read the text before and after tuning; correct it and keep it.

import { diffed } from "../diff.js";
import { watchVisibility } from "../stream.js";
import { at, isShown, make, request, studio } from "../studio.js";

const REST = 300; // ms without a key, after which the text is corrected

export const start = ({ element }) => new MendTab(element.querySelector(".mnd")).begin();

class MendTab {
  asked = 0;
  shown = ""; // the text that the columns are of
  tally = { right: 0, wrong: 0 };
  judged = "";

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.field = this.$(".mnd-field");
  }

  begin() {
    this.field.addEventListener("input", () => this.rest());
    this.$(".mnd-run").addEventListener("change", ({ target }) => {
      const { model } = target.selectedOptions[0].dataset;
      if (target.value) studio.chooseRun(target.value, model);
      this.tellResult();
      this.mend();
    });
    const actions = { right: () => this.judge("right"), wrong: () => this.judge("wrong"), keep: () => this.keep() };
    this.root.addEventListener("click", ({ target }) => actions[target.closest("button")?.dataset.do]?.());
    document.addEventListener("keydown", (event) => {
      const way = { KeyR: "right", KeyW: "wrong" }[event.code];
      if (!way || !event.altKey || !isShown(this.field) || !this.shown) return;
      event.preventDefault();
      this.judge(way);
    });
    for (const news of ["kind", "dataset", "changed", "model", "run"]) studio.on(news, this.root, () => this.load());
    watchVisibility(this.root, (isVisible) => isVisible && this.prepare());
    this.load();
  }

  /** Load the model as soon as the tab is looked at: the first sentence is not slow then. */
  async prepare() {
    if (studio.kind() !== "typing") return;
    await this.load();
    const body = { run: this.$(".mnd-run").value, model: studio.model() };
    await request("typing/prepare", { body }).catch(() => {}); // correcting says what is wrong
  }

  /** The runs that can correct, the newest first; without any, the base model alone. */
  async load() {
    if (studio.kind() !== "typing") return;
    const runs = await request("typing/runs").catch(() => []);
    const chosen = studio.shownRun(runs.map((run) => ({ ...run, dataset: "" })))?.name ?? "";
    const options = runs.map(({ name, model }) =>
      make("option", { value: name, "data-model": model, selected: name === chosen }, name)
    );
    const base = make("option", { value: "", selected: !chosen }, `${studio.model()} alone`);
    this.$(".mnd-run").replaceChildren(...options, base);
    await this.tellResult();
  }

  /** What the run came to on its held-out pairs. */
  async tellResult() {
    const run = this.$(".mnd-run").value;
    const box = this.$(".mnd-result");
    /** @type {Server.HeldOut | null} */
    const found = run ? await request(`listen/heldout/${at(run)}`).catch(() => null) : null;
    if (run !== this.$(".mnd-run").value) return; // another was chosen meanwhile
    box.hidden = !found;
    if (!found) return;
    const answers = found.answers.flatMap(({ question, answer, detail }) => [
      make("dt", {}, `${question} `, make("b", {}, answer)),
      make("dd", { class: "st-small st-quiet" }, detail),
    ]);
    const head = ["On held-out pairs", "Before", "After"].map((name) => make("th", { scope: "col" }, name));
    const rows = [...found.tiles.map(({ name, before, after }) => [name, before, after]), ...found.typing].map((
      cells,
    ) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
    box.replaceChildren(
      make("h2", {}, run),
      make("dl", { class: "mnd-answers" }, ...answers),
      make("table", { class: "st-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
    );
  }

  rest() {
    clearTimeout(this.waiting);
    this.asked += 1; // an answer that is still coming is of an older text
    this.waiting = setTimeout(() => this.mend(), REST);
  }

  async mend() {
    const text = this.field.value;
    const turn = ++this.asked;
    if (!text.trim()) return this.show("", null);
    this.$(".mnd-busy").textContent = "Correcting …";
    try {
      const body = { text, run: this.$(".mnd-run").value, model: studio.model() };
      /** @type {Server.Mended} */
      const found = await request("typing/mend", { body });
      if (turn === this.asked) this.show(text, found);
    } catch (error) {
      if (turn === this.asked) this.fail(error.message);
    }
  }

  show(text, /** @type {Server.Mended | null} */ found) {
    this.fail("");
    this.shown = found ? text : "";
    this.$(".mnd-busy").textContent = "";
    this.column(".mnd-before", found?.before, found?.edits_before);
    this.column(".mnd-after", found?.after, found?.edits_after);
    this.$(".mnd-verdict").hidden = !found;
    this.$(".mnd-kept").textContent = "";
    if (found) this.$("#mnd-meant").value = (found.after ?? found.before).text;
  }

  column(name, hypothesis, edits) {
    this.$(name).hidden = !hypothesis;
    if (!hypothesis) return;
    this.$(`${name} .mnd-text`).replaceChildren(edits.length ? diffed(edits, "after") : hypothesis.text);
    this.$(`${name} .mnd-time`).textContent = `${Math.round(1000 * hypothesis.latency)} ms`;
  }

  judge(way) {
    if (this.judged === this.shown) return; // each text counts once
    this.judged = this.shown;
    this.tally[way] += 1;
    const { right, wrong } = this.tally;
    this.$(".mnd-tally").textContent = `${right} right, ${wrong} wrong`;
    if (way === "wrong") this.$("#mnd-meant").focus();
  }

  async keep() {
    try {
      const body = { typed: this.shown, text: this.$("#mnd-meant").value };
      const { said } = await request(`typing/${at(studio.dataset())}/keep`, { body });
      this.$(".mnd-kept").textContent = said;
      studio.changed();
    } catch (error) {
      this.fail(error.message);
    }
  }

  fail(words) {
    this.$(".mnd-busy").textContent = "";
    const box = this.$(".mnd-fault");
    box.hidden = !words;
    box.textContent = words;
  }
}
