// The filter field of the Review tab: an expression as a person types it, quick chips, and the error under the field.

import { icon, make } from "../studio.js";
import { LATEST } from "./review-columns.js";
import { Offers } from "./review-offers.js";

const PAUSE = 250; // ms after the last key before a filter is tried
const LONGER = 800; // ms where more is offered: “wer” is likelier the begin of a field than a word
const PATIENCE = 900; // ms more before its error is shown: the person may still be typing
export const CHIPS = [
  { title: "All", query: "" },
  { title: "Needs a look", query: "quality != fine" },
  { title: "Suspect", query: "suspicion > 0.5", sort: "-suspicion" },
  { title: "Train", query: "split = train" },
  { title: "Validation", query: "split = validation" },
  { title: "Test", query: "split = test" },
  { title: "Trash", query: "", trash: true },
];

export class Filter {
  /** `ask({ query, trash, sort })` shows other clips; it answers with an error where the query cannot be read. */
  constructor(root, ask) {
    this.ask = ask;
    this.waiting = 0;
    this.telling = 0;
    this.field = root.querySelector("#rev-query");
    this.wrong = root.querySelector(".rev-wrong");
    this.clearer = root.querySelector(".rev-clear");
    this.chips = root.querySelector(".rev-chips");
    this.offers = new Offers(this.field, root.querySelector(".rev-offers"), () => this.#typed());
    this.chips.append(
      ...CHIPS.map((chip, number) =>
        make(
          "button",
          { type: "button", class: "rev-chip", "data-chip": String(number), "aria-pressed": "false" },
          chip.title,
        )
      ),
    );
    this.chips.addEventListener("click", ({ target }) => this.#chip(target.closest("[data-chip]")));
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => this.#pressed(event));
    this.field.addEventListener("blur", () => this.#settle());
  }

  /** The fields that can be asked for: `[{ name, unit, what, values }]`. */
  set fields(fields) {
    this.offers.fields = fields;
  }

  /** Show what is asked for now. */
  show({ query, trash, sort }) {
    if (document.activeElement !== this.field) this.field.value = query;
    this.clearer.hidden = !this.field.value;
    this.sort = sort;
    this.#tell(null);
    const on = CHIPS.findIndex((chip) =>
      chip.query === query && !!chip.trash === trash && (!chip.sort || chip.sort === sort)
    );
    [...this.chips.children].forEach((button, number) => button.setAttribute("aria-pressed", String(number === on)));
  }

  focus() {
    this.field.focus();
    this.field.select();
  }

  clear() {
    this.#use({ query: "", trash: false });
  }

  /** Ask for `term` too, in the place of what was asked of the same field before. */
  add(term) {
    this.#use({ query: joined(this.field.value.trim(), term), trash: false });
  }

  #use(view) {
    this.field.value = view.query;
    this.#send(view, true);
  }

  #chip(button) {
    if (!button) return;
    const { query, trash = false, sort } = CHIPS[button.dataset.chip];
    const isLeft = !sort && CHIPS.some((chip) => chip.sort && chip.sort === this.sort); // its order goes with its chip
    this.#use({ query, trash, ...(sort ? { sort } : isLeft ? { sort: LATEST } : {}) });
  }

  #typed() {
    clearTimeout(this.waiting);
    this.clearer.hidden = !this.field.value;
    this.waiting = setTimeout(
      () => this.#send({ query: this.field.value.trim() }, false),
      this.offers.isOpen ? LONGER : PAUSE,
    );
  }

  #settle() {
    this.offers.close();
    if (this.fault) this.#tell(this.fault);
  }

  #pressed(event) {
    if (this.offers.pressed(event)) return event.preventDefault();
    if (event.key === "Enter") {
      clearTimeout(this.waiting);
      this.#send({ query: this.field.value.trim() }, true);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.field.blur();
    }
  }

  /** An error is shown at once where the person is done typing, and after a while where not. */
  async #send(view, isDone) {
    clearTimeout(this.telling);
    this.fault = await this.ask(view);
    if (!this.fault) return this.#tell(null);
    if (isDone || document.activeElement !== this.field) return this.#tell(this.fault);
    this.telling = setTimeout(() => this.fault && this.#tell(this.fault), PATIENCE);
  }

  #tell(fault) {
    clearTimeout(this.telling);
    this.fault = fault;
    this.field.setAttribute("aria-invalid", String(!!fault));
    const words = fault ? [icon("warning"), make("p", {}, make("b", {}, fault.what), ` ${fault.remedy}`)] : [];
    this.wrong.replaceChildren(...words);
  }
}

/** `query` and `term`: a range of one field takes the place of the range that was there. */
export function joined(query, term) {
  const [, name] = /^([a-z]\w*) *(?:[<>=~]|!=)/.exec(term) ?? [];
  const part = name ? new RegExp(`\\b${name} *(?:[<>]=?|!=|=) *(?:"[^"]*"|[^\\s()]+)`, "g") : null;
  const isPlain = !/[()]|\b(or|not)\b/.test(query);
  const rest = part && isPlain
    ? query.split(/ +and +/).map((piece) => piece.replace(part, "").trim()).filter(Boolean).join(" and ")
    : query;
  if (!rest) return term;
  return isPlain ? `${rest} and ${term}` : `(${rest}) and ${term}`;
}
