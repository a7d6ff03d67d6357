// The Review tab: pages of clips, one of them current. What is asked for is remembered for this window; what was done
// can
// be undone. Labels come from other people's files too: they are only ever text.

import { at, giveBackFocus, icon, isTyping, make, request, studio, StudioError } from "../studio.js";
import { Bulk } from "./review-bulk.js";
import { COLUMNS, Columns, LATEST, turned } from "./review-columns.js";
import { Dock } from "./review-detail.js";
import { Editor } from "./review-edit.js";
import { Filter } from "./review-filter.js";
import { History } from "./review-history.js";
import { Help, listen } from "./review-keys.js";
import { Table } from "./review-table.js";
import { Tiles } from "./review-tiles.js";

const FIRST = { query: "", sort: LATEST, trash: false };

const ASKS_A_MODEL = /\b(wer|confidence|loss|suspicion|heard)\b *[<>=!~]|\bhas heard\b/i;

const place = (first, count) =>
  [...new Set([first + 1, first + count])].map((number) => number.toLocaleString("en")).join("–");

export const start = ({ element }) => new ReviewTab(element.querySelector(".rev")).begin();

class ReviewTab {
  /** @type {Record<string, any>} */
  found; // the page on show
  constructor(root) {
    this.root = root;
    this.view = FIRST;
    this.first = 0;
    this.total = 0;
    this.size = 50;
    this.asked = 0;
    this.speakers = [];
    this.fields = [];
    this.$ = (selector) => root.querySelector(selector);
    this.columns = new Columns(this.$(".rev-columns"), () => this.lay());
    this.table = new Table(root, this.columns, (id) => this.bulk.has(id));
    this.bulk = new Bulk(root, this);
    this.filter = new Filter(root, (view) => this.ask(view));
    this.tiles = new Tiles(root, (term) => this.filter.add(term));
    this.dock = new Dock(
      root,
      (error) => this.fail(error),
      (id) => this.table.playing(id),
      () => this.done("Word times saved."),
    );
    this.editor = new Editor(root, this);
    this.history = new History(root, this);
    this.help = new Help(root, (query) => this.filter.add(query));
  }

  begin() {
    const order = this.$(".rev-sorting select");
    for (const { name, title } of COLUMNS) order.append(make("option", { value: name }, title));
    order.addEventListener("change", () => this.ask({ sort: turned("", order.value) }));
    this.listen();
    return this.enter();
  }

  get rows() {
    return this.table.rows;
  }

  get row() {
    return this.table.row;
  }

  // ---- what is asked for ----

  /** Come into a dataset: as this window left it. */
  async enter() {
    if (!studio.dataset()) return;
    this.forget();
    this.view = { ...FIRST, ...JSON.parse(sessionStorage.getItem(this.memory) || "{}") };
    this.bulk.none();
    this.filter.field.value = this.view.query;
    const fault = await this.load(0, 0);
    if (fault && this.view.query) await this.ask({ ...FIRST }); // a query of another version of the studio
    this.fields = await request(`${at("review", studio.dataset())}/fields`).catch(() => []);
    this.filter.fields = this.fields;
  }

  get memory() {
    return `studio.review.${studio.dataset()}`;
  }

  /** Ask for other clips. An error of the query is the answer, and nothing else changes. */
  async ask(view) {
    const before = this.view;
    this.view = { ...before, ...view };
    const fault = await this.load(0, 0);
    if (fault) this.view = before;
    else sessionStorage.setItem(this.memory, JSON.stringify(this.view));
    if (!fault && (before.query !== this.view.query || before.trash !== this.view.trash)) this.bulk.none();
    return fault;
  }

  /** Fetch a page; null, or the error where the query cannot be read.
   *  @param {number | null} place */
  async load(first = this.first, place = null) {
    if (!studio.dataset()) return null;
    const asked = (this.asked += 1);
    const search = new URLSearchParams({ first: String(first), ...this.view, trash: String(this.view.trash) });
    try {
      const answer = await request(`${at("review", studio.dataset())}?${search}`);
      // else it is asked for again after the edit
      if (asked === this.asked && !this.editor.isOpen) this.take(answer, place);
      return null;
    } catch (error) {
      if (!(error instanceof StudioError)) throw error;
      if (asked !== this.asked) return null;
      if (error.code === "DataError" && place !== null) return error;
      this.fail(error);
      return null;
    }
  }

