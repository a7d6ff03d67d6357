// New labels, before and after, each with a box to leave it out; applied as one action, and taken back.

import { diffed, wordEdits } from "../diff.js";
import { at, counted, icon, make, request, studio } from "../studio.js";
import { sureWords } from "../sureness.js";

const labels = (count) => counted(count, "label");

/** Edits with neighbours that changed as one: “129” became “one two nine”, not three words more. */
function inRuns(edits) {
  const runs = [];
  for (const edit of edits) {
    const last = runs.at(-1);
    if (!last || edit.kind === "equal" || last.kind === "equal") runs.push({ ...edit });
    else {
      last.reference = `${last.reference} ${edit.reference}`.trim();
      last.hypothesis = `${last.hypothesis} ${edit.hypothesis}`.trim();
      last.kind = !last.reference ? "insert" : last.hypothesis ? "substitute" : "delete";
    }
  }
  return runs;
}

const SOON = 200; // ms after which a person wonders whether anything goes on

/** What `answer` comes to; meanwhile, unless it comes at once or `isWanted` no more, `box` says what is being done. */
export function patiently(box, words, answer, isWanted = () => true) {
  const sign = setTimeout(
    () => isWanted() && box.replaceChildren(make("span", { class: "st-quiet", role: "status" }, words)),
    SOON,
  );
  return answer.finally(() => clearTimeout(sign));
}

export class Offer {
  /** @type {Server.LabelChanges} */
  made; // once asked for
  /** @type {HTMLInputElement} */
  all;
  /** @type {HTMLButtonElement} */
  apply;
  #asked = 0;

  /**
   * Lists what `wanted` (a Request of the server) would change; `room` has `selection`, `fail(error)`, `done(what)`.
   */
  constructor(box, room) {
    this.box = box;
    this.room = room;
    this.without = new Set();
    this.wanted = null;
  }

  clear() {
    this.#asked += 1;
    this.made = /** @type {any} */ (null);
    this.box.replaceChildren();
  }

  /** Ask for the list and show it; `empty` is `[icon, title, words]` for a list without rows. */
  async show(wanted, empty) {
    const asked = (this.#asked += 1);
    this.wanted = wanted;
    this.without.clear();
    try {
      const answer = request(`labels/${at(studio.dataset())}/proposals`, {
        body: { selection: this.room.selection, request: wanted },
      });
      const made = await patiently(this.box, "Looking through the labels …", answer, () => asked === this.#asked);
      if (asked !== this.#asked) return;
      this.made = made;
      this.box.replaceChildren(
        ...(made.count ? this.#list() : [this.#empty(empty)]),
        ...this.#untimed(),
        ...this.#left(),
      );
      this.#count();
    } catch (error) {
      if (asked === this.#asked) this.room.fail(error);
    }
  }

  #empty([picture, title, words]) {
    return make("div", { class: "st-empty" }, icon(picture), make("h3", {}, title), make("p", {}, words));
  }

  /** Times of other words would be wrong: they go. */
  #untimed() {
    const { untimed } = this.made;
    if (!untimed) return [];
    const words = `${counted(untimed, "label loses its", "labels lose their")} word times: make new ones afterwards.`;
    return [make("div", { class: "st-message look" }, icon("info"), make("p", { class: "st-grow" }, words))];
  }

  #left() {
    const { left, examples } = this.made;
    if (!left) return [];
    const quoted = examples.map((text) => `“${text}”`).join(", ");
    const words = `${labels(left)} would still differ, because no rule applies to them: ${quoted}${
      left > examples.length ? " …" : ""
    }`;
    const all = () => {
      this.box.closest("dialog").close();
      studio.open("review-query", { query: this.wanted.convention === "words" ? "has digits" : "has numbers" });
    };
    const button = make("button", { type: "button", class: "st-button small", onclick: all }, "Show in Review");
    return [make("div", { class: "st-message look" }, icon("info"), make("p", { class: "st-grow" }, words), button)];
  }

  #list() {
    const { rows, count } = this.made;
    const all = make("input", {
      type: "checkbox",
      checked: true,
      "aria-label": "All of them",
      onchange: ({ target }) => this.#tickAll(target.checked),
    });
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, all),
      make("th", { scope: "col" }, "Now"),
      make("th", { scope: "col" }, "Then"),
      make("th", { scope: "col" }, "Why"),
    );
    const table = make(
      "table",
      { class: "st-table lab-table", "aria-label": "New labels" },
      make("thead", {}, head),
      make("tbody", {}, ...rows.map((row) => this.#row(row))),
    );
    const more = count > rows.length
      ? make(
        "p",
        { class: "st-quiet st-small" },
        `These are the first ${rows.length} of ${labels(count)}; all will be changed except those you untick.`,
      )
      : null;
    this.apply = make("button", { type: "button", class: "st-button primary", onclick: () => this.#apply() });
    this.all = all;
    return [
      make("div", { class: "lab-sheet" }, table),
      ...[more].filter(Boolean),
      make("div", { class: "lab-foot" }, this.apply),
    ];
  }

  #row(row) {
    const edits = inRuns(wordEdits(row.before, row.after));
    const then = row.words.length ? sureWords(row.words) : diffed(edits, "after");
    const tick = make("input", {
      type: "checkbox",
      checked: true,
      "aria-label": `Change “${row.before}”`,
      onchange: ({ target }) => this.#tick(row.id, target.checked),
    });
    return make(
      "tr",
      { "data-id": row.id },
      make("td", {}, tick),
      make("td", { class: "lab-text" }, diffed(edits, "before")),
      make("td", { class: "lab-text" }, then),
      make("td", { class: "lab-why st-quiet st-small" }, row.rule),
    );
  }

  #tick(id, is) {
    is ? this.without.delete(id) : this.without.add(id);
    this.#count();
  }

  /** With none ticked only the shown rows are known by id: then nothing can be applied. */
  #tickAll(is) {
    this.without = new Set(is ? [] : this.made.rows.map((row) => row.id));
    this.box.querySelectorAll("tbody input").forEach((tick) => (tick.checked = is));
    this.#count();
  }

  #count() {
    if (!this.made.count) return;
    const isNone = this.without.size === this.made.rows.length;
    const count = isNone ? 0 : this.made.count - this.without.size;
    this.apply.disabled = !count;
    this.apply.textContent = count ? `Apply to ${labels(count)}` : "Tick what to apply";
    Object.assign(this.all, { checked: !this.without.size, indeterminate: count > 0 && this.without.size > 0 });
  }

  async #apply() {
    this.apply.disabled = true;
    const body = {
      selection: { ...this.room.selection, expected: null },
      request: this.wanted,
      digest: this.made.digest,
      without: [...this.without],
    };
    try {
      const { what } = await request(`labels/${at(studio.dataset())}/apply`, { body });
      await this.room.done(what);
    } catch (error) {
      this.room.fail(error);
    } finally {
      this.apply.disabled = false;
    }
  }
}
