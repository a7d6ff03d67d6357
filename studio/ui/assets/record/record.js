// The Record tab. A take goes ready → (countdown) → opening → recording → tail → review → saving → ready; what the
// page shows follows from the mode and the selected card. A take belongs to its card until it is saved or discarded.

import { at, form, giveBackFocus, gone, isGone, isShown, isTyping, request, studio, StudioError } from "../studio.js";
import { showTab } from "../tabs.js";
import { microphones, Recorder } from "../sound/recorder.js";
import { samplesOf } from "../sound/scope.js";
import { forget, keep, kept } from "../sound/keep.js";
import { listenForAgain } from "./record-again.js";
import { trim, wasTrimmed } from "./record-quality.js";
import { watchOthers } from "./record-others.js";
import { followProgress } from "./record-progress.js";
import { Rail } from "./record-rail.js";
import { relabel, remove, undo } from "./record-saved.js";
import { compare, refusal, save, saveAndGoOn, tellNews } from "./record-saving.js";
import { Sources } from "./record-sources.js";
import { View } from "./record-view.js";

const BEATS = 3; // of the countdown
const BEAT = 700; // ms
const PAUSE = 300; // ms after the last letter until the browser keeps the label
const IDLE = 60_000; // ms after which the microphone is let go
const KEYS = { " ": "toggle", escape: "escape", p: "play", s: "skip", b: "back", e: "label" };

export const start = ({ element }) => new RecordTab(element.querySelector(".rec")).begin();

class RecordTab {
  begun = 0; // ms of the page's clock, when the take began
  /** @type {any} */
  limits = {}; // in which a take is accepted: from the server
  constructor(root) {
    this.root = root;
    this.mode = "ready";
    this.cards = [];
    this.place = 0;
    this.error = null;
    this.loudest = 0;
    this.lastUse = 0;
    this.view = new View(root);
    this.recorder = new Recorder({
      onLevel: (peak) => this.heard(peak),
      onLost: (take, error) => this.lost(take, error),
    });
    this.rail = new Rail(root, (place) => this.goTo(place), () => undo(this));
    this.sources = new Sources(root, this);
    this.player = new Audio();
  }

  async begin() {
    this.listen();
    await this.listMicrophones();
    await this.load();
  }

  get card() {
    return this.cards[this.place];
  }

  get take() {
    return this.card?.take;
  }

  /** Whether the card shows a saved clip, and nothing is being done with it. */
  get isKept() {
    return this.mode === "ready" && Boolean(this.card?.clip);
  }

  get isBusy() {
    return ["opening", "recording", "tail", "saving"].includes(this.mode);
  }

  // ---- the cards ----

