// Every held-out clip against its reference: filtered, sorted, by pages; each can be heard.

import { diffed } from "../diff.js";
import { nameOf } from "./heldout-words.js";
import { play, silence } from "../sound/player.js";
import { at, counted, icon, make, request, seconds } from "../studio.js";
import { percent, sureWord } from "../sureness.js";

const SHOWS = { all: "All", wrong: "Wrong", worse: "Worse", better: "Better" };
const COLUMNS = [
  { name: "reference", title: "Reference" },
  { name: "before", title: "Before" },
  { name: "after", title: "After" },
  { name: "change", title: "Errors", isFigure: true },
  { name: "confidence", title: "Confidence", isFigure: true },
  { name: "surety", title: "Least sure", isFigure: true },
  { name: "seconds", title: "Length", isFigure: true },
];
const TYPING = 250; // milliseconds without a key after which the filter is asked for
const arrow = () => make("span", { class: "li-arrow", "aria-label": "to" }, "→");

/** What the server is asked for: all of what was picked but its words for people. */
const queryOf = (/** @type {Record<string, any>} */ { about: _, ...filter }) => filter;

function leastSure(chances) {
  const known = chances.filter((chance) => chance !== null);
  return percent(known.length ? Math.min(...known) : null);
}

/** Writes words one after the other, right ones as faint as the model was unsure of them; wrong ones only say so. */
function writer(chances) {
  const left = [...chances];
  return (part, wrong) => {
    const words = new DocumentFragment();
    part.split(" ").forEach((word, place) => words.append(place ? " " : "", one(word, left.shift() ?? null, wrong)));
    return words;
  };
}

function one(word, chance, isWrong) {
  if (chance === null) return word;
  return isWrong ? make("span", { title: `${percent(chance)} sure` }, word) : sureWord(word, chance);
}

export class Clips {
  /** @type {Server.TestableRun} */
  #run;
  #normaliser = "";
  /** @type {Record<string, any>} */
  #picked = {}; // a word, a confusion or a dot: { word | said, written | dot, about }
  #asked = 0;
  #typing = 0;

  /** `onFilter()` is called when another filter holds. */
  constructor(onFilter) {
    this.onFilter = onFilter;
    this.#rest();
    this.text = make("input", {
      type: "search",
      class: "st-field",
      placeholder: "Find words",
      "aria-label": "Find words in held-out clips",
      oninput: () => this.#type(),
    });
    const choices = Object.entries(SHOWS).map(([name, title]) =>
      make("label", {}, make("input", { type: "radio", name: "li-show", value: name, checked: name === "all" }), title)
    );
    /** @type {any} */
    this.choice = make(
      "fieldset",
      { class: "st-choice", onchange: ({ target }) => this.#ask({ show: target.value }) },
      make("legend", { class: "st-hidden" }, "Which clips"),
      ...choices,
    );
    this.pill = make("button", {
      type: "button",
      hidden: true,
      class: "st-button small",
      onclick: () => this.filter({}),
    });
    this.found = make("span", { class: "st-quiet st-small st-number", role: "status" });
    /** @type {any} */
    this.table = make("div", {});
    this.element = make(
      "div",
      { class: "li-clips" },
      make("div", { class: "li-filter" }, this.choice, this.text, this.pill, this.found),
      this.table,
    );
  }

  #rest() {
    this.view = { show: "all", text: "", sort: "-after", page: 0 };
    this.#picked = {};
  }

  /** The name of what was picked in another table, as `nameOf` gives it. */
  get picked() {
    return this.#picked.about ? nameOf(queryOf(this.#picked)) : "";
  }

