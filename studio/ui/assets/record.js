// The Record tab. One take at a time goes ready → (countdown) → opening → recording → tail → review → saving → ready;
// everything on the page follows from the mode, the card in hand and the take.

import { at, icon, isShown, isTyping, make, request, seconds, studio, StudioError } from "./studio.js";
import { microphones, Recorder } from "./recorder.js";
import { Meter, samplesOf, Scope } from "./scope.js";
import { forget, keep, kept } from "./keep.js";
import { Rail } from "./record-rail.js";
import { Sources } from "./record-sources.js";

const BEATS = 3; // of the countdown
const BEAT = 700; // ms
const IDLE = 60_000; // ms after which the microphone is let go
const SILENT = 0.001; // peak: as studio.audio.SILENT_PEAK_DB
const HEARD_BY = 2; // seconds after which silence is pointed out

export const start = ({ element }) => new RecordTab(element.querySelector(".rec")).begin();

const MAIN = {
  ready: ["record", "Record", "Space"], countdown: ["record", "Start now", "Space"], opening: ["microphone", "Opening…", ""],
  recording: ["stop", "Stop", "Space"], tail: ["stop", "Finishing…", ""], review: ["check", "Save and next", "Ctrl Enter"],
  saving: ["check", "Saving…", ""],
};
const STATE = {
  ready: ["Ready", ""], countdown: ["Get ready", "accent"], opening: ["Opening", ""], recording: ["Recording", "bad"],
  tail: ["Finishing", "bad"], review: ["Not saved yet", "look"], saving: ["Saving", ""],
};

class RecordTab {
  constructor(root) {
    this.root = root;
    this.mode = "ready";
    this.cards = [];
    this.place = 0;
    this.take = null;
    this.error = null;
    this.$ = (selector) => root.querySelector(selector);
    this.scope = new Scope(this.$(".rec-wave"));
    this.meter = new Meter(this.$(".rec-meter"), this.$(".rec-clip"));
    this.recorder = new Recorder({ onLevel: (peak) => this.heard(peak), onLost: (take) => this.lost(take) });
    this.rail = new Rail(root, (place) => this.goTo(place), () => this.undo());
    this.sources = new Sources(root, this);
    this.player = new Audio();
    this.lastUse = 0;
  }

  async begin() {
    this.listen();
    this.$(".rec-countdown").checked = localStorage.getItem("studio.countdown") !== "off";
    await this.listMicrophones();
    await this.load();
  }

  get card() {
    return this.cards[this.place];
  }

  // ---- what is in the dataset ----

