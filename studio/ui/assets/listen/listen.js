// The Test tab: pick runs, speak (or open a file), and read what each of them wrote.

import { best, Utterances } from "./heard.js";
import { latency } from "./heard-columns.js";
import { HeldOut } from "../results/heldout.js";
import { Mending } from "./listen-mend.js";
import { Modes } from "./listen-modes.js";
import { LiveWords } from "./listen-live.js";
import { Partial } from "./listen-partial.js";
import { Runs } from "./listen-runs.js";
import { Strength } from "./listen-strength.js";
import { Terms } from "./listen-terms.js";
import { TurnEnds } from "./listen-turns.js";
import { isLong } from "./longfile.js";
import { remember } from "../fold.js";
import { silence } from "../sound/player.js";
import { Meter, Scope } from "../sound/scope.js";
import { form, icon, isShown, request, seconds, studio } from "../studio.js";

const BY_TOUCH = matchMedia("(hover: none)").matches;
const HOW = BY_TOUCH
  ? {
    hold: "Hold the button and say a sentence. If you cannot hold, tap once to begin and once to end.",
    free: "Tap the button and just speak: a pause ends each turn. Tap again to stop.",
  }
  : {
    hold: "Hold the button, or the key T, and say a sentence. If you cannot hold, press once to begin and once to end.",
    free: "Press the button, or the key T, and just speak: a pause ends each turn. The button or Esc stops it.",
  };
const SAID = {
  opening: "Opening the microphone …",
  recording: {
    hold: "Listening. Let go when you are done; Esc discards it.",
    free: "Pause when you are done. The button transcribes what you said so far and stops; Esc discards it and stops.",
  },
  ending: "One moment …",
  missed: "The microphone is open now. Hold the button again and speak.",
  waiting: "Speak when you are ready: a pause ends each turn. The button or Esc stops it.",
  held: "Not listening while something plays or you are writing.",
  mute: "The microphone gives only silence. Is it muted, or is another one chosen in the browser?",
};
const STATES = {
  idle: "Microphone off",
  opening: "Opening",
  waiting: "Waiting",
  mute: "Waiting",
  held: "Resting",
  recording: "Hearing you",
  ending: "Hearing you",
};

class Test {
  #began = 0; // when the recording began
  #reading = Promise.resolve(); // utterances are transcribed one after the other
  #left = 0; // that are being transcribed or wait
  #phaseNow = "idle";

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.scope = new Scope(this.$(".li-wave"));
    this.meter = new Meter(this.$(".rec-meter"), this.$(".rec-clip"));
    this.heldout = new HeldOut(this.$(".li-verdicts"), this.$(".li-heldout"));
    remember(this.$(".li-try"), "speak", true);
    this.terms = new Terms(root);
    this.strength = new Strength(root, {
      onTried: () => this.$(".li-again").click(),
      onKept: (text) => this.#tell(text, "good"),
      onFailed: (error) => this.#tell(error.message, "bad"),
    });
    this.$(".li-short").onchange = () => this.$(".li-again").click();
    this.runs = new Runs(root, {
      onMain: (run) => this.#main(run),
      onChange: () => this.#prepare(),
      onTold: (text) => this.#tell(text, "look"),
    });
    const who = () => ({ ...this.runs.fields, run: this.runs.fields.run.slice(0, 1) });
    this.soFar = new Partial(this.$(".li-sofar"), who);
    this.live = new LiveWords(this.$(".li-live"), who, (starts) => this.scope.mark(starts));
    /** @type {Partial | LiveWords} */
    this.partial = this.soFar; // by the model
    this.turnEnds = new TurnEnds(root, (job) => this.#queue(job));
    this.mending = new Mending(root, ({ heard }) => best(heard));
    this.utterances = new Utterances(root, {
      onShow: (entry) => {
        this.#wave(entry);
        this.turnEnds.show(entry);
        this.mending.show(entry);
      },
      onProgress: (share) => this.scope.progress(share),
      onAgain: (entry) => this.#queue(() => this.#again(entry)),
    });
    this.modes = new Modes(root, {
      mode: (name) => this.#tell(HOW[name]),
      state: (name) => this.#phase(name),
      level: (peak, isRecording) => this.#level(peak, isRecording),
      take: (take, isCut) => this.#taken(take, isCut),
      error: (error) => this.#tell(error.message, "bad"),
      lost: (take, error) => this.#lost(take, error),
    });
    this.#listen();
  }

