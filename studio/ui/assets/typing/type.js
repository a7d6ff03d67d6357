// The Record tab of a typing dataset: a prompt is typed as it comes, with nothing corrected, and saved as a pair.

import { at, counted, isShown, make, request, studio } from "../studio.js";

const KEEPS_TIMES = "studio.keyTimes"; // in this browser: the person agreed that key times are kept

export const start = ({ element }) => new TypeTab(element.querySelector(".typ")).begin();

class TypeTab {
  dataset = "";
  /** @type {{ text: string, pair: any }[]} */
  cards = [];
  place = 0;
  backspaces = 0;
  /** @type {number[]} */
  times = []; // ms of the page's clock, of each key of this take
  isSaving = false;

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.field = this.$(".typ-field");
  }

  begin() {
    const actions = {
      save: () => this.save(),
      skip: () => this.goTo(this.place + 1),
      again: () => this.clear(),
      own: () => this.askForOwn(),
    };
    this.root.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.do) actions[button.dataset.do]();
      if (button?.dataset.undo) this.undo(button.dataset.undo);
    });
    this.$(".typ-own").addEventListener("submit", (event) => this.useOwn(event));
    this.field.addEventListener("beforeinput", (event) => this.before(event));
    this.field.addEventListener("input", () => this.typed());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.save();
    });
    const times = this.$(".typ-times");
    times.checked = localStorage.getItem(KEEPS_TIMES) === "yes";
    times.addEventListener("change", () => localStorage.setItem(KEEPS_TIMES, times.checked ? "yes" : "no"));
    for (const news of ["kind", "dataset", "changed"]) studio.on(news, this.root, () => this.load());
    this.load();
  }

  async load() {
    if (studio.kind() !== "typing") return;
    const name = studio.dataset();
    const isNew = name !== this.dataset;
    try {
      const answer = await request(`typing/${at(name)}/cards`);
      if (name !== studio.dataset()) return; // another was chosen meanwhile
      this.dataset = name;
      this.show(answer);
      if (isNew || !this.cards[this.place]) this.goTo(Math.max(0, this.cards.findIndex(({ pair }) => !pair)));
    } catch (error) {
      this.fail(error.message);
    }
  }

  show({ cards, latest }) {
    this.cards = cards;
    const done = cards.filter(({ pair }) => pair).length;
    this.$(".typ-done").textContent = `${done} of ${counted(cards.length, "prompt")} typed`;
    this.$(".typ-bar").max = cards.length;
    this.$(".typ-bar").value = done;
    this.$(".typ-latest").replaceChildren(...latest.map(line));
  }

  /** To the prompt at `place`, past the end from the start again. */
  goTo(place) {
    this.place = this.cards.length ? place % this.cards.length : 0;
    const card = this.cards[this.place];
    this.$(".typ-step").textContent = `Prompt ${this.place + 1} of ${this.cards.length}`;
    this.$(".typ-prompt").textContent = card?.text ?? "";
    this.clear();
  }

  clear() {
    this.field.value = "";
    this.backspaces = 0;
    this.times = [];
    this.fail("");
    this.tell();
    if (isShown(this.field)) this.field.focus({ preventScroll: true });
  }

  /** What is about to be typed: a correction is counted, and applied only where the person wants it to be. */
  before(event) {
    const kind = event.inputType;
    const isDeleting = kind.startsWith("delete");
    if (isDeleting) this.backspaces += 1;
    const isForeign = kind === "insertFromPaste" || kind === "insertFromDrop";
    const isCorrection = isDeleting || kind === "insertReplacementText" || kind.startsWith("history");
    if (isForeign || (isCorrection && this.$(".typ-raw").checked)) event.preventDefault();
    if (isForeign) this.fail("Type the prompt: pasted text has no typos of yours.");
    this.tell();
  }

  typed() {
    this.times.push(performance.now());
    this.tell();
  }

  /** Seconds from the first key to the last. */
  get seconds() {
    return this.times.length > 1 ? (this.times[this.times.length - 1] - this.times[0]) / 1000 : 0;
  }

  tell() {
    const pace = this.seconds > 0 ? Math.round((60 * this.field.value.length) / this.seconds) : 0;
    this.$(".typ-pace").textContent = `${pace} characters a minute`;
    this.$(".typ-back").textContent = `Backspace: ${this.backspaces}`;
  }

  async save() {
    const card = this.cards[this.place];
    if (this.isSaving || !card) return;
    if (!this.field.value.trim()) return this.fail("Type the prompt first.");
    this.isSaving = true;
    const first = this.times[0] ?? 0;
    const times = this.$(".typ-times").checked ? this.times.map((time) => Math.round(time - first) / 1000) : null;
    const body = {
      typed: this.field.value,
      text: card.text,
      prompt: card.text,
      seconds: this.seconds,
      backspaces: this.backspaces,
      key_times: times,
    };
    try {
      card.pair = await request(`typing/${at(this.dataset)}/pairs`, { body });
      const open = this.cards.findIndex(({ pair }, place) => !pair && place > this.place);
      this.goTo(open < 0 ? this.place + 1 : open);
      studio.changed();
    } catch (error) {
      this.fail(error.message);
    } finally {
      this.isSaving = false;
    }
  }

  async undo(id) {
    try {
      await request(at("trash", this.dataset), { body: { ids: [id] } });
      studio.changed();
    } catch (error) {
      this.fail(error.message);
    }
  }

  askForOwn() {
    const form = this.$(".typ-own");
    form.hidden = !form.hidden;
    this.$("[data-do=own]").setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) this.$("#typ-own-text").focus();
  }

  async useOwn(event) {
    event.preventDefault();
    try {
      this.show(await request(`typing/${at(this.dataset)}/own`, { body: { text: this.$("#typ-own-text").value } }));
      this.askForOwn();
      this.goTo(Math.max(0, this.cards.findIndex(({ pair }) => !pair)));
    } catch (error) {
      this.fail(error.message);
    }
  }

  fail(words) {
    const box = this.$(".typ-fault");
    box.hidden = !words;
    box.textContent = words;
  }
}

function line(pair) {
  return make(
    "li",
    {},
    make("span", { class: "typ-was" }, pair.typed),
    make("span", { class: "st-small st-quiet" }, pair.text),
    make(
      "button",
      { type: "button", class: "st-button small plain", "data-undo": pair.id, "aria-label": `Delete “${pair.typed}”` },
      "Delete",
    ),
  );
}
