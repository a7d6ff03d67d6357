// What can come next in the filter, offered while a person types: fields with their units, then signs, then values.

import { make } from "../studio.js";

const MOST = 8;
const SIGNS = {
  number: ["<", "<=", ">", ">=", "="],
  choice: ["=", "!="],
  text: ["~", "=", "!="],
  date: [">", "<", "="],
};

export class Offers {
  /** Offers are in `list`, below `field`; `changed()` after one was taken. */
  constructor(field, list, changed) {
    this.field = field;
    this.list = list;
    this.changed = changed;
    this.fields = [];
    this.at = -1;
    this.items = [];
    field.addEventListener("input", () => this.#offer());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const place = [...list.children].indexOf(event.target.closest("li"));
      if (place >= 0) this.#take(place);
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** True where the key was used here. */
  pressed({ key }) {
    if (key === "ArrowDown" && !this.isOpen) return this.#offer(), this.isOpen;
    if (!this.isOpen) return false;
    if (key === "ArrowDown" || key === "ArrowUp") return this.#move(key === "ArrowDown" ? 1 : -1), true;
    if ((key === "Enter" || key === "Tab") && this.at >= 0) return this.#take(this.at), true;
    if (key === "Escape" || key === "Enter") return this.close(), key === "Escape";
    return false;
  }

  close() {
    this.#show([]);
  }

  #offer() {
    const typed = this.field.value.slice(0, this.field.selectionStart);
    this.#show(next(typed, this.fields).slice(0, MOST));
  }

  #show(items) {
    Object.assign(this, { items, at: -1 });
    this.list.hidden = !items.length;
    this.field.setAttribute("aria-expanded", String(this.isOpen));
    this.field.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(
      ...items.map(({ text, unit, what }, number) =>
        make(
          "li",
          { role: "option", id: `rev-offer-${number}`, "aria-selected": "false" },
          make("b", {}, text),
          unit ? make("span", { class: "rev-unit" }, unit) : null,
          what ? make("span", { class: "rev-what" }, what) : null,
        )
      ),
    );
  }

  #move(by) {
    this.at = (this.at + by + this.items.length) % this.items.length;
    [...this.list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === this.at)));
    this.field.setAttribute("aria-activedescendant", `rev-offer-${this.at}`);
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  #take(place) {
    const { text, replaces } = this.items[place];
    const end = this.field.selectionStart;
    this.field.setRangeText(`${text} `, end - replaces, end, "end");
    this.close();
    this.#offer();
    this.changed();
  }
}

/** What can follow `typed`: `[{ text, unit, what, replaces }]`, where `replaces` counts the letters it replaces. */
export function next(typed, fields) {
  const [, name, begun] =
    /(\w+) *(?:<=|>=|!=|[<>=~]) *([\w-]*)$|(?:^|[\s(])(has) +(\w*)$/.exec(typed)?.filter((part) =>
      part !== undefined
    ) ?? [];
  const known = (name) => fields.find((field) => field.name === name);
  if (name) {
    return (known(name)?.values ?? []).filter((value) => value.startsWith(begun) && value !== begun).map((text) => ({
      text: quoted(text),
      replaces: begun.length,
    }));
  }
  const [, asked] = /(?:^|[\s(])(\w+) +$/.exec(typed) ?? [];
  if (known(asked)?.kind in SIGNS) {
    return SIGNS[known(asked).kind].map((text) => ({ text, unit: known(asked).unit, replaces: 0 }));
  }
  const [word] = /[a-z_]+$/i.exec(typed) ?? [];
  if (!word) return typed.trim() ? [] : fields.map(offered(0));
  return fields.filter((field) => field.name.startsWith(word.toLowerCase())).map(offered(word.length));
}

const quoted = (value) => (/^[\w-]+$/.test(value) ? value : `"${value.replaceAll('"', "")}"`);

const offered = (replaces) => ({ name, unit, what }) => ({ text: name, unit, what, replaces });
