// The sheet of the Review tab: one page of clips, one of them current, any of them selected.

import { icon, make } from "../studio.js";
import { field, NONE } from "./review-columns.js";

const EMPTY = {
  none: [
    "wave",
    "No clips yet",
    "Every clip that you record or import appears here, to be played, corrected and sorted. Record a few prompts in" +
    " 1 Record, or import sound files.",
  ],
  search: [
    "search",
    "Nothing matches",
    "No clip fits this filter. Press the i next to it to see what you can search for, or clear it.",
  ],
  unheard: [
    "search",
    "Nothing matches",
    "No clip fits this filter. It asks for a model's transcripts, and no model has transcribed these clips yet. " +
    "Look for wrong labels first.",
  ],
  trash: ["trash", "The trash is empty", "Clips that you delete stay here until you restore them."],
};

export class Table {
  /** `columns` says what is shown; `isChosen(id)` which boxes are ticked. */
  constructor(root, columns, isChosen) {
    this.columns = columns;
    this.isChosen = isChosen;
    /** @type {any[]} */
    this.rows = [];
    this.place = 0;
    this.table = root.querySelector(".rev-table");
    this.head = this.table.tHead;
    this.body = this.table.tBodies[0];
    this.box = root.querySelector(".rev-empty");
  }

  get row() {
    return this.rows[this.place];
  }

  get line() {
    return this.body.children[this.place];
  }

  /** Lay out `rows`; `view` is how they were asked for. */
  show(rows, view) {
    const shown = this.columns.shown(view.sort).filter((column) =>
      !view.trash || ["text", "duration", "speaker", "split"].includes(column.name)
    );
    this.rows = rows;
    this.table.classList.toggle("wide", shown.length > 11);
    this.#head(shown, view);
    this.body.replaceChildren(...rows.map((row, number) => this.#line(row, number, shown, view.trash)));
    this.hold(Math.min(this.place, rows.length - 1));
    this.tick();
  }

  #head(shown, view) {
    const kept = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.sort;
    const box = make("input", { type: "checkbox", class: "rev-page", "aria-label": "Choose all clips of this page" });
    this.head.replaceChildren(
      make(
        "tr",
        {},
        make("th", { scope: "col", class: "rev-tick" }, box),
        make("th", { scope: "col", class: "rev-play" }, make("span", { class: "st-hidden" }, "Play")),
        ...shown.map((column) => heading(column, view)),
        make("th", { scope: "col", class: "rev-changes" }, make("span", { class: "st-hidden" }, "Edit or delete")),
      ),
    );
    if (kept) this.head.querySelector(`[data-sort=${kept}]`)?.focus();
  }

  #line(row, number, shown, isTrash) {
    const said = `“${row.text}”`;
    const button = (name, picture, label) =>
      make("button", {
        type: "button",
        class: "st-button small square plain",
        "data-do": name,
        "aria-label": `${label} ${said}`,
        title: label,
      }, picture);
    const changes = isTrash
      ? [button("restore", icon("undo"), "Bring back")]
      : [button("edit", icon("edit"), "Edit"), button("trash", icon("trash"), "Delete")];
    return make(
      "tr",
      { "data-place": String(number) },
      make("td", { class: "rev-tick" }, make("input", { type: "checkbox", "aria-label": `Choose ${said}` })),
      make("td", { class: "rev-play" }, button("play", icon("play"), "Play")),
      ...shown.map((column) => cellOf(column, row)),
      make("td", { class: "rev-changes" }, ...changes),
    );
  }

  /** One clip is in hand; true where it is another one than before. */
  hold(place) {
    const before = this.body.querySelector("[aria-current]");
    this.place = Math.max(0, place);
    before?.removeAttribute("aria-current");
    this.line?.setAttribute("aria-current", "true");
    return before !== this.line;
  }

  reveal() {
    this.line?.scrollIntoView({ block: "nearest" });
  }

  /** Tick the boxes of the chosen clips. */
  tick() {
    const ticked = this.rows.map((row) => this.isChosen(row.id));
    ticked.forEach((is, number) => {
      this.body.children[number].querySelector(".rev-tick input").checked = is;
      this.body.children[number].toggleAttribute("data-chosen", is);
    });
    const box = this.head.querySelector(".rev-page");
    if (!box) return;
    box.checked = ticked.length > 0 && ticked.every(Boolean);
    box.indeterminate = !box.checked && ticked.some(Boolean);
  }

  /** Show on its button which clip sounds; null for none. */
  playing(id) {
    this.rows.forEach((row, number) => {
      const picture = this.body.children[number]?.querySelector("[data-do=play] .st-icon");
      picture?.replaceWith(row.id === id ? icon("pause") : icon("play"));
    });
  }

  /** Why there is nothing to see: "none", "search", "unheard" or "trash"; null where there is. */
  empty(why) {
    this.table.hidden = !!why;
    this.box.hidden = !why;
    if (!why) return;
    const [picture, title, words] = EMPTY[why];
    const doors = why === "none"
      ? make(
        "div",
        { class: "st-row" },
        make("button", { type: "button", class: "st-button primary", "data-do": "record" }, "Record"),
        make("button", { type: "button", class: "st-button", "data-open": "import" }, "Import"),
      )
      : null;
    const read = why === "unheard"
      ? make(
        "button",
        { type: "button", class: "st-button primary", "data-open": "labels", "data-tab": "suspects" },
        "Look for wrong labels",
      )
      : null;
    const clear = why === "search" || why === "unheard"
      ? make("button", { type: "button", class: "st-button", "data-do": "clear" }, "Show all clips")
      : null;
    this.box.replaceChildren(
      ...[icon(picture), make("h2", {}, title), make("p", {}, words), doors, read, clear].filter(Boolean),
    );
  }
}

function cellOf(column, row) {
  const content = column.cell(row);
  const names = [`is-${column.name}`, column.isFigure ? "figure" : "", content === NONE ? "none" : ""].join(" ");
  return make("td", { class: names, "data-title": column.title, "data-unit": column.unit }, content);
}

function heading({ name, title, unit, isFigure }, { sort, trash }) {
  const isSorted = !trash && field(sort) === name;
  const order = isSorted ? (sort.startsWith("-") ? "descending" : "ascending") : null;
  const inside = [
    title,
    unit ? make("small", {}, ` ${unit}`) : "",
    isSorted ? icon(order === "ascending" ? "up" : "down") : "",
  ];
  return make(
    "th",
    { scope: "col", class: `is-${name} ${isFigure ? "figure" : ""}`, "aria-sort": order },
    trash ? make("span", {}, ...inside) : make("button", { type: "button", "data-sort": name }, ...inside),
  );
}
