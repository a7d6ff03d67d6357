// A label becomes a field: Enter or leaving it saves, Esc gives it up. Two people may edit one clip; nothing is lost.

import { at, make, request, studio } from "../studio.js";

export class Editor {
  /** `tab` shows the row, tells and fails. */
  constructor(root, tab) {
    this.tab = tab;
    this.field = null;
    this.conflict = root.querySelector(".rev-conflict");
    this.conflict.addEventListener("click", ({ target }) => target.value && this.#choose(target.value));
    this.conflict.addEventListener("close", () => this.tab.load());
  }

  get isOpen() {
    return this.field !== null || this.conflict.open;
  }

  open(row, line) {
    const text = line?.querySelector(".rev-text");
    if (!text || this.field) return;
    const field = make("textarea", {
      class: "st-field rev-field",
      rows: "1",
      spellcheck: "false",
      "aria-label": "Label",
    });
    field.value = row.text;
    text.replaceWith(field);
    this.field = field;
    const fit = () => (field.style.height = `${field.scrollHeight + 2}px`);
    field.addEventListener("input", fit);
    fit();
    field.focus();
    field.select();
    const end = async (isKept) => {
      if (this.field !== field) return;
      const words = field.value.replace(/\s+/g, " ").trim();
      this.field = null;
      if (field.isConnected) field.replaceWith(make("span", { class: "rev-text" }, isKept && words ? words : row.text));
      if (isKept && words !== row.text) await this.save(row, words);
      else this.tab.load(); // what came while the label was edited
    };
    field.addEventListener("blur", () => end(true));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end(false);
      else if (event.key === "Enter") end(true);
      else return;
      event.preventDefault();
    });
  }

  /** Save `text` as the label of `row`, unless it was changed elsewhere since the page loaded it. */
  async save(row, text) {
    try {
      await request(at("clips", studio.dataset(), row.id), { body: { text, was: row.text } });
    } catch (error) {
      if (error.code === "ConflictError" && error.clip) return this.#ask(error.clip, text);
      await this.tab.load();
      return this.tab.fail(error);
    }
    row.text = text; // edited again before the page is read anew, it is still this page's own label
    this.tab.done("Label saved.");
  }

  #ask(theirs, mine) {
    this.theirs = theirs;
    this.mine = mine;
    this.conflict.querySelector(".rev-mine").textContent = mine;
    this.conflict.querySelector(".rev-theirs").textContent = theirs.text;
    this.conflict.showModal();
  }

  #choose(whose) {
    this.conflict.close();
    if (whose === "mine") this.save(this.theirs, this.mine);
    else this.tab.done("Their label stays.");
  }
}