  /** Show the page that came; the clip in hand stays in hand while it is there. */
  take(found, place) {
    const held = this.row?.id;
    const shown = JSON.stringify([found, this.view]);
    const isNew = shown !== this.shown;
    this.shown = shown;
    this.found = found;
    this.first = found.first;
    this.total = found.total;
    this.size = found.size;
    this.$(".rev-fault").hidden = true;
    if (place !== null) this.table.place = place;
    else this.table.place = Math.max(found.rows.findIndex(({ id }) => id === held), 0) || this.table.place;
    if (isNew) this.lay();
    this.tiles.load(this.view.trash ? "" : this.view.query);
  }

  lay() {
    const { rows, clips, total, first } = this.found;
    this.filter.show(this.view);
    this.table.show(rows, this.view);
    this.table.empty(
      rows.length
        ? null
        : this.view.trash
        ? "trash"
        : !clips
        ? "none"
        : ASKS_A_MODEL.test(this.view.query)
        ? "unheard"
        : "search",
    );
    this.$(".rev-empty-trash").hidden = !this.view.trash || !rows.length;
    this.$(".rev-range").textContent = total ? `${place(first, rows.length)} of ${total.toLocaleString("en")}` : "";
    this.$("[data-do=previous]").disabled = first === 0;
    this.$("[data-do=following]").disabled = first + rows.length >= total;
    this.$(".rev-sorting select").value = this.view.sort.replace(/^-/, "");
    this.speakers = [...new Set([...this.speakers, ...rows.map(({ speaker }) => speaker)])].filter(Boolean);
    this.bulk.show();
    this.showHeld();
  }

  hold(place) {
    if (this.table.hold(place)) this.showHeld();
  }

  showHeld() {
    /** @type {any} */
    const row = this.row ?? null;
    this.dock.show(row, this.rows[this.table.place + 1]);
    this.table.playing(this.dock.isPlaying ? row?.id : null);
  }

  // ---- what is done ----

  step(by) {
    const place = this.table.place + by;
    if (place >= this.rows.length && this.first + this.rows.length < this.total) return this.turn(1, 0);
    if (place < 0 && this.first > 0) return this.turn(-1, this.size - 1);
    this.hold(Math.max(0, Math.min(place, this.rows.length - 1)));
    this.table.reveal();
  }

  async turn(by, place = 0) {
    const first = this.first + by * this.size;
    if (first < 0 || first >= this.total) return;
    await this.load(first, place);
    this.table.reveal();
  }

  /** Ask the server for an operation on the selected clip, and say that it was done. */
  async act(path, done, body = {}, canUndo = true) {
    try {
      await request(path, { body });
    } catch (error) {
      return this.fail(error);
    }
    this.done(done, canUndo);
  }

  /** A person listened: the label is right. What the model thought of it comes back with undo. */
  async accept() {
    const { row } = this;
    if (row?.suspicion == null || this.view.trash) return;
    const path = at("review", studio.dataset(), row.id, "doubt");
    await this.act(path, "Label marked as right.", { suspicion: 0, reason: "Someone listened: the label is right." });
    this.history.own = () =>
      this.act(path, "Label marked as doubtful again.", { suspicion: row.suspicion, reason: row.reason }, false);
  }

  trim() {
    const { row } = this;
    if (row?.trim > 0) this.act(at("trim", studio.dataset(), row.id), `Trimmed ${row.trim.toFixed(1)} s of silence.`);
  }

