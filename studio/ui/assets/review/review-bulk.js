// Which clips are chosen, and what is done to all of them at once. Each deed says how many, and can be undone.

import { at, counted, make, request, studio } from "../studio.js";
import { SPLITS } from "./review-columns.js";

export const clips = (count) => counted(count, "clip");

export class Bulk {
  /** `tab` shows, tells and fails; `changed()` when other clips are chosen. */
  constructor(root, tab) {
    this.tab = tab;
    this.ids = new Set();
    this.query = null;
    this.last = null;
    this.bar = root.querySelector(".rev-bulk");
    this.$ = (selector) => this.bar.querySelector(selector);
    this.naming = root.querySelector(".rev-naming");
    this.$("[data-change=split]").addEventListener("change", ({ target }) => this.#toSplit(target));
    this.naming.querySelector("form").addEventListener(
      "submit",
      () =>
        this.change(
          { speaker: this.#name.value.trim() },
          this.#name.value.trim()
            ? `Speaker “${this.#name.value.trim()}” for ${clips(this.count)}`
            : `No speaker for ${clips(this.count)}`,
        ),
    );
    this.naming.querySelector("[value=cancel]").addEventListener("click", () => this.naming.close());
  }

  /** All that match: by the query, not by a list of ids. */
  get isAll() {
    return this.query !== null;
  }

  get count() {
    return this.isAll ? this.tab.total : this.ids.size;
  }

  /** What the routes take: the chosen clips, or the one in hand where none is chosen. */
  get selection() {
    if (this.isAll) return { ids: null, query: this.query, expected: this.tab.total };
    const ids = this.ids.size ? [...this.ids] : [this.tab.row?.id].filter(Boolean);
    return { ids, query: null, expected: ids.length };
  }

  has(id) {
    return this.isAll || this.ids.has(id);
  }

  /** Tick or untick rows; one clip taken out of “all” leaves those of this page. */
  set(ids, is) {
    if (this.isAll) this.ids = new Set(this.tab.rows.map((row) => row.id));
    this.query = null;
    for (const id of ids) is ? this.ids.add(id) : this.ids.delete(id);
    this.show();
  }

  /** A click on the box of the row `place`; with Shift, of all from the last one to it. */
  tick(place, is, isRange) {
    const from = isRange && this.last !== null ? this.last : place;
    const rows = this.tab.rows.slice(Math.min(from, place), Math.max(from, place) + 1);
    this.last = place;
    this.set(rows.map((row) => row.id), is);
  }

  all() {
    this.query = this.tab.view.query;
    this.ids.clear();
    this.show();
  }

  none() {
    Object.assign(this, { query: null, last: null });
    this.ids.clear();
    this.show();
  }

  show() {
    const { trash } = this.tab.view;
    const isPart = !this.isAll && !trash && this.ids.size < this.tab.total;
    this.bar.hidden = !this.count || (this.isAll && !this.tab.total);
    this.$(".rev-count").textContent = `${clips(this.count)} chosen`;
    this.$("[data-do=all]").textContent = `Select all ${this.tab.total.toLocaleString("en")} that match`;
    this.$("[data-do=all]").hidden = !isPart;
    for (const part of this.bar.querySelectorAll("[data-do=speaker], [data-do=relabel], [data-do=trash], .rev-to")) {
      part.hidden = trash;
    }
    this.$("[data-do=restore]").hidden = !trash;
    this.tab.table.tick();
  }

  // ---- deeds ----

  #toSplit(menu) {
    const split = menu.value;
    menu.value = "";
    if (split) this.change({ split }, `${clips(this.count)} to ${SPLITS[split]}`);
  }

  get #name() {
    return this.naming.querySelector("input");
  }

  askSpeaker() {
    this.naming.querySelector("h2").textContent = `Who speaks in ${
      this.count === 1 ? "this clip" : `these ${clips(this.count)}`
    }?`;
    this.naming.querySelector("datalist").replaceChildren(
      ...this.tab.speakers.map((value) => make("option", { value })),
    );
    this.#name.value = "";
    this.naming.showModal();
  }

  relabel() {
    studio.open("labels", { selection: this.selection });
  }

  change(changes, what) {
    const taken = this.count;
    const along = (
      count,
    ) => (count > taken
      ? ` ${counted(count - taken, "clip with the same sentence", "clips with the same sentences")} moved along.`
      : "");
    return this.#send("change", { selection: this.selection, changes, what }, (count) => `${what}.${along(count)}`);
  }

  /** Into the trash: the chosen clips, or the one in hand. */
  trash() {
    const count = this.count || 1;
    return this.#send("trash", { selection: this.selection }, () => `Moved ${clips(count)} to the trash.`);
  }

  restore() {
    const { ids } = this.selection;
    return this.#send("restore", { ids }, () => `Brought back ${clips(ids?.length ?? 0)}.`);
  }

  async #send(where, body, done) {
    if (body.selection && !body.selection.ids?.length && !this.isAll) return;
    try {
      const { clips: count } = await request(at(where, studio.dataset()), { body });
      this.none();
      this.tab.done(done(count));
    } catch (error) {
      this.tab.fail(error);
    }
  }
}