  /** The clips of `run`, its texts compared by `normaliser`. */
  show(run, normaliser) {
    if (run.name !== this.#run?.name) {
      this.#rest();
      this.text.value = "";
      this.choice.querySelector("[value=all]").checked = true;
    }
    this.#picked = {}; // by another normaliser the words are others
    [this.#run, this.#normaliser] = [run, normaliser];
    return this.#ask({});
  }

  /** Only clips with what was picked; picked again, all of them. */
  async filter(picked) {
    this.#picked = nameOf(queryOf(picked)) === this.picked ? {} : picked;
    await this.#ask({});
    if (!this.#picked.about) return;
    /** @type {HTMLDetailsElement} */ (this.element.closest("details")).open = true;
    this.element.scrollIntoView({ block: "nearest" });
  }

  #type() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#ask({ text: this.text.value.trim() }), TYPING);
  }

  async #ask(change) {
    const asked = (this.#asked += 1);
    this.view = { ...this.view, page: 0, ...change };
    const query = new URLSearchParams({ normaliser: this.#normaliser, ...this.view, ...queryOf(this.#picked) });
    try {
      const found = await request(`listen/heldout/${at(this.#run.name)}/clips?${query}`);
      if (asked === this.#asked) this.#draw(found);
    } catch (error) {
      if (asked === this.#asked) {
        this.table.replaceChildren(make("p", { class: "st-message bad" }, icon("warning"), error.message));
      }
    }
  }

  #draw(/** @type {Server.ClipPage} */ found) {
    silence();
    const { about } = this.#picked;
    this.pill.hidden = !about;
    this.pill.replaceChildren(icon("close"), make("span", { class: "st-hidden" }, "No longer only "), about ?? "");
    this.found.textContent = counted(found.found, "clip");
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.sort;
    const table = make(
      "table",
      { class: "st-table li-table" },
      this.#head(),
      make("tbody", {}, ...found.rows.map((row) => this.#row(row))),
    );
    const rows = found.rows.length
      ? table
      : make("p", { class: "st-quiet li-nothing" }, "No held-out clip is like that.");
    this.table.replaceChildren(
      make("div", { class: "li-scroll", tabindex: "0", role: "region", "aria-label": "Clips, before and after" }, rows),
      this.#pager(found),
    );
    if (focused) this.table.querySelector(`[data-sort=${focused}]`)?.focus();
    this.onFilter();
  }

  #head() {
    const column = this.view.sort.replace(/^-/, "");
    const heads = COLUMNS.map(({ name, title, isFigure }) => {
      const isSorted = name === column;
      const down = this.view.sort.startsWith("-");
      const next = isSorted
        ? (down ? name : `-${name}`)
        : ["reference", "confidence", "surety"].includes(name)
        ? name
        : `-${name}`;
      const press = make(
        "button",
        { type: "button", "data-sort": name, onclick: () => this.#ask({ sort: next }) },
        title,
        isSorted ? icon(down ? "down" : "up") : "",
      );
      return make("th", {
        scope: "col",
        class: isFigure ? "figure" : null,
        "aria-sort": isSorted ? (down ? "descending" : "ascending") : null,
      }, press);
    });
    return make(
      "thead",
      {},
      make("tr", {}, make("th", { scope: "col" }, make("span", { class: "st-hidden" }, "Play")), ...heads),
    );
  }

  #row(/** @type {Server.ClipResult} */ { id, reference, seconds: length, before, after }) {
    const cell = (name, ...content) => make("td", { "data-name": name }, make("div", {}, ...content));
    const figure = (name, ...content) =>
      make("td", { class: "figure", "data-name": name }, make("div", {}, ...content));
    const errors = before ? [`${before.errors}`, arrow(), `${after.errors}`] : [`${after.errors}`];
    return make(
      "tr",
      {},
      make("td", { class: "li-hear" }, this.#hear(id, reference)),
      cell("Reference", reference),
      cell("Before", before ? diffed(before.edits, "errors", writer(before.chances)) : "–"),
      cell("After", diffed(after.edits, "errors", writer(after.chances))),
      figure("Errors", ...errors),
      figure("Confidence", percent(after.confidence)),
      figure("Least sure", leastSure(after.chances)),
      figure("Length", seconds(length)),
    );
  }

  #hear(id, reference) {
    const { dataset } = this.#run;
    const button = make("button", {
      type: "button",
      class: "st-button small square plain",
      "aria-label": `Play “${reference}”`,
    }, icon("play"));
    button.disabled = !dataset; // its clips lie outside recordings/
    button.onclick = async () => {
      const trouble = await play(button, `studio/${at("clips", dataset, id)}`).catch((error) => error);
      if (trouble) button.replaceWith(make("span", { class: "li-lost", role: "alert" }, icon("warning"), trouble.what));
    };
    return button;
  }

  #pager({ page, pages }) {
    if (pages < 2) return "";
    const go = (name, step, label) => {
      const button = make(
        "button",
        { type: "button", class: "st-button small square", "aria-label": label },
        icon(name),
      );
      button.disabled = page + step < 0 || page + step >= pages;
      button.onclick = () => this.#ask({ page: page + step });
      return button;
    };
    return make(
      "nav",
      { class: "st-row li-pager", "aria-label": "Pages" },
      go("back", -1, "Previous page"),
      make("span", { class: "st-number" }, `${page + 1} of ${pages}`),
      go("next", 1, "Next page"),
    );
  }
}