  #listen() {
    this.$(".li-open input").onchange = ({ target }) => this.#files([...target.files]).then(() => (target.value = ""));
    this.$(".li-to-speak").onclick = () => this.#toSpeak();
    this.$(".li-long").onclick = () => studio.open("longfile", this.#reader);
    this.root.ondragover = (event) => event.preventDefault();
    this.root.ondrop = (event) => {
      event.preventDefault();
      this.#files([...event.dataTransfer.files]);
    };
    const confidence = this.$(".li-confidence");
    confidence.onchange = () => {
      localStorage.setItem("studio.listen.confidence", confidence.checked ? "on" : "");
      this.root.classList.toggle("li-sure", confidence.checked);
    };
    confidence.checked = localStorage.getItem("studio.listen.confidence") === "on";
    confidence.onchange();
    for (const news of ["changed", "dataset", "model"]) studio.on(news, this.root, () => this.load());
    const onTab = () => (isShown(this.root) ? this.load() : this.modes.close());
    new IntersectionObserver(onTab).observe(this.root); // the tab comes to the front, or leaves it
  }

  /** Bring the microphone into sight: on a phone it lies below the answers. */
  #toSpeak() {
    this.$(".li-try").open = true;
    this.$(".li-hold").scrollIntoView({ block: "center" });
    this.modes.talk.button.focus({ preventScroll: true });
  }

  async load() {
    const error = await Promise.all([this.terms.load(), this.runs.load(), this.mending.load()]).then(
      () => null,
      (error) => error,
    );
    if (error) this.#tell(error.message, "bad");
    else if (this.isGone) this.#tell(HOW[this.modes.name]);
    this.isGone = error?.code === "Gone";
  }

  #main(run) {
    this.heldout.show(run);
    this.strength.show(run);
  }

  /** Load the models now, so that the first utterance is transcribed at once. */
  async #prepare() {
    const asked = this.runs.fields;
    this.utterances.wait(asked.model, asked.run);
    if (!asked.model || JSON.stringify(asked) === JSON.stringify(this.asked)) return;
    this.asked = asked;
    this.#ready("Loading the model …", "");
    try {
      const { longest, listens, fills } = await request("listen/prepare", { body: form(asked) });
      if (asked !== this.asked) return;
      this.$(".li-frames").hidden = !fills;
      this.modes.hears = longest;
      this.#writes(listens);
      this.#ready("Ready", "good");
    } catch (error) {
      if (asked !== this.asked) return;
      this.#ready("Not ready", "bad");
      this.#tell(error.message, "bad");
      if (error.code === "Gone") Object.assign(this, { asked: null, isGone: true }); // asked again when it is back
    }
  }

  /** During speech: words with their times, by a model that writes while it hears; else the text so far. */
  #writes(whileHearing) {
    this.partial = whileHearing ? this.live : this.soFar;
    this.live.readers = Math.min(2, 1 + this.runs.fields.run.length);
    this.$(".li-live").hidden = !whileHearing;
    this.$(".li-sofar").hidden = whileHearing;
  }

  #ready(word, kind) {
    this.$(".li-ready").className = `st-pill li-ready ${kind}`;
    this.$(".li-ready").textContent = word;
  }

  #tell(text, kind = "") {
    this.$(".li-message").className = `st-message li-message ${kind}`;
    this.$(".li-message").replaceChildren(...(kind ? [icon(kind === "good" ? "check" : "warning")] : []), text);
  }

  #phase(name) {
    const was = this.#phaseNow;
    this.#phaseNow = this.root.dataset.phase = name === "missed" ? "idle" : name;
    const isOn = name === "recording";
    if (name === "opening") this.$(".li-try").open = true; // the key T works wherever one is
    const isHold = this.modes?.name !== "free";
    this.$(".li-hold").classList.toggle("record", isOn);
    this.$(".li-hold").setAttribute("aria-pressed", `${isOn}`);
    this.$(".li-hold-text").textContent = isOn ? "Let go to stop" : "Hold to talk";
    this.$(".li-listen").classList.toggle("record", name !== "idle" && !isHold);
    this.$(".li-listen").setAttribute("aria-pressed", `${name !== "idle" && !isHold}`);
    this.$(".li-listen-text").textContent = name === "idle" || isHold ? "Start listening" : "Stop listening";
    if (name === "opening") silence();
    if (isOn) this.#begin();
    if (was === "recording") this.partial.end();
    if (was === "recording" && name !== "ending" && !this.#left) this.partial.clear(); // thrown away
    if (name === "idle") this.meter.rest();
    this.#state();
    const said = SAID[name]?.[this.modes?.name] ?? SAID[name];
    if (typeof said === "string" && !(this.#left && name === "waiting")) {
      this.#tell(said, name === "mute" ? "look" : "");
    } else if (name === "idle" && was !== "ending" && !this.#left) this.#tell(HOW[this.modes?.name ?? "hold"]);
  }

  #begin() {
    this.#began = performance.now();
    this.scope.clear();
    this.meter.forgetClipping();
    this.partial.begin();
  }

  /** What is going on, in a word: recording goes before transcribing, and transcribing before waiting. */
  #state() {
    const isHearing = ["recording", "ending", "opening"].includes(this.#phaseNow);
    this.$(".li-state").dataset.state = isHearing ? "hearing" : this.#left ? "reading" : this.#phaseNow;
    this.$(".li-state").textContent = this.#left && !isHearing ? "Transcribing" : STATES[this.#phaseNow];
  }

  #level(peak, isRecording) {
    this.meter.level(peak);
    if (!isRecording) return;
    this.scope.push(peak, this.modes.talk.since(0));
    this.$(".li-time").textContent = seconds((performance.now() - this.#began) / 1000);
    this.partial.consider(this.modes.talk);
  }

  #taken({ wav }, isCut) {
    const after = this.modes.name === "free" ? "What you say next is transcribed separately." : "Press again to go on.";
    const cut = `Cut at ${this.modes.longest.toFixed(0)} s, the longest that can be transcribed at once. ${after}`;
    return this.#hear(wav, isCut ? cut : "", this.modes.talk.lag);
  }

  #lost(take, error) {
    if (take) this.#hear(take.wav, `${error.what} What you said until then is transcribed.`);
    else this.#tell(error.message, "bad");
  }

  /** What transcribes a file that is too long for this tab. */
  get #reader() {
    return { run: this.runs.main?.name, model: this.runs.fields.model };
  }

  async #files(files) {
    for (const file of files) {
      if (await isLong(file)) return studio.open("longfile", { file, ...this.#reader });
      await this.#hear(file);
    }
  }

  /** `job` when all before it are done. */
  #queue(job) {
    this.#left += 1;
    this.#state();
    this.#reading = this.#reading.then(job).finally(() => {
      this.#left -= 1;
      this.#state();
    });
    return this.#reading;
  }

  /**
   * Transcribe one utterance, and show it; `note` says what else happened to it, `lag` how many seconds ago it ended.
   */
  #hear(sound, note = "", lag = null) {
    const asked = {
      ...this.runs.fields,
      dataset: studio.dataset(),
      sound,
      address: URL.createObjectURL(sound),
      ended: lag !== null && performance.now() - 1000 * lag,
    };
    return this.#queue(() => this.#read(asked, note));
  }

  async #again(entry) {
    const { run, model } = this.runs.fields;
    await this.#read({ ...entry, run, model, ended: false }, "", entry);
  }

  async #read(asked, note, entry = null) {
    const { sound, run, model, ended } = asked;
    this.#tell(note || "Transcribing …", note && "look");
    this.root.setAttribute("aria-busy", "true");
    try {
      /** @type {Server.UtteranceHypotheses} */
      const heard = await request("listen/hear", {
        body: form({ sound, run, model, ...this.terms.fields, ...this.strength.fields, ...this.#frames }),
      });
      const fields = { ...asked, heard, trouble: null };
      if (entry) this.utterances.renew(entry, fields);
      else this.utterances.add(fields);
      this.#ready("Ready", "good");
      this.#shown(heard, ended && (performance.now() - ended) / 1000, note);
    } catch (error) {
      this.#failed(error, asked, entry);
    }
    if (this.#phaseNow !== "recording") this.partial.clear();
    this.root.removeAttribute("aria-busy");
  }

  /** As a field of a request; other models than Whisper take no notice of it. */
  get #frames() {
    return this.$(".li-short").checked ? { short_frames: true } : {};
  }

  #shown({ columns, notes }, took, note) {
    if (isShown(this.root)) this.$(".li-columns").scrollIntoView({ block: "nearest" });
    const texts = columns.length === 1
      ? "The text"
      : columns.length === 2
      ? "Both texts"
      : `All ${columns.length} texts`;
    const stood = took ? `${texts} came ${latency(took)} after you stopped speaking.` : HOW[this.modes.name];
    const all = [note, ...notes].filter(Boolean);
    this.#tell([...all, stood].join(" "), all.length ? "look" : "");
  }

  /** What could not be transcribed is kept for another try, unless the sound itself is what is wrong. */
  #failed(error, asked, entry) {
    this.#tell(error.message, "bad");
    if (entry || error.code === "AudioError") return;
    this.utterances.add({ ...asked, trouble: error });
    this.runs.load().catch(() => {}); // a run may have been deleted
  }

  async #wave({ sound, heard }) {
    const content = await sound.arrayBuffer();
    const decoded = await new OfflineAudioContext(1, 1, 16_000).decodeAudioData(content).catch(() => null);
    if (["recording", "ending"].includes(this.#phaseNow)) return; // the next turn is being drawn
    this.$(".li-time").textContent = seconds(heard.columns[0].plain.seconds);
    if (decoded) this.scope.show(decoded.getChannelData(0));
  }
}

export function start({ element }) {
  new Test(element.querySelector(".li"));
}
