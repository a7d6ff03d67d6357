// The Labels dialog: four ways to mend many labels at once. Each shows what would change; each can be undone.

import { Offer, patiently } from "./labels-offer.js";
import { Reader, verdict } from "./labels-models.js";
import { timing } from "./labels-times.js";
import { at, counted, icon, make, request, studio } from "../studio.js";

const TABS = ["numbers", "style", "heard", "suspects", "times"];
const EXAMPLES = {
  words: "order 1296803 → order one two nine six eight zero three",
  digits: "order one two nine, double five → order 129, 55",
};
const NOTHING = {
  words: [
    "check",
    "No digits to write as words",
    "Labels with numbers in digits would be listed here, with the words that replace them.",
  ],
  digits: [
    "check",
    "No number words to write as digits",
    "Labels with numbers in words would be listed here, with the digits that replace them.",
  ],
  style: [
    "check",
    "All are written in one style",
    "Labels in capitals, without the mark that most end with, with odd quotes, dashes or spaces, or with numbers in" +
    " two ways would be listed here.",
  ],
  mended: [
    "info",
    "Nothing here can be fixed by a rule",
    "Open these labels in Review and write them as you want them.",
  ],
  unheard: [
    "microphone",
    "No model has transcribed these clips yet",
    "Choose a model and start. Its transcripts are kept next to the labels; they then appear here, and you decide " +
    "which to use.",
  ],
  same: [
    "check",
    "Nothing to use",
    "Where the model was this sure, its transcript equals the label. Lower the threshold to see more.",
  ],
};

export const start = ({ element }) => new LabelsDialog(element.querySelector(".lab")).begin();

class LabelsDialog {
  /** @type {{ ids: string[] | null, query: string | null, expected: number | null }} */
  selection;
  constructor(dialog) {
    this.dialog = dialog;
    this.tab = "numbers";
    this.selection = { ids: null, query: "", expected: null };
    /** @type {Server.LabelOverview} */
    this.standing = /** @type {any} */ (null);
    this.chosen = {};
    this.$ = (selector) => dialog.querySelector(selector);
    this.offers = Object.fromEntries(
      ["numbers", "style", "heard"].map((name) => [name, new Offer(this.$(`#lab-${name} .lab-offer`), this)]),
    );
    this.readers = {
      heard: new Reader(
        this.$("#lab-heard .lab-reader"),
        "prelabel",
        this,
        (count) => `Transcribe ${counted(count, "clip")}`,
        () => this.show(),
      ),
      suspects: new Reader(
        this.$("#lab-suspects .lab-reader"),
        "suspects",
        this,
        (count) => `Look through ${counted(count, "clip")}`,
        () => this.show(),
      ),
      times: new Reader(
        this.$("#lab-times .lab-reader"),
        "align",
        this,
        (count) => count ? `Time the words of ${counted(count, "clip")}` : "All have word times",
        (status) => this.timesEnded(status),
        () => ({ again: this.$(".lab-again input").checked }),
      ),
    };
  }

  begin() {
    studio.on("open:labels", this.dialog, ({ selection, tab }) => this.open(selection, tab));
    studio.on("dataset", this.dialog, () => Object.values(this.readers).forEach((reader) => reader.leave()));
    this.dialog.addEventListener("click", ({ target }) => target.closest("[data-do=close]") && this.dialog.close());
    this.$(".lab-tabs").addEventListener("click", ({ target }) => target.dataset.tab && this.turn(target.dataset.tab));
    this.$(".lab-tabs").addEventListener("keydown", (event) => this.arrow(event));
    this.dialog.querySelectorAll("[name=lab-convention]").forEach((choice) =>
      choice.addEventListener("change", () => this.numbers(true))
    );
    this.$(".lab-rules").addEventListener("change", () => this.numbers(false));
    const bar = this.$(".lab-sure input");
    bar.addEventListener("input", () => (this.$(".lab-sure output").textContent = `${bar.value} %`));
    bar.addEventListener("change", () => this.heard());
    this.$(".lab-again input").addEventListener("change", () => this.times());
  }

  open(selection = this.selection, tab = this.tab) {
    this.selection = {
      ids: selection.ids ?? null,
      query: selection.ids ? null : (selection.query ?? ""),
      expected: null,
    };
    this.turn(tab);
    if (!this.dialog.open) this.dialog.showModal();
  }

  turn(tab) {
    this.tab = tab;
    this.say("");
    for (const name of TABS) {
      const is = name === tab;
      this.$(`#lab-${name}`).hidden = !is;
      this.$(`#lab-tab-${name}`).setAttribute("aria-selected", String(is));
      this.$(`#lab-tab-${name}`).tabIndex = is ? 0 : -1;
    }
    this.show();
  }

  arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.turn(TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length]);
    this.$(`#lab-tab-${this.tab}`).focus();
  }

  /** Fetch the state, and draw the tab in front. */
  async show() {
    this.fault(null);
    try {
      const answer = request(`labels/${at(studio.dataset())}/standing`, { body: { selection: this.selection } });
      this.standing = await patiently(this.$(".lab-chosen"), "Looking through the labels …", answer);
    } catch (error) {
      return this.fail(error);
    }
    const { clips } = this.standing;
    const which = this.selection.ids
      ? "chosen"
      : this.selection.query
      ? `that match “${this.selection.query}”`
      : "in this dataset";
    if (!clips) {
      return this.$(".lab-chosen").replaceChildren("There are no clips here yet. Record or import some first."),
        this[this.tab]();
    }
    const then = this.tab === "times" ? "Undo takes the times back." : "Nothing is changed before you apply it.";
    this.$(".lab-chosen").textContent = `${counted(clips, "clip")} ${which}. ${then}`;
    return this[this.tab]();
  }

  numbers(isNew = !this.$(".lab-rules").hasChildNodes()) {
    const convention = this.$("[name=lab-convention]:checked").value;
    if (isNew) this.$(".lab-rules").replaceChildren(...this.standing.rules[convention].map((rule) => this.rule(rule)));
    this.$(".lab-example").textContent = EXAMPLES[convention];
    const rules = Object.fromEntries(
      [...this.dialog.querySelectorAll(".lab-rules select")].map((choice) => [choice.name, choice.value]),
    );
    return this.offers.numbers.show({ kind: "numbers", convention, rules }, NOTHING[convention]);
  }

  rule({ name, title, description, choices, default: usual }) {
    const id = `lab-rule-${name}`;
    const options = choices.map((choice) =>
      make("option", { value: choice, selected: choice === usual }, choice === "leave" ? "leave alone" : choice)
    );
    const label = make(
      "label",
      { for: id },
      make("b", {}, title),
      make("span", { class: "st-quiet st-small" }, description),
    );
    return make("div", { class: "lab-rule" }, label, make("select", { class: "st-select", id, name }, ...options));
  }

  async style() {
    const box = this.$(".lab-findings");
    this.offers.style.clear();
    this.$("#lab-style").append(this.offers.style.box); // from where a finding had it
    const model = studio.model();
    try {
      const ask = (body) => request(`labels/${at(studio.dataset())}/style`, { body });
      const answer = ask({ selection: this.selection, model }).catch((error) => {
        if (error.code !== "ModelError") throw error; // a model without a tokenizer here: the rest can still be checked
        return ask({ selection: this.selection });
      });
      const found = await patiently(box, "Looking through the labels …", answer);
      const [picture, title, words] = NOTHING.style;
      const empty = make("div", { class: "st-empty" }, icon(picture), make("h3", {}, title), make("p", {}, words));
      box.replaceChildren(...(found.length ? found.map((finding) => this.finding(finding, model)) : [empty]));
    } catch (error) {
      this.fail(error);
    }
  }

  finding({ kind, title, what, count, examples, mendable }, model) {
    const look = async ({ target }) => {
      this.$(".lab-findings").querySelectorAll(".lab-finding").forEach((other) =>
        other.toggleAttribute("data-held", other.dataset.kind === kind)
      );
      this.offers.style.clear();
      target.closest(".lab-finding").after(this.offers.style.box);
      await this.offers.style.show({ kind: "style", finding: kind, model }, NOTHING.mended);
      this.offers.style.box.scrollIntoView({ block: "nearest" });
    };
    const quoted = examples.map((text) => make("q", {}, text));
    return make(
      "div",
      { class: "lab-finding", "data-kind": kind },
      make("span", { class: "lab-count st-number" }, count.toLocaleString("en")),
      make(
        "div",
        { class: "st-grow" },
        make("b", {}, title),
        make("p", { class: "st-quiet st-small" }, what),
        make(
          "p",
          { class: "lab-examples st-small" },
          ...quoted.flatMap((quote, place) => (place ? [" ", quote] : [quote])),
        ),
      ),
      make(
        "button",
        { type: "button", class: "st-button small", onclick: look, "aria-label": `Mend: ${title}` },
        mendable ? "Mend …" : "Look",
      ),
    );
  }

  async heard() {
    await this.readers.heard.show(this.standing, !this.standing.heard);
    this.$(".lab-sure").hidden = !this.standing.heard;
    const sure = Number(this.$(".lab-sure input").value) / 100;
    return this.offers.heard.show({ kind: "heard", sure }, NOTHING[this.standing.heard ? "same" : "unheard"]);
  }

  async suspects() {
    await this.readers.suspects.show(this.standing, !this.standing.doubted);
    this.$(".lab-verdict").replaceChildren(verdict(this.standing, () => this.dialog.close()));
  }

  times() {
    const { box, todo } = timing(this.standing, this.$(".lab-again input").checked);
    this.$(".lab-timed").replaceChildren(box);
    this.$(".lab-again").hidden = this.standing.timed === this.standing.by_hand;
    return this.readers.times.show({ ...this.standing, readers: this.standing.aligners, clips: todo }, todo > 0);
  }

  /** Times were written: say so with their undo. */
  async timesEnded(status) {
    const [action] = await request(`history/${at(studio.dataset())}?limit=1`).catch(() => []);
    return status === "finished" && action ? this.done(action.what) : this.show();
  }

  /** New labels were written: say so with its undo, and load the list again. */
  async done(what) {
    studio.changed();
    const undo = make(
      "button",
      { type: "button", class: "st-button small", onclick: () => this.undo(what) },
      icon("undo"),
      "Undo",
    );
    this.say(`${what}.`, undo);
    await this.show();
    undo.focus();
  }

  async undo(what) {
    try {
      const [action] = await request(`history/${at(studio.dataset())}?limit=1`);
      await request(`undo/${at(studio.dataset())}`, { body: action?.what === what ? { id: action.id } : {} });
      studio.changed();
      this.say(`Undone: ${what}.`);
      await this.show();
    } catch (error) {
      this.fail(error);
    }
  }

  say(text, ...more) {
    const box = this.$(".lab-done");
    box.hidden = !text;
    box.replaceChildren(...(text ? [icon("check"), make("p", { class: "st-grow" }, text), ...more] : []));
  }

  fail(error) {
    this.fault(error.message);
    if (error.code === "ConflictError") this[this.tab]();
  }

  fault(text) {
    const box = this.$(".lab-fault");
    box.hidden = !text;
    box.replaceChildren(...(text ? [icon("warning"), make("p", { class: "st-grow" }, text)] : []));
  }
}
