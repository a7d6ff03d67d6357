// Right or wrong: one key each, what became of it, undo, and a tally of this visit.

import { icon, isShown, isTyping, make } from "./studio.js";

const KEYS = { r: "right", w: "wrong", k: "keep", u: "undo" };
const NEVER_MEASURES = "A clip kept here trains the next run; it never enters the test split.";
const RIGHT = "Right. It may become a clip too.";
const WRONG = "Write what you really said; Enter keeps it as a clip.";

const plain = (text) => text.trim().split(/\s+/).join(" ");

/** Every text of an utterance with the name of who wrote it. */
function texts({ model, columns }) {
  return columns.flatMap(({ run, plain: { text }, biased }) => {
    const name = run || model;
    return biased ? [[name, text], [`${name} with terms`, biased.text]] : [[name, text]];
  });
}

export class Verdicts {
  /** `onVerdict(name)`: “right”, “wrong”, “keep” or “undo” was pressed. */
  constructor(root, onVerdict) {
    Object.assign(this, { root, onVerdict, $: (selector) => root.querySelector(selector) });
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
      make("button", { type: "button", class: "st-button small plain", onclick: () => this.onVerdict(name) }, icon(picture), words, make("kbd", { class: "st-kbd", "aria-hidden": "true" }, key));
    const undo = verdict || kept ? button("Undo", "undo", "undo", "U") : null;
    const keep = this.offersToKeep ? button("Keep this clip", "plus", "keep", "K") : null;
    const said = kept ? kept.said : verdict === "right" ? RIGHT : verdict === "wrong" ? WRONG : NEVER_MEASURES;
    const parts = trouble ? [icon("warning"), trouble.message] : [verdict === "right" || kept ? icon("check") : null, said];
    this.$(".li-kept").classList.toggle("bad", trouble !== null);
    this.$(".li-kept").classList.toggle("good", (kept !== null || verdict === "right") && trouble === null);
    this.$(".li-kept").replaceChildren(...[...parts, keep, undo].filter(Boolean));
  }

  /** The tally: how many were said and judged, and how often each model was right. */
  count(entries) {
    const judged = entries.filter(({ verdict }) => verdict);
    const right = new Map();
    for (const { heard, truth } of judged) {
      for (const [name, text] of texts(heard)) right.set(name, (right.get(name) ?? 0) + (truth !== null && plain(text) === plain(truth)));
    }
    const each = [...right].map(([name, times]) => `${name} ${times}`);
    this.$(".li-tally").textContent = `Said ${entries.length}` + (judged.length ? ` · judged ${judged.length} · right: ${each.join(", ")}` : "");
  }
}
