// Right or wrong: one key each, what became of it, undo, and a tally of this visit.

import { icon, isShown, isTyping, make } from "../studio.js";

const KEYS = { r: "right", w: "wrong", k: "keep", u: "undo" };
const NEVER_MEASURES = "A clip kept here trains the next run; it never enters the test split.";
const RIGHT = "Right. You can keep it as a clip too.";
const WRONG = "Write what you really said; Enter keeps it as a clip.";

const plain = (text) => text.trim().split(/\s+/).join(" ");

export class Verdicts {
  /** `onVerdict(name)`: “right”, “wrong”, “keep” or “undo” was pressed. */
  constructor(root, onVerdict) {
    this.root = root;
    this.onVerdict = onVerdict;
    this.$ = (selector) => root.querySelector(selector);
    this.$(".li-right").onclick = () => onVerdict("right");
    this.$(".li-wrong").onclick = () => onVerdict("wrong");
    document.addEventListener("keydown", (event) => this.#key(event));
    this.$(".li-said").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.leave();
    });
  }

  /** From the field back to the button to talk: the keys of the tab work again. */
  leave() {
    this.root.querySelector(".li-talk > .li-big:not([hidden])").focus();
  }

  #key(event) {
    const name = KEYS[event.key.toLowerCase()];
    const isOurs = name && !isTyping(event) && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!isOurs || !isShown(this.$(".li-keep")) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (name !== "keep" || this.offersToKeep) this.onVerdict(name);
  }

  /** What became of `entry`, and what can be done with it. */
  show({ verdict, kept, trouble }) {
    this.offersToKeep = verdict === "right" && !kept;
    this.$(".li-said").readOnly = this.$(".li-save").disabled = kept !== null;
    this.$(".li-right").disabled = verdict !== null || kept !== null;
    this.$(".li-wrong").disabled = kept !== null;
    const button = (words, picture, name, key) =>
      make(
        "button",
        { type: "button", class: "st-button small plain", onclick: () => this.onVerdict(name) },
        icon(picture),
        words,
        make("kbd", { class: "st-kbd", "aria-hidden": "true" }, key),
      );
    const undo = verdict || kept ? button("Undo", "undo", "undo", "U") : null;
    const keep = this.offersToKeep ? button("Keep this clip", "plus", "keep", "K") : null;
    const said = kept ? kept.said : verdict === "right" ? RIGHT : verdict === "wrong" ? WRONG : NEVER_MEASURES;
    const parts = trouble
      ? [icon("warning"), trouble.message]
      : [verdict === "right" || kept ? icon("check") : null, said];
    this.$(".li-kept").classList.toggle("bad", trouble !== null);
    this.$(".li-kept").classList.toggle("good", (kept !== null || verdict === "right") && trouble === null);
    this.$(".li-kept").replaceChildren(...[...parts, keep, undo].filter(Boolean));
  }

  /** The tally: how many were said and judged, and how often each model was right. */
  count(entries) {
    const judged = entries.filter(({ verdict }) => verdict);
    const right = new Map();
    for (const { heard, truth } of judged) {
      const isRight = (reading) => reading !== null && truth !== null && plain(reading.text) === plain(truth);
      for (const { run, plain: without, biased } of heard.columns) {
        const times = right.get(run || heard.model) ?? { without: 0, biased: null };
        right.set(run || heard.model, {
          without: times.without + isRight(without),
          biased: biased || times.biased !== null ? times.biased + isRight(biased) : null,
        });
      }
    }
    const each = [...right].map(([name, { without, biased }]) =>
      `${name} ${without}${biased === null ? "" : ` (${biased} with terms)`}`
    );
    this.$(".li-tally").textContent = `Said ${entries.length}` +
      (judged.length ? ` · judged ${judged.length} · right: ${each.join(", ")}` : "");
  }
}
