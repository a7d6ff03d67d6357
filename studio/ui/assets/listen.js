// The Test tab: pick a run, speak or open a file, and read what was written before and after.

import { HeldOut } from "./heldout.js";
import { HoldToTalk } from "./hold.js";
import { Utterances, form } from "./heard.js";
import { silence } from "./player.js";
import { Meter, Scope } from "./scope.js";
import { icon, isShown, make, request, seconds, studio } from "./studio.js";

const HOW = "Hold the button, or the key T, and say a sentence. If you cannot hold, press once to begin and once to end.";
const SAID = {
  opening: "Opening the microphone …",
  recording: "Listening. Let go when you are done; Esc throws it away.",
  ending: "One moment …",
  missed: "The microphone is open now. Hold the button again and speak.",
};
const percent = (share) => `${(100 * share).toFixed(1)} %`;

class Test {
  #runs = [];
  #shown; // the run that the page stands for; undefined before the first
  #began = 0; // when the recording began

  constructor(root) {
    this.root = root;
    this.$ = (selector) => root.querySelector(selector);
    this.scope = new Scope(this.$(".li-wave"));
    this.meter = new Meter(this.$(".rec-meter"), this.$(".rec-clip"));
    this.heldout = new HeldOut(this.$(".li-heldout"));
    this.utterances = new Utterances(root, { onShow: (entry) => this.#wave(entry), onProgress: (share) => this.scope.progress(share) });
    this.hold = new HoldToTalk(this.$(".li-hold"), {
      state: (name) => this.#phase(name),
      level: (peak, isRecording) => this.#level(peak, isRecording),
      take: (take) => this.#hear(take.wav),
      error: (error) => this.#tell(error.message, "bad"),
    });
    this.#listen();
    this.#tell(HOW);
  }

  #listen() {
    this.$(".li-runs").onchange = () => this.#choose();
    this.$(".li-open input").onchange = ({ target }) => this.#files([...target.files]).then(() => (target.value = ""));
    this.root.ondragover = (event) => event.preventDefault();
    this.root.ondrop = (event) => {
      event.preventDefault();
      this.#files([...event.dataTransfer.files]);
    };
    for (const news of ["changed", "dataset", "model"]) studio.on(news, this.root, () => this.load());
    const onTab = () => (isShown(this.root) ? this.load() : this.hold.close());
    new IntersectionObserver(onTab).observe(this.root); // the tab comes to the front, or leaves it
  }

  get run() {
    return this.#runs.find(({ name }) => name === this.$(".li-runs").value) ?? null;
  }

  /** Read the list of runs again; the chosen one stays, or else the newest of the dataset in hand is taken. */
  async load() {
    const picker = this.$(".li-runs");
    const chosen = picker.value;
    try {
      this.#runs = await request("listen/runs");
    } catch (error) {
      return this.#tell(error.message, "bad");
    }
    const options = this.#runs.map(({ name }) => make("option", { value: name }, name));
    picker.replaceChildren(...(options.length ? options : [make("option", { value: "" }, "No run has finished yet")]));
    picker.disabled = !options.length;
    const latest = this.#runs.find(({ dataset }) => dataset === studio.dataset()) ?? this.#runs[0];
    picker.value = this.#runs.some(({ name }) => name === chosen) ? chosen : (latest?.name ?? "");
    if (this.run?.name !== this.#shown?.name || this.#shown === undefined) this.#choose();
    else this.#prepare();
  }

  #choose() {
    const run = (this.#shown = this.run);
    this.root.classList.toggle("has-run", run !== null);
    this.$(".li-about").textContent = run ? this.#about(run) : "";
    this.$(".li-before .li-who").textContent = run?.model ?? studio.model();
    this.$(".li-after .li-who").textContent = run?.name ?? "";
    this.heldout.show(run);
    this.#prepare();
  }

  #about({ model, dataset, wer_before: before, wer_after: after }) {
    const wer = after === null ? "" : before === null ? ` · WER ${percent(after)}` : ` · WER ${percent(before)} → ${percent(after)}`;
    return `${model}${dataset ? `, fine-tuned on ${dataset}` : ""}${wer}`;
  }

  get #who() {
    return this.run ? { run: this.run.name, model: this.run.model } : { run: "", model: studio.model() };
  }

  /** Load the model now, so that the first utterance is read at once. */
  async #prepare() {
    const asked = this.#who;
    if (!asked.model || (asked.model === this.asked?.model && asked.run === this.asked.run)) return;
    this.asked = asked;
    this.#ready("Loading the model …", "");
    try {
      await request("listen/prepare", { body: form(asked) });
      if (asked === this.asked) this.#ready("Ready", "good");
    } catch (error) {
      if (asked !== this.asked) return;
      this.#ready("Not ready", "bad");
      this.#tell(error.message, "bad");
    }
  }

  #ready(word, kind) {
    this.$(".li-ready").className = `st-pill li-ready ${kind}`;
    this.$(".li-ready").textContent = word;
  }

  #tell(text, kind = "") {
    this.$(".li-message").className = `st-message li-message ${kind}`;
    this.$(".li-message").replaceChildren(...(kind ? [icon("warning")] : []), text);
  }

  #phase(name) {
    this.root.dataset.phase = name;
    const isOn = name === "recording";
    this.$(".li-hold").classList.toggle("record", isOn);
    this.$(".li-hold").setAttribute("aria-pressed", `${isOn}`);
    this.$(".li-hold-text").textContent = isOn ? "Let go to read" : "Hold to talk";
    if (name === "opening") silence();
    if (isOn) {
      this.#began = performance.now();
      this.scope.clear();
      this.meter.forgetClipping();
    }
    if (name === "idle") this.meter.rest();
    this.#tell(SAID[name] ?? HOW);
  }

  #level(peak, isRecording) {
    this.meter.level(peak);
    if (!isRecording) return;
    this.scope.push(peak);
    this.$(".li-time").textContent = seconds((performance.now() - this.#began) / 1000);
  }

  async #files(files) {
    for (const file of files) await this.#hear(file);
  }

  /** Have one utterance read, and show it. */
  async #hear(sound) {
    const who = this.#who;
    this.#tell("Reading …");
    this.root.setAttribute("aria-busy", "true");
    try {
      const heard = await request("listen/hear", { body: form({ sound, ...who }) });
      this.utterances.add({ sound, address: URL.createObjectURL(sound), ...who, dataset: studio.dataset(), heard });
      this.#ready("Ready", "good");
      this.#tell(heard.notes.join(" ") || HOW, heard.notes.length ? "look" : "");
    } catch (error) {
      this.#tell(error.message, "bad");
    }
    this.root.removeAttribute("aria-busy");
  }

  async #wave({ sound, heard }) {
    const content = await sound.arrayBuffer();
    const decoded = await new OfflineAudioContext(1, 1, 16_000).decodeAudioData(content).catch(() => null);
    this.$(".li-time").textContent = seconds(heard.before.seconds);
    if (decoded) this.scope.show(decoded.getChannelData(0));
  }
}

export function start({ element }) {
  new Test(element.querySelector(".li"));
}
