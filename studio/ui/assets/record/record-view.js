// What the Record tab shows of its mode, its card and its take. It decides nothing.

import { icon, make, seconds, studio } from "../studio.js";
import { QualityStrip, wasTrimmed, worst } from "./record-quality.js";
import { refusal } from "./record-saving.js";
import { Meter, Scope } from "../sound/scope.js";

const HEARD_BY = 2; // seconds after which silence is pointed out
const SAVE_KEYS = /Mac|iP/.test(navigator.platform) ? "⌘ Enter" : "Ctrl Enter";
const MAIN = {
  ready: ["record", "Record", "Space"],
  countdown: ["record", "Start now", "Space"],
  opening: ["microphone", "Opening…", ""],
  recording: ["stop", "Stop", "Space"],
  tail: ["stop", "Finishing…", ""],
  review: ["check", "Save and next", SAVE_KEYS],
  saving: ["check", "Saving…", ""],
};
const STATE = {
  ready: ["Ready", ""],
  countdown: ["Get ready", "accent"],
  opening: ["Opening", ""],
  recording: ["Recording", "recording"],
  tail: ["Finishing", "recording"],
  review: ["Not saved yet", "look"],
  saving: ["Saving", ""],
};
const PICTURES = { good: "check", look: "warning", bad: "warning" };
const BY_TOUCH = matchMedia("(hover: none)").matches;

