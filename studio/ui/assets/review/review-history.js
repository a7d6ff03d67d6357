// What was done to the dataset: undone and done again by key, or one by one in the history.

import { at, make, request, studio } from "../studio.js";
import { clips } from "./review-bulk.js";

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class History {
  /** `tab` tells and fails. */
  constructor(root, tab) {
    // `own`: how the last deed is undone, where the dataset's journal does not know it
    this.tab = tab;
    this.own = null;
    this.dialog = root.querySelector(".rev-history");
    this.list = this.dialog.querySelector(".rev-actions");
    this.refused = this.dialog.querySelector(".rev-refused");
    this.dialog.querySelector("[value=close]").addEventListener("click", () => this.dialog.close());
    this.list.addEventListener("click", ({ target }) => target.dataset.action && this.#undoOne(target.dataset.action));
  }

  async undo() {
    if (this.own) return this.own();
    await this.#turn("undo", "Undone", "There is nothing to undo.");
  }

  async redo() {
    await this.#turn("redo", "Done again", "There is nothing to redo.");
  }

  async #turn(way, done, nothing) {
    try {
      const action = await request(at(way, studio.dataset()), { body: {} });
      if (!action) return this.tab.say(nothing);
      this.tab.done(`${done}: ${action.what}`, way === "redo");
    } catch (error) {
      this.tab.fail(error);
    }
  }

  async open() {
    this.refused.hidden = true;
    if (!(await this.#read())) return;
    this.dialog.showModal();
  }

  async #read() {
    try {
      this.#show(await request(at("history", studio.dataset())));
      return true;
    } catch (error) {
      return this.tab.fail(error);
    }
  }

  #show(actions) {
    const row = ({ id, at, what, clips: count, undone }) =>
      make(
        "tr",
        { class: undone ? "undone" : null },
        make("td", {}, make("time", { datetime: at }, when.format(new Date(at)))),
        make("td", {}, what),
        make("td", { class: "figure" }, clips(count)),
        make(
          "td",
          { class: "figure" },
          undone ? make("span", { class: "st-quiet" }, "Undone") : make("button", {
            type: "button",
            class: "st-button small",
            "data-action": id,
            "aria-label": `Undo: ${what}`,
          }, "Undo"),
        ),
      );
    const head = make(
      "thead",
      {},
      make("tr", {}, ...["When", "What", "How many", "Undo"].map((title) => make("th", { scope: "col" }, title))),
    );
    const table = make("table", { class: "st-table" }, head, make("tbody", {}, ...actions.map(row)));
    this.list.replaceChildren(
      actions.length ? table : make(
        "p",
        { class: "st-quiet" },
        "Nothing has changed yet. Edits, moves, imports and deletions will appear here.",
      ),
    );
  }

  async #undoOne(id) {
    this.refused.hidden = true;
    try {
      const action = await request(at("undo", studio.dataset()), { body: { id } });
      this.tab.done(`Undone: ${action.what}`, false);
    } catch (error) {
      this.refused.replaceChildren(make("p", {}, make("b", {}, error.what), ` ${error.remedy || ""}`));
      this.refused.hidden = false;
    }
    await this.#read();
  }
}