  async load() {
    const name = studio.dataset();
    if (!name) return;
    try {
      const answer = await request(at("record", name));
      // a large dataset may answer after the next one was chosen
      if (name === studio.dataset()) await this.deal(answer);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Lay out the cards that the server knows, and go to the first that asks for something. */
  async deal(answer) {
    await (this.mode === "recording" ? this.stop() : this.stopping); // what is being said stays with its card
    this.quieten();
    if (this.dataset !== studio.dataset()) this.rail.tell(null);
    this.dataset = studio.dataset();
    this.isFree = answer.script === "free";
    this.limits = answer.limits;
    this.cards = this.isFree ? [...answer.free.map(spoken), spoken(null)] : answer.prompts;
    this.sources.show(answer);
    await this.bringBack();
    const asking = this.cards.find((card) => card.take) || this.cards.find((card) => !card.clip);
    this.goTo(Math.max(this.cards.indexOf(asking), 0));
  }

  /** Give takes that were never saved, by this page or an earlier one, their cards back. */
  async bringBack() {
    for (const take of await kept(this.dataset).catch(() => [])) {
      const fits = (card) => !card.take && card.text === take.prompt && (take.prompt || !card.clip);
      const card = this.cards.find(fits) ||
        this.cards[this.cards.push({ text: take.prompt, label: take.text, clip: null }) - 1];
      card.take = { ...take, samples: await samplesOf(take.wav), isBroughtBack: true };
    }
  }

  goTo(place) {
    if (!this.cards[place] || this.isBusy) return;
    this.view.leaveText(); // an edit ends with the card it belongs to
    this.quieten();
    this.place = place;
    this.mode = this.take ? "review" : "ready";
    this.view.text = this.take?.text ?? this.card.clip?.text ?? this.card.label;
    this.showSound();
    this.show();
    if (this.take?.isBroughtBack && !this.card.text) this.writeDown(this.take);
  }

  /** Leave the selected card: nothing counts, plays or records any more. */
  quieten() {
    clearInterval(this.counting);
    this.player.pause();
    this.recorder.discard();
    this.mode = "ready";
    this.error = null;
  }

  async showSound() {
    const { take, card } = this;
    this.view.time = take ? take.samples.length / take.rate : card.clip?.duration || 0;
    if (take) return this.view.scope.show(take.samples);
    this.view.scope.clear();
    if (!card.clip) return;
    const answer = await fetch(address(card.clip)).catch(() => null);
    const samples = answer?.ok ? await samplesOf(await answer.blob()) : null;
    if (samples && this.card === card && !this.take && !this.isBusy) this.view.scope.show(samples);
  }

  /** From a saved clip to what is to be recorded next; once all is recorded, to Review. */
  goOn() {
    if (this.cards.some((card) => !card.clip)) return this.next();
    showTab("Review");
  }

  /** To the next card that is not recorded yet, past the end from the start again. */
  next() {
    const isOpen = (card, place) => !card.clip && place !== this.place;
    const after = this.cards.findIndex((card, place) => place > this.place && isOpen(card, place));
    this.goTo(after < 0 ? Math.max(this.cards.findIndex(isOpen), 0) : after);
  }

  // ---- recording ----

  async record() {
    this.quieten();
    this.mode = "opening";
    this.show();
    try {
      await this.recorder.open(localStorage.getItem("studio.microphone") || "");
      if (this.mode !== "opening") return;
      await this.recorder.start();
    } catch (error) {
      this.mode = this.take ? "review" : "ready";
      return this.fail(error);
    }
    this.mode = "recording";
    this.begun = performance.now();
    this.loudest = 0;
    this.view.begin();
    this.show();
    this.listMicrophones();
  }

  countDown() {
    let left = BEATS;
    this.mode = "countdown";
    this.show();
    this.recorder.open(localStorage.getItem("studio.microphone") || "").catch(() => {}); // `record` tells
    const beat = () => {
      this.view.count = left;
      if (!isShown(this.root)) this.goTo(this.place);
      else if (left === 0) this.record();
      left -= 1;
    };
    this.counting = setInterval(beat, BEAT);
    beat();
  }

  stop() {
    if (this.mode !== "recording") return this.stopping;
    this.mode = "tail";
    this.show();
    this.stopping = this.recorder.stop().then((sound) => sound && this.toReview(sound));
    return this.stopping;
  }

  heard(peak) {
    this.view.meter.level(peak);
    if (!this.recorder.isRecording) return;
    this.lastUse = performance.now();
    this.loudest = Math.max(this.loudest, peak);
    this.view.live(peak, (performance.now() - this.begun) / 1000, this);
    if (performance.now() - this.begun > this.limits.longest * 1000 - 1000) this.stop();
  }

  lost(sound, error) {
    if (sound) error.remedy = "What was recorded until then is kept: save it, or record again.";
    if (sound) this.toReview(sound);
    else if (this.isBusy || this.mode === "countdown") this.quieten();
    else return;
    this.fail(error);
  }

  /** A recorded take: from now on the browser keeps it, until it is saved or thrown away. */
  toReview({ samples, rate, wav }) {
    const { card } = this;
    if (card.take) forget(card.take.id).catch(() => {});
    const about = { id: `${Date.now()} ${Math.random()}`, at: Date.now(), dataset: this.dataset };
    card.take = {
      ...about,
      prompt: card.text,
      replaces: card.clip?.id || "",
      text: this.view.text,
      samples,
      rate,
      wav,
    };
    card.take.peak = this.loudest;
    this.mode = "review";
    this.keepTake();
    this.showSound();
    this.show();
    if (refusal(card.take, this.limits)) return;
    if (card.text) compare(this, card.take);
    else this.writeDown(card.take);
  }

  keepTake() {
    const { id, at, dataset, prompt, replaces, text, peak, rate, wav } = this.take;
    // a private window keeps nothing
    keep({ id, at, dataset, prompt, replaces, text, peak, rate, wav }).catch(() => {});
  }

  /** Without a prompt the label starts as the selected model's transcript. */
  async writeDown(take) {
    if (take.text || take.isRead) return;
    take.isRead = true;
    this.view.hint = "Transcribing…";
    const answer = await request("listen/hear", { body: form({ sound: take.wav, model: studio.model() }) }).catch(() =>
      null
    );
    this.view.hint = "Write what was said";
    if (this.take !== take || this.view.text) return;
    this.view.text = take.text = answer?.columns[0].plain.text || "";
    take.isGuess = Boolean(take.text);
    if (take.isGuess) tellNews(take);
    this.refresh();
  }

  /** Esc: wait, throw away what is being recorded, or throw away the take. */
  discard() {
    if (this.mode === "saving") return;
    const { take, card, mode } = this;
    this.mode = "ready";
    if (mode === "review") {
      card.take = null;
      forget(take.id).catch(() => {});
      this.rail.tell({ kind: "discarded", take, card });
    }
    this.goTo(this.place);
  }

  // ---- what the person sees and does ----

  fail(error) {
    this.error = error instanceof StudioError ? error : new StudioError("The page failed.", error.message);
    this.show();
    return null;
  }

  /** What is known of the current clip or take has grown. */
  refresh() {
    this.view.quality.show(this);
    this.view.showMessage(this);
  }

  /** The studio answers again. */
  isBack() {
    if (!this.cards.length) this.load();
    if (this.error?.code !== "Gone") return;
    this.error = null;
    this.show();
  }

  relabelled() {
    return relabel(this);
  }

  /** Free speech has always one more card to fill. */
  addFreeCard() {
    if (this.isFree && this.cards.every((other) => other.clip)) this.cards.push(spoken(null));
  }

  show() {
    this.view.show(this);
    this.rail.show(this.cards, this.place, this.isFree);
  }

  play() {
    if (!this.player.paused) return this.player.pause();
    if (!this.take && !this.card?.clip) return;
    this.player.src = this.take ? URL.createObjectURL(this.take.wav) : address(this.card.clip);
    this.player.play().catch(async () =>
      this.fail(
        (await isGone())
          ? gone()
          : new StudioError("The clip cannot be played.", "Its file may have been moved or deleted."),
      )
    );
  }

  toggle() {
    if (this.mode === "recording") this.stop();
    else if (this.card && !this.isBusy) this.record();
  }

  get deeds() {
    return {
      main:
        () => (this.isKept || (this.mode === "review" && !refusal(this.take, this.limits))
          ? saveAndGoOn(this)
          : this.toggle()),
      toggle: () => this.toggle(),
      escape: () => this.mode !== "ready" && this.discard(),
      discard: () => (this.mode === "ready" ? remove(this) : this.discard()),
      back: () => this.goTo(this.place - 1),
      label: () => this.root.querySelector(".rec-text").focus(), // before there is a take it is not shown
      skip: () => this.goTo(this.place + 1),
      play: () => this.play(),
      save: () => save(this),
      trim: () => (this.take ? saveAndGoOn(this, { trimmed: true }) : wasTrimmed(this) ? undo(this) : trim(this)),
      figures: () => this.view.quality.fold(),
      import: () => this.sources.openImport(),
      write: () => this.sources.write(),
    };
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      giveBackFocus(event);
      const button = event.target.closest("[data-do]");
      if (button) this.deeds[button.dataset.do]();
    });
    document.addEventListener("keydown", (event) => this.pressed(event));
    for (const name of ["play", "pause", "ended"]) {
      this.player.addEventListener(name, () => this.view.follow(this.player));
    }
    this.view.onText(() => this.written(), () => this.typed());
    this.view.onMicrophone((id) => this.chooseMicrophone(id));
    studio.on("dataset", this.root, () => this.load());
    studio.on("cards", this.root, () => this.load());
    studio.on("back", this.root, () => this.isBack());
    listenForAgain(this);
    followProgress(this.root);
    watchOthers(this);
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listMicrophones());
    addEventListener("beforeunload", (event) => this.mode === "recording" && event.preventDefault());
    setInterval(() => this.letGo(), 5000);
  }

  typed() {
    if (!this.take) return;
    this.take.text = this.view.text;
    this.take.isGuess = false;
    if (this.take.heard) delete this.take.heard, this.refresh(); // it was compared with another label
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.take && this.keepTake(), PAUSE);
  }

  /** The person has left the label. */
  written() {
    clearTimeout(this.typing);
    if (this.take) this.keepTake();
    else relabel(this);
  }

  pressed(event) {
    if (!isShown(this.root) || document.querySelector("dialog[open]")) return;
    const withControl = event.ctrlKey || event.metaKey;
    if (withControl && event.key === "Enter") return event.preventDefault(), event.repeat || saveAndGoOn(this);
    const name = KEYS[event.key.toLowerCase()];
    if (!name || withControl || event.altKey || event.repeat || isTyping(event)) return;
    if (name === "toggle" && event.target.closest("button, a, summary")) return; // Space presses what has the focus
    event.preventDefault();
    this.deeds[name]();
  }

  async listMicrophones() {
    this.view.listMicrophones(await microphones().catch(() => []), localStorage.getItem("studio.microphone") || "");
  }

  async chooseMicrophone(id) {
    localStorage.setItem("studio.microphone", id);
    if (this.recorder.isOpen && !this.isBusy) await this.recorder.open(id).catch((error) => this.fail(error));
  }

  /** An unused open microphone is released, and the browser's recording sign goes out. */
  letGo() {
    const isUnused = performance.now() - this.lastUse > IDLE || !isShown(this.root) || document.hidden;
    if (!this.recorder.isOpen || this.isBusy || this.mode === "countdown" || !isUnused) return;
    this.recorder.close();
    this.view.meter.rest();
  }
}

const spoken = (clip) => ({ text: "", label: "", clip });

/** A clip that was trimmed has another address: the browser keeps sounds for an hour. */
const address = (clip) =>
  new URL(`studio/${at("clips", studio.dataset(), clip.id)}?v=${clip.duration}`, document.baseURI).href;