  async load() {
    if (!studio.dataset()) return;
    try {
      this.deal(await request(at("record", studio.dataset())));
      await this.bringBack();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Lay out the cards that the server knows, and go to the first that is not recorded yet. */
  deal(answer) {
    this.abandon();
    this.isFree = answer.script === "free";
    this.cards = this.isFree ? [...answer.free.map(spoken), spoken(null)] : answer.prompts;
    this.sources.show(answer);
    const open = this.cards.findIndex((card) => !card.clip);
    this.goTo(open < 0 ? 0 : open);
  }

  /** A take that an earlier page could not save. */
  async bringBack() {
    const [take] = await kept(studio.dataset()).catch(() => []);
    if (!take || this.mode !== "ready") return;
    const place = this.cards.findIndex((card) => card.text === take.prompt && (take.prompt || !card.clip));
    if (place < 0) this.cards.push({ text: take.prompt, label: take.text, clip: null });
    this.goTo(place < 0 ? this.cards.length - 1 : place);
    const samples = await samplesOf(take.wav);
    this.toReview({ ...take, ...{ samples, peak: 1, broughtBack: true } });
    this.$(".rec-text").value = take.text;
  }

  goTo(place) {
    if (place < 0 || place >= this.cards.length || this.isBusy) return;
    this.abandon();
    this.place = place;
    this.$(".rec-text").value = this.card.clip?.text ?? this.card.label;
    this.scope.clear();
    this.showTime(this.card.clip?.duration || 0);
    if (this.card.clip) this.drawClip(this.card.clip);
    this.render();
  }

  get isBusy() {
    return ["opening", "recording", "tail", "saving"].includes(this.mode);
  }

  /** Go on from a take that was not kept. */
  abandon() {
    clearInterval(this.counting);
    this.player.pause();
    this.recorder.discard();
    if (this.take) forget(this.take.id).catch(() => {});
    this.take = this.error = null;
    this.mode = "ready";
  }

  async drawClip(clip) {
    const answer = await fetch(address(clip)).catch(() => null);
    if (answer?.ok && this.card.clip === clip && !this.take) this.scope.show(await samplesOf(await answer.blob()));
  }

  // ---- recording ----

  async record() {
    this.abandon();
    this.mode = "opening";
    this.render();
    try {
      await this.recorder.open(localStorage.getItem("studio.microphone") || "");
      await this.recorder.start();
    } catch (error) {
      this.mode = "ready";
      return this.fail(error);
    }
    if (this.mode !== "opening") return this.recorder.discard();
    this.mode = "recording";
    this.begun = performance.now();
    this.loudest = 0;
    this.meter.forgetClipping();
    this.scope.clear();
    this.render();
    this.listMicrophones();
  }

  async stop() {
    if (this.mode !== "recording") return;
    this.mode = "tail";
    this.render();
    const take = await this.recorder.stop();
    if (take) this.toReview(take);
  }

  heard(peak) {
    this.lastUse = this.recorder.isRecording ? performance.now() : this.lastUse;
    this.meter.level(peak);
    if (this.mode !== "recording" && this.mode !== "tail") return;
    const before = this.loudest;
    this.loudest = Math.max(this.loudest, peak);
    this.scope.push(peak);
    const elapsed = (performance.now() - this.begun) / 1000;
    this.showTime(elapsed);
    const isSilent = this.loudest < SILENT && elapsed > HEARD_BY;
    if (isSilent !== this.isSilent || (before < SILENT) !== (this.loudest < SILENT)) {
      this.isSilent = isSilent;
      this.renderMessage();
    }
  }

  lost(take) {
    this.error = new StudioError("The microphone was disconnected.", take ? "What it heard until then is kept: save it, or record again." : "Plug it in again, or choose another one.");
    if (take) this.toReview(take, this.error);
    else {
      this.mode = "ready";
      this.render();
    }
  }

  /** A recorded take: kept in the browser from now until it is saved or thrown away. */
  toReview(take, error = null) {
    const about = { id: crypto.randomUUID?.() || `${Date.now()}`, at: Date.now(), dataset: studio.dataset(), prompt: this.card.text, replaces: this.card.clip?.id || "" };
    this.take = { ...about, ...take };
    this.error = error;
    this.mode = "review";
    this.lastUse = performance.now();
    this.scope.show(this.take.samples);
    this.showTime(this.take.seconds ?? this.take.samples.length / this.take.rate);
    this.keepTake();
    this.render();
    if (!this.card.text && !this.$(".rec-text").value) this.writeDown(this.take);
  }

  keepTake() {
    const { id, at: when, dataset, prompt, replaces, wav, rate } = this.take;
    keep({ id, at: when, dataset, prompt, replaces, wav, rate, text: this.$(".rec-text").value }).catch(() => {});
  }

  /** Without a prompt the label starts as what the model in hand hears. */
  async writeDown(take) {
    const field = this.$(".rec-text");
    field.placeholder = "Reading what was said…";
    const answer = await request("listen/hear", { body: form({ sound: take.wav, model: studio.model() }) }).catch(() => null);
    const text = answer?.before.text || "";
    field.placeholder = text ? "" : "Write what was said";
    if (this.take?.id === take.id && !field.value) field.value = text;
  }

  discard() {
    if (this.mode === "ready" && this.card.clip) return this.remove();
    if (this.mode === "saving") return;
    if (this.mode === "opening") this.recorder.close();
    this.mode = "ready";
    this.goTo(this.place);
  }

  // ---- saving ----

  async save() {
    const { take, card } = this;
    const text = this.$(".rec-text").value.trim();
    if (this.mode !== "review") return false;
    this.error = null;
    if (!text) return this.fail(new StudioError("The label is empty.", "Write what was said, then save.")), this.$(".rec-text").focus(), false;
    this.mode = "saving";
    this.keepTake();
    this.render();
    try {
      const saved = await request(at("record", take.dataset), { body: form({ audio: take.wav, text, prompt: take.prompt, replaces: take.replaces }) });
      this.saved(card, saved);
      return saved;
    } catch (error) {
      this.mode = "review";
      this.fail(error);
      return false;
    }
  }

  saved(card, { clip, replaced }) {
    forget(this.take.id).catch(() => {});
    this.take = null;
    this.mode = "ready";
    card.clip = clip;
    this.rail.tell({ kind: "saved", clip, replaced, card });
    if (this.isFree && !this.cards.some((other) => !other.clip)) this.cards.push(spoken(null));
    studio.changed();
    this.goTo(this.place);
    this.bringBack();
  }

  /** Save, and go on to the next prompt; stay where the recording needs a second look. */
  async saveAndGoOn() {
    if (this.mode === "recording") await this.stop();
    if (this.mode === "ready" && this.card?.clip) {
      await this.relabel();
      return this.next();
    }
    this.$(".rec-text").blur();
    const saved = await this.save();
    if (!saved || saved.clip.verdict.length || this.mode !== "ready") return;
    this.next();
    if (this.$(".rec-countdown").checked && !this.card.clip) this.countDown();
  }

  next() {
    const open = (card, place) => !card.clip && place !== this.place;
    const after = this.cards.findIndex((card, place) => place > this.place && open(card, place));
    const any = after < 0 ? this.cards.findIndex(open) : after;
    this.goTo(any < 0 ? this.place : any);
  }

  countDown() {
    let left = BEATS;
    this.mode = "countdown";
    this.recorder.open(localStorage.getItem("studio.microphone") || "").catch(() => {});
    const beat = () => {
      this.$(".rec-count").textContent = left || "";
      if (!isShown(this.root)) return this.discard();
      if (left === 0) this.record();
      left -= 1;
    };
    this.counting = setInterval(beat, BEAT);
    this.render();
    beat();
  }

  /** The label of a saved clip is corrected where it stands. */
  async relabel() {
    const { card } = this;
    const text = this.$(".rec-text").value.trim();
    if (this.mode !== "ready" || !card?.clip || text === card.clip.text) return;
    try {
      card.clip = await request(at("clips", studio.dataset(), card.clip.id), { body: { text } });
      this.rail.tell({ kind: "relabelled", clip: card.clip });
      studio.changed();
    } catch (error) {
      this.fail(error);
    }
  }

  async remove() {
    const { card } = this;
    try {
      await request(at("trash", studio.dataset()), { body: { ids: [card.clip.id] } });
    } catch (error) {
      return this.fail(error);
    }
    this.rail.tell({ kind: "removed", clip: card.clip, card });
    card.clip = null;
    studio.changed();
    this.goTo(this.place);
  }

  /** Take back what was said last: a saved clip goes, a replaced or removed one comes back. */
  async undo() {
    const { kind, clip, card, replaced = [] } = this.rail.last;
    try {
      if (kind === "saved") await request(at("trash", studio.dataset()), { body: { ids: [clip.id] } });
      const back = kind === "removed" ? [clip.id] : replaced;
      if (back.length) await request(at("restore", studio.dataset()), { body: { ids: back } });
    } catch (error) {
      return this.fail(error);
    }
    this.rail.tell(null);
    studio.changed();
    const place = this.cards.indexOf(card);
    await this.load();
    this.goTo(Math.min(Math.max(place, 0), this.cards.length - 1));
  }

  // ---- what the person sees ----

  fail(error) {
    this.error = error instanceof StudioError ? error : new StudioError("The page failed.", error.message);
    this.render();
  }

  render() {
    const { mode, card, root } = this;
    root.dataset.mode = mode;
    root.dataset.kept = Boolean(card?.clip);
    const count = this.cards.length;
    this.$(".rec-step").textContent = this.isFree ? "Free speech" : `Prompt ${this.place + 1} of ${count}`;
    this.$(".rec-prompt").textContent = this.isFree ? "Say one sentence, as you like." : card?.text || "";
    const isKept = mode === "ready" && card?.clip;
    const [state, tone] = isKept ? ["Recorded", "good"] : STATE[mode];
    this.$(".rec-state").className = `st-pill rec-state ${tone}`;
    this.$(".rec-state").textContent = state;
    this.renderMain(isKept);
    this.renderMessage();
    if (mode !== "countdown") this.$(".rec-count").textContent = "";
    this.rail.show(this.cards, this.place, this.isFree);
  }

  renderMain(isKept) {
    const { mode } = this;
    const [picture, name, key] = isKept ? ["record", "Record again", "Space"] : MAIN[mode];
    const main = this.$(".rec-main");
    main.replaceChildren(icon(picture), name, ...(key ? [make("kbd", { class: "st-kbd" }, key)] : []));
    main.className = `st-button rec-main ${["recording", "tail"].includes(mode) ? "record" : "primary"}`;
    const enable = (name, on) => (this.$(`[data-do=${name}]`).disabled = !on);
    enable("main", !["opening", "tail", "saving"].includes(mode));
    enable("back", !this.isBusy && this.place > 0);
    enable("skip", !this.isBusy && this.place < this.cards.length - 1);
    enable("discard", isKept || !["ready", "saving"].includes(mode));
    enable("play", isKept || mode === "review");
    this.$("[data-do=again]").hidden = mode !== "review";
    this.$(".rec-discard").textContent = isKept ? "Delete" : mode === "countdown" ? "Wait" : "Discard";
    this.$("[data-do=discard] kbd").hidden = Boolean(isKept);
    this.$(".rec-skip").textContent = isKept ? "Next" : "Skip";
  }

  renderMessage() {
    const { what, remedy, tone, actions } = this.message();
    const box = this.$(".rec-message");
    box.className = `st-message rec-message ${tone}`;
    const picture = { good: "check", look: "warning", bad: "warning" }[tone] || "info";
    const words = make("p", { class: "st-grow" }, make("b", {}, what), remedy ? ` ${remedy}` : "");
    box.replaceChildren(icon(picture), words, ...actions);
  }

  message() {
    if (this.error) return { what: this.error.what, remedy: this.error.remedy, tone: "bad", actions: this.rescue() };
    const say = (what, remedy = "", tone = "", actions = []) => ({ what, remedy, tone, actions });
    const { mode, card } = this;
    if (mode === "ready" && card?.clip) return this.verdict(card.clip, say);
    if (mode === "ready" && !studio.dataset()) return say("No dataset is chosen.", "Choose one in the sidebar, or make a new one there.");
    if (mode === "recording" && this.isSilent) return say("Nothing is heard yet.", "Is the microphone muted, or another one chosen?", "look");
    if (mode === "review") return this.listening(say);
    return {
      ready: say("Press Space, read the line aloud, press Space again.", "Then check the label and save."),
      countdown: say("Recording starts by itself.", "Esc waits."),
      opening: say("Opening the microphone.", "If the browser asks, allow it."),
      recording: say("Read the line aloud.", "Space stops. Ctrl+Enter stops, saves and goes on."),
      tail: say("Keeping half a second more,", "so that the last word is whole."),
      saving: say("Saving."),
    }[mode];
  }

  listening(say) {
    if (this.take.broughtBack) return say("This recording was not saved when the page was closed.", "It was kept here: save it, or discard it.", "look");
    if (this.take.peak < SILENT) return say("Nothing was heard.", "Is the microphone muted, or another one chosen? Record again.", "bad");
    return say("Listen if you like, correct the label, then save.", "Space records again.");
  }

  verdict(clip, say) {
    const [worst] = clip.verdict;
    const good = this.cards.every((card) => card.clip) ? "Every prompt is recorded. Go on to 2 Review, or to 3 Train." : "The recording is good.";
    return worst ? say(worst.what, worst.remedy, "look") : say(`Saved, ${seconds(clip.duration)}.`, good, "good");
  }

  /** What can be done when a take could not be saved. */
  rescue() {
    if (this.mode !== "review" || this.error.code === "DataError") return [];
    const file = URL.createObjectURL(this.take.wav);
    return [
      make("button", { type: "button", class: "st-button small", onclick: () => this.save() }, "Save again"),
      make("a", { class: "st-button small", href: file, download: `${this.take.prompt || "recording"}.wav` }, "Download"),
    ];
  }

  showTime(value) {
    this.$(".rec-time").textContent = seconds(value);
  }

  // ---- hands and ears ----

  play() {
    if (!this.player.paused) return this.player.pause();
    const clip = this.card.clip;
    if (!this.take && !clip) return;
    this.player.src = this.take ? URL.createObjectURL(this.take.wav) : address(clip);
    this.player.play().catch(() => this.fail(new StudioError("The clip cannot be played.", "Reload the page.")));
  }

  followPlaying() {
    const { player } = this;
    this.scope.progress(player.paused || !player.duration ? 0 : player.currentTime / player.duration);
    this.$(".rec-play").textContent = player.paused ? "Play" : "Pause";
    if (!player.paused) requestAnimationFrame(() => this.followPlaying());
  }

  toggle() {
    if (this.mode === "recording") return this.stop();
    if (["ready", "review", "countdown"].includes(this.mode) && this.card) return this.record();
  }

  get deeds() {
    return {
      main: () => (this.mode === "review" ? this.saveAndGoOn() : this.toggle()),
      again: () => this.toggle(),
      back: () => this.goTo(this.place - 1),
      skip: () => this.goTo(this.place + 1),
      discard: () => this.discard(),
      play: () => this.play(),
      import: () => this.sources.openImport(),
      write: () => this.sources.openOwn(),
    };
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (!button) return;
      if (event.detail) button.blur(); // after a click the keys belong to the tab again
      this.deeds[button.dataset.do]();
    });
    document.addEventListener("keydown", (event) => this.pressed(event));
    for (const name of ["play", "pause", "ended"]) this.player.addEventListener(name, () => this.followPlaying());
    this.$(".rec-text").addEventListener("change", () => this.relabel());
    this.$(".rec-text").addEventListener("input", () => this.take && this.keepTake());
    this.$(".rec-device").addEventListener("change", (event) => this.chooseMicrophone(event.target.value));
    this.$(".rec-countdown").addEventListener("change", (event) => localStorage.setItem("studio.countdown", event.target.checked ? "on" : "off"));
    studio.on("dataset", this.root, () => this.load());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listMicrophones());
    addEventListener("beforeunload", (event) => this.mode === "recording" && event.preventDefault());
    setInterval(() => this.letGo(), 5000);
  }

  pressed(event) {
    if (!isShown(this.root) || event.altKey || event.metaKey || this.root.querySelector("dialog[open]")) return;
    if (event.ctrlKey && event.key === "Enter") return event.preventDefault(), this.saveAndGoOn();
    if (event.ctrlKey || isTyping(event) || event.repeat) return;
    const name = { " ": "toggle", Escape: "escape", p: "play", s: "skip", b: "back" }[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    if (!name || (name === "toggle" && event.target.closest("button, a, summary"))) return;
    event.preventDefault();
    if (name === "toggle") this.toggle();
    else if (name !== "escape") this.deeds[name]();
    else if (this.mode !== "ready") this.discard();
  }

  async listMicrophones() {
    const menu = this.$(".rec-device");
    const chosen = localStorage.getItem("studio.microphone") || "";
    const found = (await microphones().catch(() => [])).filter(({ id }) => id);
    const options = found.map(({ id, name }, place) => make("option", { value: id }, name || `Microphone ${place + 1}`));
    menu.replaceChildren(make("option", { value: "" }, "System microphone"), ...options);
    menu.value = found.some(({ id }) => id === chosen) ? chosen : "";
  }

  async chooseMicrophone(id) {
    localStorage.setItem("studio.microphone", id);
    if (!this.recorder.isOpen) return;
    await this.recorder.open(id).catch((error) => this.fail(error));
  }

  letGo() {
    const isUnused = performance.now() - this.lastUse > IDLE || !isShown(this.root) || document.hidden;
    if (!this.recorder.isOpen || this.isBusy || this.mode === "countdown" || !isUnused) return;
    this.recorder.close();
    this.meter.rest();
  }
}

const spoken = (clip) => ({ text: "", label: "", clip });

const address = (clip) => new URL(`studio/${at("clips", studio.dataset(), clip.id)}`, document.baseURI).href;

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}