export class View {
  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.scope = new Scope(this.$(".rec-wave"));
    this.meter = new Meter(this.$(".rec-meter"), this.$(".rec-clip"));
    this.quality = new QualityStrip(root);
    this.field = this.$(".rec-text");
    const countdown = this.$(".rec-countdown");
    countdown.checked = localStorage.getItem("studio.countdown") !== "off";
    countdown.addEventListener(
      "change",
      () => localStorage.setItem("studio.countdown", countdown.checked ? "on" : "off"),
    );
  }

  get goesOn() {
    return this.$(".rec-countdown").checked;
  }

  get text() {
    return this.field.value;
  }

  set text(words) {
    this.field.value = this.before = words;
  }

  set hint(words) {
    this.field.placeholder = words;
  }

  set time(value) {
    this.$(".rec-time").textContent = seconds(value);
  }

  set count(left) {
    this.$(".rec-count").textContent = left || "";
  }

  leaveText() {
    this.field.blur();
  }

  /** An edit ends with Enter or a click elsewhere; Escape takes it back. */
  onText(changed, typed) {
    this.field.addEventListener("change", changed);
    this.field.addEventListener("input", typed);
    this.field.addEventListener("focus", () => (this.before = this.text));
    this.field.addEventListener("keydown", ({ key, ctrlKey, metaKey, isComposing }) => {
      if (isComposing || ctrlKey || metaKey || !["Enter", "Escape"].includes(key)) return;
      if (key === "Escape" && this.text !== this.before) (this.text = this.before), typed();
      this.leaveText();
    });
  }

  onMicrophone(chosen) {
    this.$(".rec-device").addEventListener("change", ({ target }) => {
      target.blur();
      chosen(target.value);
    });
  }

  listMicrophones(found, wanted) {
    const named = found.filter(({ id }) => id);
    const options = named.map(({ id, name }, place) =>
      make("option", { value: id }, name || `Microphone ${place + 1}`)
    );
    const menu = this.$(".rec-device");
    menu.replaceChildren(make("option", { value: "" }, "System microphone"), ...options);
    menu.value = named.some(({ id }) => id === wanted) ? wanted : "";
  }

  /** A take begins. */
  begin() {
    this.meter.forgetClipping();
    this.scope.clear();
  }

  /** A block of the take that is being recorded. */
  live(peak, elapsed, tab) {
    this.scope.push(peak);
    this.time = elapsed;
    const isSilent = tab.loudest < tab.limits.silent && elapsed > HEARD_BY;
    if (isSilent === this.isSilent) return;
    this.isSilent = isSilent;
    this.showMessage(tab);
  }

  /** The player's place in the sound. */
  follow(player) {
    this.scope.progress(player.paused || !player.duration ? 0 : player.currentTime / player.duration);
    this.$(".rec-play").textContent = player.paused ? "Play" : "Pause";
    if (!player.paused) requestAnimationFrame(() => this.follow(player));
  }

  show(tab) {
    const { mode, card, place, cards, isFree, isBusy, isKept } = tab;
    this.root.dataset.mode = mode;
    this.isSilent = false;
    this.$(".rec-step").textContent = isFree ? "Free speech" : `Prompt ${place + 1} of ${cards.length}`;
    this.$(".rec-prompt").textContent = isFree ? "Say one sentence, as you like." : card?.text || "";
    this.$(".rec-why").textContent = card?.why || "";
    const [state, tone] = isKept ? (card.clip.text ? ["Recorded", "good"] : ["No label yet", "look"]) : STATE[mode];
    this.$(".rec-state").className = `st-pill rec-state ${tone}`;
    this.$(".rec-state").textContent = state;
    if (mode !== "countdown") this.count = 0;
    if (["countdown", "opening"].includes(mode)) this.#bringPromptIntoView();
    this.#showMain(tab);
    this.#enable({
      main: Boolean(card) && !["opening", "tail", "saving"].includes(mode),
      play: isKept || mode === "review",
      back: !isBusy && place > 0,
      skip: !isBusy && place < cards.length - 1,
      discard: isKept || !["ready", "saving"].includes(mode),
    });
    this.$(".rec-skip").textContent = isKept ? "Next" : "Skip";
    this.hint = card?.text ? "" : "The selected model transcribes it; correct it here";
    this.quality.show(tab);
    this.showMessage(tab);
  }

  /** On a small screen the prompt may be beyond its edge when a take begins. */
  #bringPromptIntoView() {
    const { bottom } = this.$(".rec-level").getBoundingClientRect();
    if (this.$(".rec-head").getBoundingClientRect().top < 0 || bottom > innerHeight) {
      this.$(".rec-head").scrollIntoView();
    }
  }

  #showMain(tab) {
    const { mode, isKept, take, limits } = tab;
    const isRefused = mode === "review" && refusal(take, limits);
    const kept = () => ["next", tab.cards.some((card) => !card.clip) ? "Next" : "Go to Review", SAVE_KEYS];
    const [picture, name, key] = isKept ? kept() : isRefused ? ["record", "Record again", "Space"] : MAIN[mode];
    const main = this.$(".rec-main");
    main.replaceChildren(icon(picture), name, ...(key ? [make("kbd", { class: "st-kbd" }, key)] : []));
    main.className = `st-button rec-main ${["recording", "tail"].includes(mode) ? "record" : "primary"}`;
    this.$("[data-do=toggle]").hidden = !isKept && (mode !== "review" || isRefused);
    this.$(".rec-discard").textContent = isKept ? "Delete" : mode === "countdown" ? "Wait" : "Discard";
    this.$("[data-do=discard] kbd").hidden = isKept;
  }

  /** A button that is disabled for a moment loses the focus: who works by keyboard gets it back. */
  #enable(buttons) {
    const before = document.activeElement;
    for (const [name, isOn] of Object.entries(buttons)) {
      const button = this.$(`[data-do=${name}]`);
      if (button === before && !isOn) this.left = button;
      button.disabled = !isOn;
    }
    if (!this.left || (before !== this.left && before !== document.body)) this.left = null;
    else if (!this.left.disabled) this.left.focus(), (this.left = null);
  }

  showMessage(tab) {
    const [what, remedy = "", tone = "", actions = []] = this.#message(tab);
    const box = this.$(".rec-message");
    box.className = `st-message rec-message ${tone}`;
    const words = make("p", { class: "st-grow" }, make("b", {}, what), remedy ? ` ${remedy}` : "");
    box.replaceChildren(icon(PICTURES[tone] || "info"), words, ...actions);
  }

  /** Errors appear in the place of the instruction: `[what, remedy, tone, actions]`. */
  #message(tab) {
    const { mode, card, error } = tab;
    if (error) return [error.what, error.remedy, "bad", rescue(tab)];
    if (!studio.dataset()) return ["No dataset is chosen.", "Choose one in the sidebar, or make a new one there."];
    const deed = tab.isFree ? "say one sentence" : "read the line aloud";
    if (mode === "ready" && card?.clip) return verdict(tab);
    if (mode === "recording" && this.isSilent) {
      return ["No sound yet.", "Is the microphone muted, or another one chosen?", "look"];
    }
    if (mode === "review") return found(tab);
    return {
      ready: [
        BY_TOUCH ? `Tap Record, ${deed}, tap Stop.` : `Press Space, ${deed}, press Space again.`,
        "Then check the label and save.",
      ],
      countdown: ["Recording starts on its own.", BY_TOUCH ? "" : "Esc waits."],
      opening: ["Opening the microphone.", "If the browser asks, allow it."],
      recording: [
        `${deed[0].toUpperCase()}${deed.slice(1)}.`,
        BY_TOUCH ? "" : `Space stops. ${SAVE_KEYS} stops, saves and moves to the next.`,
      ],
      tail: ["Keeping half a second more,", "so that the last word is whole."],
      saving: ["Saving the recording."],
    }[mode];
  }
}

