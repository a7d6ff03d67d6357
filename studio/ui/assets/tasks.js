// Long work on a dataset: what it does, n of N, time left, Cancel. Read from the server: a reload loses nothing.

import { Stream } from "./stream.js";
import { at, duration, icon, make, request } from "./studio.js";

const PHASES = {
  loading: "Loading the model",
  reading: "Transcribing the clips",
  aligning: "Timing the words",
  checking: "Checking the clips",
  importing: "Importing the clips",
  exporting: "Writing the files",
  training: "Training",
  writing: "Saving",
  waiting: "Waiting for another export of this run",
};
const ENDS = {
  finished: ["good", "check"],
  stopped: ["", "info"],
  interrupted: ["look", "warning"],
  failed: ["bad", "warning"],
};
const isOver = (status) => !["running", "stopping"].includes(status);

/**
 * Follow the task `name` of `dataset` in `element`; `ended(status, notes)` once it is over. Call `.close()` to let go.
 */
export function followTask(element, dataset, name, ended = () => {}) {
  return followAt(element, at("tasks", dataset, name), ended);
}

/** The same of a task that a room keeps elsewhere: `address` gives its state, and has `/events` and `/cancel`. */
export function followAt(element, address, ended = () => {}) {
  return new TaskView(element, address, ended).begin();
}

/** Follow the task of `dataset` that goes on now, if its name is among `names`; null where none does. */
export async function followRunning(element, dataset, names, ended) {
  /** @type {Server.TaskState[]} */
  const tasks = await request(at("tasks", dataset));
  const going = tasks.find((task) => names.includes(task.name) && !isOver(task.status));
  return going ? followTask(element, dataset, going.name, (status, notes) => ended(status, notes, going.name)) : null;
}

/** Follow what is at `address` like a task; `grown()` at each of its events, `count(n)` puts a number into words. */
export function follow(element, address, { ended, grown, count, phases }) {
  const view = new TaskView(element, address, ended);
  return Object.assign(view, { grown, count, phases: { ...PHASES, ...phases } }).begin();
}

class TaskView {
  isBroken = false; // the studio does not answer
  /** @type {() => void} */
  draw;
  /** @type {Stream} */
  stream;
  /** @type {(Server.Phase & { began: { at: number, done: number } }) | null} */
  phase;
  /** @type {string[]} */
  notes;
  /** @type {Server.Failed | null} */
  failed;

  constructor(element, address, ended) {
    this.element = element;
    this.address = address;
    this.ended = ended;
    this.phase = null;
    this.notes = [];
    this.failed = null;
    this.status = "running";
    this.what = "";
    this.skew = 0;
    this.grown = () => {};
    this.count = (number) => number.toLocaleString("en");
    this.phases = PHASES;
  }

  begin() {
    this.draw = this.frame();
    this.stream = new Stream(`${this.address}/events`, {
      data: (events) => events.forEach((event) => this.add(event)),
      state: (state) => this.show(state),
      restart: () => Object.assign(this, { phase: null, notes: [], failed: null }),
      end: () => this.end(),
      trouble: (isBroken) => Object.assign(this, { isBroken }).draw(),
    });
    this.stream.isWanted = true;
    this.clock = setInterval(() => (this.element.isConnected ? this.draw() : this.close()), 1000);
    request(this.address).then((task) => {
      this.what = task.what;
      this.draw();
    }).catch(() => {});
    return this;
  }

  close() {
    clearInterval(this.clock);
    this.stream.close();
  }

  add(event) {
    if (event.type === "phase") {
      this.phase = {
        ...event,
        began: this.phase && this.phase.name === event.name ? this.phase.began : { at: event.at, done: event.done },
      };
    }
    if (event.type === "noted") this.notes.push(event.message);
    if (event.type === "failed") this.failed = event;
    this.grown();
    this.draw();
  }

  show(state) {
    this.status = state.status;
    this.skew = state.now - Date.now() / 1000;
    this.draw();
  }

  end() {
    this.close();
    this.draw();
    this.ended(this.status, this.notes);
  }

  frame() {
    const [title, figures, bar] = [
      make("b"),
      make("span", { class: "st-quiet st-small st-number" }),
      make("progress", { class: "task-bar", "aria-label": "Progress" }),
    ];
    const cancel = make(
      "button",
      { type: "button", class: "st-button small", onclick: () => this.cancel() },
      icon("close"),
      "Cancel",
    );
    const said = make("p", { class: "st-hidden", role: "status" });
    const row = make("div", { class: "task-row" }, make("div", { class: "st-grow" }, title, figures), cancel);
    this.element.replaceChildren(make("div", { class: "task" }, row, bar, said));
    return () => {
      if (isOver(this.status)) return this.last();
      title.textContent = this.status === "stopping" ? "Cancelling" : this.what || "Starting";
      cancel.disabled = this.status === "stopping";
      figures.textContent = this.figures();
      if (said.textContent !== title.textContent) said.textContent = title.textContent; // each figure is not announced
      if (this.phase?.total) Object.assign(bar, { max: this.phase.total, value: this.phase.done });
      else bar.removeAttribute("value");
    };
  }

  figures() {
    if (this.isBroken) return "The studio does not answer; trying again.";
    if (!this.phase) return "starting";
    const { name, done, total } = this.phase;
    return [this.phases[name] || name, total ? `${this.count(done)} of ${this.count(total)}` : null, this.left()]
      .filter(Boolean).join("  ·  ");
  }

  /** The time left, once there are two seconds to go by. */
  left() {
    if (!this.phase) return null;
    const { done, total, began } = this.phase;
    const [lasted, made] = [Date.now() / 1000 + this.skew - began.at, done - began.done];
    return lasted > 2 && made > 0 && done < total ? `about ${duration((lasted / made) * (total - done))} left` : null;
  }

  last() {
    const [kind, picture] = ENDS[this.status] || ENDS.interrupted;
    const failure = this.failed && [this.failed.message, this.failed.remedy].filter(Boolean).join(" ");
    const texts = {
      stopped: "Cancelled. What was finished is kept.",
      interrupted: "It was interrupted. Start it again; what was finished is kept.",
    };
    const text = (this.status === "failed" && failure) || texts[this.status] || this.notes.join(" ") || "Done.";
    this.element.replaceChildren(
      make(
        "div",
        { class: `st-message ${kind}`, role: "status" },
        icon(picture),
        make("p", { class: "st-grow" }, text),
      ),
    );
  }

  async cancel() {
    this.status = "stopping";
    this.draw();
    await request(`${this.address}/cancel`, { method: "POST" }).catch(() => {});
  }
}
