// The dialog for recordings longer than the model hears: which one → progress and growing text → four formats.

import { at, duration, form, gone, icon, isGone, make, request, studio } from "../studio.js";
import { follow } from "../tasks.js";

const HEARD = 30; // seconds: what every model hears at once
const LARGEST = 64 << 20; // bytes that the Test tab takes
const ENDS = {
  finished: "done",
  running: "in progress",
  stopping: "stopping",
  stopped: "stopped",
  interrupted: "interrupted",
  failed: "failed",
};
const isOver = (status) => !["running", "stopping"].includes(status);

/** 3754 seconds as `1:02:34`. */
const clock = (value) => {
  const [whole, two] = [Math.floor(value), (number) => `${number}`.padStart(2, "0")];
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

/** Seconds that `file` lasts, as the browser sees it; 0 where it cannot tell. */
function lasts(file) {
  const [sound, address] = [new Audio(), URL.createObjectURL(file)];
  const length = new Promise((tell) =>
    Object.assign(sound, { onloadedmetadata: () => tell(sound.duration), onerror: () => tell(0) })
  );
  sound.src = address;
  return length.finally(() => URL.revokeObjectURL(address));
}

/** Whether `file` is more than the Test tab's model hears at once: this dialog takes it then. */
export const isLong = async (file) => file.size > LARGEST || (await lasts(file)) > HEARD;

export const start = ({ element }) => new LongFile(element.querySelector("dialog"));

class LongFile {
  constructor(dialog) {
    this.dialog = dialog;
    this.file = null;
    this.who = {};
    this.shown = null;
    this.task = null;
    this.count = 0;
    this.isAsking = null;
    this.isGrowing = false;
    this.$ = (selector) => dialog.querySelector(selector);
    this.sound = this.$(".lf-sound");
    const deeds = {
      close: () => dialog.close(),
      list: () => this.list(),
      begin: () => this.#begin(),
      again: () => this.#again(),
      remove: () => this.#remove(),
    };
    dialog.addEventListener("click", ({ target }) => deeds[target.closest("[data-do]")?.dataset.do]?.());
    dialog.addEventListener("close", () => this.#letGo());
    this.$(".lf-open input").onchange = ({ target }) => this.#offer(target.files[0]).then(() => (target.value = ""));
    this.sound.ontimeupdate = () => this.#mark();
    studio.on("open:longfile", dialog, (detail) => this.open(detail));
  }

  /** Show the dialog: for `file`, transcribed by `run` on `model`; without a file, all that there is.
   *  @param {{ file?: File, run?: string, model?: string }} asked */
  open({ file, run = "", model = studio.model() } = {}) {
    this.who = { run, model };
    if (!this.dialog.open) this.dialog.showModal();
    return file ? this.#offer(file) : this.list();
  }

  #show(step, title) {
    this.#fault(null);
    this.dialog.dataset.step = step;
    this.$("#lf-title").textContent = title;
  }

  #fault(error) {
    this.$(".lf-fault").hidden = !error;
    this.$(".lf-fault").replaceChildren(...(error ? [icon("warning"), make("p", {}, error.message)] : []));
  }

  #letGo() {
    this.task?.close();
    this.sound.pause();
    this.sound.removeAttribute("src");
    this.shown = this.task = null;
  }

  /** All recordings that were given, the latest first. */
  async list() {
    this.#letGo();
    this.#show("list", "Long files");
    try {
      const files = await request("longfile");
      this.$(".lf-list").replaceChildren(...files.map((file) => this.#entry(file)));
    } catch (error) {
      this.#fault(error);
    }
  }

  #entry(file) {
    const figures = [duration(file.seconds), file.run || file.model, ENDS[file.status]].join("  ·  ");
    const open = () => this.#follow(file);
    return make(
      "li",
      {},
      make(
        "button",
        { type: "button", onclick: open },
        make("b", {}, file.name),
        make("span", { class: "st-quiet st-small st-number" }, figures),
      ),
    );
  }

  async #offer(file) {
    this.file = file;
    const length = await lasts(file);
    this.#show("new", "Transcribe a long file");
    this.$(".lf-name").textContent = length && Number.isFinite(length)
      ? `${file.name}  ·  ${duration(length)}`
      : file.name;
    this.$(".lf-how").textContent = `Transcribed piece by piece${
      this.who.run ? "" : ` by ${this.who.model}`
    }. It continues after you close the page.`;
    this.$(".lf-who").hidden = !this.who.run;
    this.$(".lf-run").textContent = this.who.run;
    this.$(".lf-base").textContent = `${this.who.model} alone`;
    this.#sending(false);
    this.$(".lf-begin").focus();
  }

  #sending(isGoing) {
    this.$(".lf-sending").hidden = !isGoing;
    this.$(".lf-begin").disabled = isGoing;
  }

  async #begin() {
    const run = this.$("[name=lf-who]:checked").value === "run" ? this.who.run : "";
    this.#sending(true);
    try {
      this.#follow(await request("longfile", { body: form({ sound: this.file, run, model: this.who.model }) }));
    } catch (error) {
      this.#fault(error);
    }
    this.#sending(false);
  }

  /** Show one recording, and its text as it grows. */
  #follow(file) {
    this.#letGo();
    this.#show("one", file.name);
    this.shown = file.id;
    this.count = 0;
    this.isGrowing = !isOver(file.status);
    this.$(".lf-about").textContent = `${duration(file.seconds)}  ·  transcribed by ${
      file.run ? `${file.run} on ` : ""
    }${file.model}`;
    this.$(".lf-lines").replaceChildren();
    this.sound.src = new URL(`studio/${at("longfile", file.id, "sound")}`, document.baseURI).href;
    for (const link of this.dialog.querySelectorAll("[data-kind]")) {
      link.href = `studio/${at("longfile", file.id, "download", link.dataset.kind)}`;
    }
    this.#stand("running");
    this.task = follow(this.$(".lf-task"), at("longfile", file.id, "task"), {
      ended: (status) => this.#grow().then(() => this.#stand(status)),
      grown: () => this.#grow(),
      count: clock,
      phases: { reading: "Transcribing" },
    });
  }

  #stand(status) {
    this.$(".lf-take").hidden = status !== "finished";
    this.$(".lf-again").hidden = !isOver(status) || status === "finished";
    this.$(".lf-delete").hidden = !isOver(status);
    this.$(".lf-delete").textContent = "Delete";
    if (status === "finished") this.$(".lf-task").replaceChildren(); // the text and its formats say it
    if (status === "finished" && !this.count) {
      this.$(".lf-task").replaceChildren(
        make(
          "div",
          { class: "st-message look", role: "status" },
          icon("info"),
          make("p", {}, "No speech was found in this recording."),
        ),
      );
    }
  }

  /** Append what was transcribed since; one request at a time. */
  async #grow() {
    const id = this.shown;
    if (!id || this.isAsking) return this.isAsking;
    const asking = request(`${at("longfile", id)}?after=${this.count}`).catch(() => null);
    this.isAsking = asking;
    const found = await asking;
    this.isAsking = null;
    if (!found || id !== this.shown) return;
    const [lines, isAtEnd] = [this.$(".lf-lines"), this.#isAtEnd()];
    this.count += found.segments.length;
    lines.append(...found.segments.filter(({ text }) => text).map((segment) => this.#line(segment)));
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  }

  #isAtEnd() {
    const lines = this.$(".lf-lines");
    return this.isGrowing && lines.scrollTop + lines.clientHeight > lines.scrollHeight - 40;
  }

  #line({ start, end, text }) {
    const play = () => {
      this.sound.currentTime = start;
      this.sound.play().catch(async () =>
        this.#fault((await isGone()) ? gone() : { message: "This browser cannot play the recording." })
      );
    };
    const button = make("button", {
      type: "button",
      class: "st-button plain small lf-time",
      "aria-label": `Play from ${clock(start)}`,
      onclick: play,
    }, clock(start));
    const line = make("li", {}, button, make("p", {}, text));
    return Object.assign(line, { span: [start, end] });
  }

  #mark() {
    const now = this.sound.currentTime;
    for (const line of this.$(".lf-lines").children) {
      line.classList.toggle("now", !this.sound.paused && line.span[0] <= now && now < line.span[1]);
    }
  }

  async #again() {
    const id = this.shown;
    try {
      this.#follow(await request(at("longfile", id, "begin"), { method: "POST" }));
    } catch (error) {
      this.#fault(error);
    }
  }

  async #remove() {
    const [id, button] = [this.shown, this.$(".lf-delete")];
    if (button.textContent === "Delete") return (button.textContent = "Delete text and recording");
    this.sound.removeAttribute("src");
    try {
      await request(at("longfile", id, "delete"), { method: "POST" });
      await this.list();
    } catch (error) {
      this.#fault(error);
    }
  }
}