/** On a take that is not saved yet. */
function found({ take, limits, view, card }) {
  const refused = refusal(take, limits);
  if (refused) return refused;
  const fault = worst(take);
  if (take.isWarned && !card.text && !view.text.trim()) return UNREVIEWED;
  if (take.heard && fault?.verdict !== "re-record") return heardAnother("", take.heard);
  if (fault) return [fault.what, fault.remedy, fault.verdict === "look" ? "look" : "bad"];
  if (take.isGuess) return ["The model wrote this label.", "Correct it where it is wrong, then save.", "look"];
  if (take.isBroughtBack) return ["This recording was not saved.", "It was kept here: save it, or discard it.", "look"];
  return ["Listen if you like, correct the label, then save.", BY_TOUCH ? "" : "Space records again."];
}

const heardAnother = (
  saved,
  heard,
) => [
  `${saved}The model transcribed something else: “${heard.replace(/\.$/, "")}”.`,
  "If you read another line, record it again or correct the label.",
  "look",
];

const UNREVIEWED = [
  "There is no label yet.",
  "The model may still be writing it: check it, then save. Saved now, the clip waits in Review without a label; it " +
  "neither trains nor measures.",
  "look",
];

/** On a clip that is saved. */
function verdict(tab) {
  const { card: { clip }, cards } = tab;
  const isLast = cards.every((card) => card.clip);
  if (!clip.text) {
    return ["Saved without a label.", "It neither trains nor measures until you write what was said.", "look"];
  }
  const fault = worst(clip);
  if (clip.heard && fault?.verdict !== "re-record") return heardAnother("Saved. ", clip.heard);
  if (fault) {
    return [
      `Saved. ${fault.what}`,
      `${fault.remedy}${isLast || BY_TOUCH ? "" : " Or press S for the next one."}`,
      fault.verdict === "re-record" ? "bad" : "look",
    ];
  }
  if (wasTrimmed(tab)) {
    return [`Trimmed to ${seconds(clip.duration)}.`, "The original is kept: Undo brings it back.", "good"];
  }
  return [
    `Saved, ${seconds(clip.duration)}.`,
    isLast ? "Every prompt is recorded: continue with 2 Review or 3 Train." : "The recording is good.",
    "good",
  ];
}

/** What can be done when a take could not be saved. */
function rescue({ mode, error, take, deeds }) {
  // saving it again would be refused again
  if (mode !== "review" || !error.isOfSaving || ["DataError", "AudioError"].includes(error.code)) return [];
  const name = `${take.prompt || "recording"}.wav`;
  return [
    make("button", { type: "button", class: "st-button small", onclick: deeds.save }, "Save again"),
    make("a", { class: "st-button small", href: URL.createObjectURL(take.wav), download: name }, "Download"),
  ];
}
