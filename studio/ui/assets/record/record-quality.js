// The strip under the waveform: how good the take or the selected clip is, in figures, and what can be done at once.
// It is always there, empty or not: nothing jumps when the figures come.

import { at, form, icon, make, request, studio } from "../studio.js";
import { tellNews } from "./record-saving.js";

const PAUSE = 60; // ms: clips that are only passed over are not judged
const WORDS = {
  fine: ["Fine", "good", "check"],
  look: ["Check this", "look", "warning"],
  "re-record": ["Record again", "bad", "close"],
};
const EMPTY = {
  verdict: null,
  figures: ["Peak", "Loudness", "Over noise", "Silence", "Pace"].map((name) => ({
    name,
    value: "–",
    unit: "",
    mark: "unknown",
    about: "",
  })),
  findings: [],
  trim: 0,
};

export class QualityStrip {
  constructor(root) {
    this.root = root.querySelector(".rec-quality");
    this.$ = (selector) => this.root.querySelector(selector);
  }

  /** `tab` is the Record tab. Figures that are not known yet are asked for, and `tab` is shown anew when they come. */
  show(tab) {
    const holder = ["ready", "review"].includes(tab.mode) ? inHand(tab) : null;
    if (holder) this.known(tab, holder);
    this.#draw(holder?.quality || EMPTY, tab);
  }

  /** Resolves when the figures of `holder`, a take or a clip, are known, or cannot be. */
  known(tab, holder) {
    holder.asking ||= holder.quality ? Promise.resolve() : this.#ask(tab, holder);
    return holder.asking;
  }

  async #ask(tab, holder) {
    if (!holder.wav) await new Promise((done) => setTimeout(done, PAUSE));
    if (holder !== inHand(tab)) return (holder.asking = null);
    const ofTake = () => request(at("quality", tab.dataset), { body: form({ audio: holder.wav, text: holder.text }) });
    holder.quality = await (holder.wav ? ofTake() : request(at("quality", tab.dataset, holder.id))).catch(() => null);
    if (!holder.quality || inHand(tab) !== holder) return null;
    if (worst(holder)) tellNews(holder);
    return tab.refresh();
  }

  /** On a phone only the verdict is shown until the figures are asked for. */
  fold() {
    const isOpen = this.root.classList.toggle("open");
    this.$("[data-do=figures]").setAttribute("aria-expanded", String(isOpen));
  }

  #draw({ verdict, figures, trim }, tab) {
    const [word, tone, picture] = WORDS[verdict] || ["Quality", "", "wave"];
    const pill = this.$(".rec-verdict");
    pill.className = `st-pill rec-verdict ${tone}`;
    pill.replaceChildren(icon(picture), word);
    this.$(".rec-figures").replaceChildren(...figures.map(figure));
    const cut = this.$("[data-do=trim]");
    const isTrimmed = wasTrimmed(tab);
    cut.replaceChildren(
      icon(isTrimmed ? "undo" : "cut"),
      isTrimmed
        ? "Undo trim"
        : trim
        ? `Trim ${trim.toFixed(1)} s ${tab.take ? "and save" : "of silence"}`
        : "Nothing to trim",
    );
    cut.disabled = !isTrimmed && (!trim || !["ready", "review"].includes(tab.mode));
  }
}

const inHand = (tab) => tab.take || tab.card?.clip || null;

/** What is most wrong: a finding that asks for a person, or nothing. */
export const worst = (holder) =>
  (holder?.quality?.findings || holder?.verdict || []).find(({ verdict }) => verdict !== "note");

/** Whether the selected clip was trimmed just now, so that it can be undone here. */
export const wasTrimmed = ({ rail: { last }, card, take }) =>
  !take && last?.kind === "trimmed" && last.clip === card?.clip;

/** Cut the silence off the selected clip; the original stays. */
export async function trim(tab) {
  const { card } = tab;
  try {
    const { clip, action } = await request(at("trim", tab.dataset, card.clip.id), { method: "POST" });
    card.clip = clip;
    tab.rail.tell({ kind: "trimmed", clip, action, card });
  } catch (error) {
    return tab.fail(error);
  }
  studio.changed();
  return tab.goTo(tab.place);
}

function figure({ name, value, unit, mark, about }) {
  const picture = { fine: "check", look: "warning", "re-record": "close" }[mark];
  const said = { fine: "fine", look: "needs a look", "re-record": "record again", unknown: "not known" }[mark];
  return make(
    "li",
    { "data-mark": mark, title: about },
    make(
      "span",
      { class: "rec-figure-name" },
      picture ? icon(picture) : make("i", { "aria-hidden": "true" }, "–"),
      name,
    ),
    make("span", { class: "st-number" }, make("b", {}, value), unit && value !== "–" ? ` ${unit}` : ""),
    make("span", { class: "st-hidden" }, `, ${said}`),
  );
}