  get deeds() {
    const { bulk, history, table, row } = this;
    return {
      play: () => this.dock.play(),
      edit: () => !this.view.trash && this.editor.open(row, table.line),
      trash: () => !this.view.trash && bulk.trash(),
      restore: () => bulk.restore(),
      accept: () => this.accept(),
      trim: () => this.trim(),
      take: () => this.editor.save(row, row.heard),
      rerecord: () => row && !this.view.trash && studio.open("record", { clip: row }),
      record: () => studio.open("record"),
      down: () => this.step(1),
      up: () => this.step(-1),
      previous: () => this.turn(-1),
      following: () => this.turn(1),
      choose: () => row && bulk.tick(table.place, !bulk.has(row.id), false),
      chooseDown: () => (row && bulk.tick(table.place, true, false), this.step(1)),
      all: () => bulk.all(),
      none: () => bulk.none(),
      speaker: () => bulk.askSpeaker(),
      relabel: () => bulk.relabel(),
      undo: () => history.undo(),
      redo: () => history.redo(),
      history: () => history.open(),
      search: () => this.filter.focus(),
      clear: () => this.filter.clear(),
      tiles: () => this.tiles.toggle(),
      dock: () => this.dock.toggle(),
      keys: () => this.help.keys(),
      fields: () => this.help.fields(this.fields),
    };
  }

  /** Something was written: say so, and read the page again. */
  done(words, canUndo = true) {
    studio.changed();
    const button = make(
      "button",
      { type: "button", class: "st-button small", "data-do": "undo" },
      icon("undo"),
      "Undo",
    );
    this.say(words, canUndo ? button : "");
  }

  /** What was said last, and its Undo, are of the last change: they go when another one was made, here or elsewhere. */
  forget() {
    this.history.own = null;
    this.say("");
  }

  /** @param {string} words
   *  @param {string | Node} more */
  say(words, more = "") {
    this.$(".rev-said").replaceChildren(words, more);
  }

  fail({ what, remedy }) {
    const box = this.$(".rev-fault");
    box.hidden = false;
    box.replaceChildren(icon("warning"), make("p", {}, make("b", {}, what), ` ${remedy || ""}`));
    return null;
  }

  listen() {
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.table.body.addEventListener("dblclick", ({ target }) => target.closest(".is-text") && this.deeds.edit());
    studio.on("dataset", this.root, () => this.enter());
    studio.on("changed", this.root, () => (this.forget(), !this.editor.isOpen && this.load()));
    // from a dialog: these clips
    studio.on("open:review-query", this.root, (wanted) => this.ask({ ...FIRST, ...wanted }));
    const back = () => this.root.isConnected && !document.hidden && !this.editor.isOpen && this.load();
    addEventListener("focus", back); // another page may have written meanwhile
    document.addEventListener(
      "click",
      ({ target }) =>
        !(/** @type {Element} */ (target)).closest(".rev-menu") && this.$(".rev-menu").removeAttribute("open"),
    );
    listen(this.root, new Proxy({}, { get: (_, name) => this.deeds[name] }));
  }

  clicked(event) {
    const { target } = event;
    if (!isTyping(event)) giveBackFocus(event);
    const line = target.closest("tr[data-place]");
    if (line) this.hold(Number(line.dataset.place));
    if (target.matches(".rev-page")) return this.bulk.set(this.rows.map(({ id }) => id), target.checked);
    if (line && target.matches(".rev-tick input")) {
      return this.bulk.tick(this.table.place, target.checked, event.shiftKey);
    }
    const heading = target.closest("[data-sort]");
    if (heading) return this.ask({ sort: turned(this.view.sort, heading.dataset.sort) });
    const door = target.closest("[data-open]");
    if (door?.dataset.tab) {
      return studio.open(door.dataset.open, {
        selection: { ids: null, query: "", expected: null },
        tab: door.dataset.tab,
      });
    }
    if (door) return studio.open(door.dataset.open, { selection: this.wanted() });
    const button = target.closest("[data-do]");
    if (button) this.deeds[button.dataset.do]();
  }

  /** What a room of the toolbar works on: the chosen clips, else all that match. */
  wanted() {
    return this.bulk.count
      ? this.bulk.selection
      : { ids: null, query: this.view.trash ? "" : this.view.query, expected: null };
  }
}
