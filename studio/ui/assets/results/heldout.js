// The held-out clips of a run: four answers, the figures, where it is wrong, and every clip against its reference.

import { Clips } from "./heldout-clips.js";
import { Curve } from "./heldout-curve.js";
import { scatter } from "./heldout-scatter.js";
import { conditions, confusions, sureties, words } from "./heldout-words.js";
import { fold, isNarrow } from "../fold.js";
import { silence } from "../sound/player.js";
import { at, counted, icon, make, request, studio } from "../studio.js";
import { showTab } from "../tabs.js";

const PICTURES = { good: "check", look: "info", bad: "warning" };
const WAITING =
  "When a run has finished, the clips that it never trained on appear here: what was said, what was written before " +
  "and after, and every error marked.";
const arrow = () => make("span", { class: "li-arrow", "aria-label": "to" }, "→");
const button = (name, picture, press) =>
  make("button", { type: "button", class: "st-button small", onclick: press }, icon(picture), name);

function tile({ name, before, after, is_better: isBetter }) {
  return make(
    "div",
    { class: "st-tile" },
    make(
      "b",
      {},
      make("span", { class: "li-was" }, before),
      arrow(),
      make("span", { class: isBetter ? "li-better" : "" }, after),
    ),
    make("span", {}, name),
  );
}

/** Shows the verdict on a run in `verdicts`, and what it rests on in `element`. */
export class HeldOut {
  /** @type {Server.TestableRun} */
  #run;
  #normaliser = ""; // empty: the run's own
  #asked = 0; // the latest question: answers to earlier ones are dropped

  constructor(verdicts, element) {
    this.verdicts = verdicts;
    this.element = element;
    this.clips = new Clips(() => this.#mark());
    this.curve = new Curve();
    studio.on("back", element, () => this.show(this.#run));
  }

  /** Show `run`; without one, what will appear here. */
  async show(run) {
    this.#run = run;
    const asked = (this.#asked += 1);
    this.verdicts.hidden = !run;
    if (!run) return this.#say("Held-out clips", WAITING);
    try {
      const found = await request(
        `listen/heldout/${at(run.name)}?${new URLSearchParams(/** @type {Record<string, string>} */ (this.#by))}`,
      );
      if (asked === this.#asked) await this.#draw(found);
    } catch (error) {
      const [title, text] = error.code === "Gone" ? [error.what, error.remedy] : ["No held-out results", error.message];
      if (asked === this.#asked) this.#say(title, text);
    }
  }

  get #by() {
    return this.#normaliser ? { normaliser: this.#normaliser } : {};
  }

  #say(title, text) {
    silence();
    this.curve.leave();
    this.verdicts.replaceChildren();
    this.element.replaceChildren(
      make("div", { class: "st-empty" }, icon("wave"), make("h3", {}, title), make("p", {}, text)),
    );
  }

  #draw(/** @type {Server.HeldOut} */ found) {
    silence();
    const about = (clips, what) => clips.length && `${counted(clips.length, "clip")} ${what}: ${clips.join("; ")}.`;
    const notes = [
      about(found.skipped, "could not be scored"),
      about(found.unwritable, "with a label that the model cannot write, wrong before and after"),
    ].filter(Boolean);
    this.verdicts.replaceChildren(
      make("h2", { class: "st-hidden" }, "The run’s answers"),
      this.#answers(found),
      make("div", { class: "st-tiles" }, ...found.tiles.map(tile)),
      ...notes.map((text) => make("p", { class: "st-message look" }, icon("warning"), text)),
      this.#head(found),
    );
    const isWide = !isNarrow();
    this.element.replaceChildren(
      fold("wrong", "Where it is wrong", isWide, this.#where(found)),
      fold(
        "more",
        "Would more clips help? Does it know when it is wrong?",
        isWide,
        make("div", { class: "li-where" }, this.curve.element, sureties(found.sureties)),
      ),
      fold("clips", `Clips: ${found.after.clips} that the run never trained on`, isWide, this.clips.element),
    );
    this.curve.show(this.#run, found.normaliser);
    return this.clips.show(this.#run, found.normaliser);
  }

  #head({ after, unit, normaliser, normalisers, missed, convention }) {
    const options = Object.entries(normalisers).map(([name, meaning]) =>
      make("option", { value: name, selected: name === normaliser }, `${name}: ${meaning}`)
    );
    const by = make("select", {
      class: "st-select",
      "aria-label": "Texts compared",
      onchange: ({ target }) => this.#compareBy(target.value),
    }, ...options);
    const { name, dataset } = this.#run;
    const next = button("Record these next", "microphone", () => this.#recordNext(convention));
    next.disabled = !missed || dataset !== studio.dataset();
    next.title = !missed
      ? "No word was missed."
      : next.disabled
      ? "Choose this run's dataset in the sidebar first."
      : "Choose sentences with the words that were missed";
    const address = new URL(
      `studio/listen/report/${at(name)}?${new URLSearchParams({ normaliser })}`,
      document.baseURI,
    );
    const save = make(
      "a",
      { class: "st-button small", href: address.href, download: `${name}.html` },
      icon("download"),
      "Save the report",
    );
    const compare = button("Compare runs", "columns", () => studio.open("compare", { run: name, normaliser }));
    return make(
      "header",
      { class: "li-results" },
      make(
        "div",
        { class: "st-grow" },
        make("h2", { class: "li-title" }, "Held-out clips"),
        make(
          "p",
          { class: "st-quiet" },
          `${counted(after.clips, "clip")} with ${
            counted(unit === "character" ? after.characters : after.words, unit)
          } that the run never trained on.`,
        ),
      ),
      make("label", { class: "li-by" }, "Texts compared", by),
      make("div", { class: "st-row" }, next, compare, save),
    );
  }

  #answers({ answers }) {
    const cards = answers.map(({ question, answer, detail, state }) =>
      make(
        "section",
        { class: state },
        make("h3", {}, question),
        make("b", {}, PICTURES[state] ? icon(PICTURES[state]) : "", answer),
        make("p", {}, detail),
      )
    );
    return make("div", { class: "li-answers" }, ...cards);
  }

  #where(found) {
    const pick = (filter) => this.clips.filter(filter);
    return make(
      "div",
      { class: "li-where li-wrong" },
      scatter(found.dots, pick),
      words(found.words, pick),
      confusions(found.confusions, pick),
      conditions(found.groups),
    );
  }

  /** What the clips are filtered by stays marked where it was picked. */
  #mark() {
    for (const part of this.element.querySelectorAll("[data-pick]")) {
      part.setAttribute("aria-pressed", `${part.dataset.pick === this.clips.picked}`);
    }
  }

  #compareBy(normaliser) {
    this.#normaliser = normaliser;
    this.show(this.#run);
  }

  #recordNext(convention) {
    studio.open("needs", {
      convention,
      run: this.#run.name,
      chosen: () => {
        studio.dealt();
        showTab("Record");
      },
    });
  }
}
