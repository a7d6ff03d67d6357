// The Review tab of a typing dataset: the pairs, fifty a page, both sides edited in place.

import { at, counted, form, make, request, studio } from "../studio.js";

const PAGE = 50; // rows, as the server sends them
const REST = 250; // ms after the last letter of a filter
const SPLITS = { train: "Train", validation: "Validation", test: "Test", unused: "Set aside" };

export const start = ({ element }) => new Pairs(element.querySelector(".prs")).begin();

class Pairs {
  first = 0;
  total = 0;
  loading = 0;
  /** @type {Map<string, Server.PairRow>} */
  rows = new Map();

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
  }

  begin() {
    const actions = {
      undo: () => this.turn("undo"),
      redo: () => this.turn("redo"),
      previous: () => this.load(this.first - PAGE),
      following: () => this.load(this.first + PAGE),
    };
    this.root.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      const { do: what, open, query, remove } = button.dataset;
      if (what) actions[what]();
      if (open) studio.open(open);
      if (remove) this.send(at("trash", studio.dataset()), { ids: [remove] });
      if (query !== undefined) {
        this.$("#prs-query").value = query;
        this.load(0);
      }
    });
    this.root.addEventListener("change", ({ target }) => this.changed(target));
    this.$("#prs-query").addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.load(0), REST);
    });
    for (const news of ["kind", "dataset", "changed"]) studio.on(news, this.root, () => this.load(this.first));
    this.load(0);
  }

  async load(first) {
    if (studio.kind() !== "typing") return;
    const turn = ++this.loading;
    const asked = new URLSearchParams({
      query: this.$("#prs-query").value,
      sort: this.$(".prs-sort").value,
      first: String(Math.max(0, first)),
    });
    try {
      /** @type {Server.PairPage} */
      const found = await request(`typing/${at(studio.dataset())}/pairs?${asked}`);
      if (turn === this.loading) this.show(found);
    } catch (error) {
      if (turn === this.loading) this.fail(error.message);
    }
  }

  show(/** @type {Server.PairPage} */ { total, pairs, first, rows }) {
    this.fail("");
    this.first = first;
    this.total = total;
    this.$(".prs-export").href = `studio/typing/${at(studio.dataset())}/export/jsonl`;
    this.rows = new Map(rows.map((row) => [row.id, row]));
    const range = total > rows.length ? ` Shown: ${first + 1} to ${first + rows.length}.` : "";
    this.$(".prs-said").textContent = pairs
      ? `${counted(total, "pair")} of ${pairs.toLocaleString("en")}.${range}`
      : "No pairs yet: type some in Record, or import them with “studio import”.";
    this.$("tbody").replaceChildren(...rows.map(row));
    this.$("[data-do=previous]").disabled = first === 0;
    this.$("[data-do=following]").disabled = first + rows.length >= total;
  }

  /** A field or a choice was changed. */
  changed(field) {
    if (field.classList.contains("prs-sort")) return this.load(0);
    if (field.classList.contains("prs-file")) return this.importFile(field);
    const { pair, side } = field.dataset;
    if (!pair) return;
    const was = this.rows.get(pair);
    this.send(`typing/${at(studio.dataset())}/pairs/${at(pair)}`, {
      [side]: field.value,
      was: was && side !== "split" ? { [side]: was[side] } : null,
    });
  }

  /** Take in a file of pairs that exist already; what was left out is said with its reason. */
  async importFile(field) {
    const [file] = field.files;
    field.value = ""; // the same file may be chosen again
    if (!file) return;
    try {
      const found = await request(`typing/${at(studio.dataset())}/import`, { body: form({ file }) });
      studio.changed();
      await this.load(0);
      const skipped = found.skipped ? ` ${found.skipped} left out: ${found.reasons[0].reason}` : "";
      this.$(".prs-said").textContent = `${counted(found.added, "pair")} added.${skipped}`;
    } catch (error) {
      this.fail(error.message);
    }
  }

  turn(way) {
    return this.send(at(way, studio.dataset()), way === "undo" ? { id: null } : {});
  }

  async send(path, body) {
    try {
      await request(path, { body });
      studio.changed();
    } catch (error) {
      await this.load(this.first);
      this.fail(error.message);
    }
  }

  fail(words) {
    const box = this.$(".prs-fault");
    box.hidden = !words;
    box.textContent = words;
  }
}

function row(/** @type {Server.PairRow} */ pair) {
  const field = (side, name) =>
    make("input", {
      class: "st-field",
      type: "text",
      value: pair[side],
      "data-pair": pair.id,
      "data-side": side,
      "aria-label": `${name} of “${pair.text}”`,
      spellcheck: "false",
    });
  const choices = Object.entries(SPLITS).map(([value, name]) =>
    make("option", { value, selected: value === pair.split }, name)
  );
  const found = pair.findings.map(({ what, remedy }) => make("p", { class: "st-small" }, `${what} ${remedy}`));
  return make(
    "tr",
    {},
    make("td", {}, field("typed", "Typed text")),
    make("td", {}, field("text", "Corrected text")),
    make(
      "td",
      {},
      make(
        "select",
        { class: "st-select", "data-pair": pair.id, "data-side": "split", "aria-label": `Split of “${pair.text}”` },
        ...choices,
      ),
    ),
    make("td", {}, ...found),
    make(
      "td",
      {},
      make(
        "button",
        {
          type: "button",
          class: "st-button small plain",
          "data-remove": pair.id,
          "aria-label": `Delete “${pair.text}”`,
        },
        "Delete",
      ),
    ),
  );
}
