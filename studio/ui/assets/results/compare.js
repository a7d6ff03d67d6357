// The dialog in which runs are laid side by side: one table, their curves over each other, and the settings that
// differ.

import { Chart } from "../train/live-chart.js";
import { describe } from "../train/live-parts.js";
import { icon, make, request, studio } from "../studio.js";

const SVG = "http://www.w3.org/2000/svg";
// a curve is known by them where colours are not seen
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [1, 5], [12, 4]];
const percent = (value) => `${Math.round(1000 * value) / 10} %`;
const nats = (value) => value.toFixed(value < 10 ? 2 : 0);

export const start = ({ element }) => new Compare(element.querySelector(".cmp")).begin();

class Compare {
  #ticked = []; // names, in the order of their ticks
  #asked = 0;

  constructor(dialog) {
    this.dialog = dialog;
    this.$ = (selector) => dialog.querySelector(selector);
    this.charts = {
      wer: new Chart(this.$("[data-chart=wer]"), percent),
      loss: new Chart(this.$("[data-chart=loss]"), nats),
    };
  }

  begin() {
    studio.on("open:compare", this.dialog, (detail) => this.open(detail));
    studio.on("theme", this.dialog, () => Object.values(this.charts).forEach((chart) => chart.draw()));
    this.dialog.addEventListener("click", ({ target }) => target.closest("[data-do=close]") && this.dialog.close());
    this.$(".cmp-runs").addEventListener("change", ({ target }) => this.#tick(target));
  }

  /** `run` is ticked first, and with it the newest other one of its dataset. */
  async open({ run, normaliser }) {
    this.normaliser = normaliser;
    this.$(".cmp-found").hidden = true;
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const runs = await request("listen/runs");
      const own = runs.find(({ name }) => name === run);
      const other = runs.find(({ name, dataset }) => name !== run && dataset === own?.dataset);
      this.#ticked = [run, ...(other ? [other.name] : [])];
      const boxes = runs.map(({ name }) =>
        make(
          "label",
          { class: "st-check" },
          make("input", { type: "checkbox", value: name, checked: this.#ticked.includes(name) }),
          name,
        )
      );
      this.$(".cmp-runs").replaceChildren(make("legend", { class: "st-hidden" }, "Runs"), ...boxes);
      await this.#compare();
    } catch (error) {
      this.#tell(error.message, "bad");
    }
  }

  #tick({ value, checked }) {
    this.#ticked = this.#ticked.filter((name) => name !== value).concat(checked ? [value] : []);
    this.#compare();
  }

  async #compare() {
    const asked = (this.#asked += 1);
    if (this.#ticked.length < 2) {
      this.$(".cmp-found").hidden = true;
      return this.#tell("Tick one more run.");
    }
    const query = new URLSearchParams([...this.#ticked.map((name) => ["run", name]), ["normaliser", this.normaliser]]);
    try {
      const found = await request(`compare/runs?${query}`);
      if (asked !== this.#asked) return;
      this.#draw(found);
      this.$(".cmp-save").href = new URL(`studio/compare/page?${query}`, document.baseURI).href;
    } catch (error) {
      if (asked === this.#asked) this.#tell(error.message, "bad");
    }
  }

  #draw({ headline, same_test: isSame, table, runs, settings, command }) {
    this.#tell(headline, isSame ? "" : "look");
    const names = runs.map(({ run }) => run);
    const rows = table.head.slice(1).map((name, place) => [name, ...table.cells.map((cells) => cells[place + 1])]);
    this.$(".cmp-scroll").replaceChildren(sheet(["", ...names], rows));
    const differing = settings.map(({ name, values }) => [name, ...values.map(String)]);
    this.$(".cmp-settings").replaceChildren(
      differing.length
        ? sheet(["", ...names], differing)
        : make("p", { class: "st-quiet" }, "None: all settings are the same."),
    );
    this.$(".cmp-command").textContent = command;
    this.$(".cmp-found").hidden = false;
    this.#curves(runs);
    this.$(".cmp-key").replaceChildren(...names.map((name, place) => make("li", {}, stroke(place), name)));
  }

  #curves(runs) {
    const last = Math.max(...runs.flatMap(({ curve }) => curve.map(({ step }) => step)), 1);
    for (
      const [name, write] of /** @type {[string, (value: any) => string][]} */ ([["wer", percent], ["loss", nats]])
    ) {
      const lines = runs.map(({ run, curve }, place) => ({
        key: run,
        points: curve.filter((point) => point[name] !== null).map((point) => [point.step, point[name]]),
        colour: `run${place % 6}`,
        width: 2,
        dots: true,
        dash: DASHES[place % DASHES.length],
      }));
      const { canvas } = this.charts[name];
      this.charts[name].show(lines, last);
      describe(canvas, lines[0].points, write, `${runs.length} runs; ${runs[0].run}`);
    }
  }

  #tell(text, kind = "") {
    this.$(".cmp-message").className = `st-message cmp-message ${kind}`;
    this.$(".cmp-message").replaceChildren(...(kind ? [icon("warning")] : []), text);
  }
}

/** A table with runs across: heads and rows of texts. */
function sheet(heads, rows) {
  const top = make("tr", {}, ...heads.map((name) => (name ? make("th", { scope: "col" }, name) : make("td", {}))));
  const body = rows.map(([name, ...values]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value)))
  );
  return make("table", { class: "st-table" }, make("thead", {}, top), make("tbody", {}, ...body));
}

/** How the curve of the run at `place` looks. */
function stroke(place) {
  const picture = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "line");
  picture.setAttribute("viewBox", "0 0 30 8");
  picture.setAttribute("aria-hidden", "true");
  const drawn = {
    x1: 0,
    x2: 30,
    y1: 4,
    y2: 4,
    stroke: `var(--st-run${place % 6})`,
    "stroke-width": 2,
    "stroke-dasharray": DASHES[place % DASHES.length].join(" "),
  };
  for (const [name, value] of Object.entries(drawn)) line.setAttribute(name, String(value));
  picture.append(line);
  return picture;
}
