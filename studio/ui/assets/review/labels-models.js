// What a model does for labels, as a background task: transcribing clips, and looking for wrong labels.

import { at, counted, icon, make, request, studio } from "../studio.js";
import { followRunning, followTask } from "../tasks.js";

export class Reader {
  /**
   * Offers models in `box` and runs the task `name`; `button(count)` is what its button says, `ended()` comes after;
   * `more()` is what else is asked for.
   */
  constructor(box, name, room, button, ended, more = () => ({})) {
    this.box = box;
    this.name = name;
    this.room = room;
    this.button = button;
    this.ended = ended;
    this.more = more;
    this.task = null;
    this.place = make("div", { class: "lab-task" });
    this.choice = make("select", { class: "st-select", id: `lab-reader-${name}` });
    this.go = make("button", { type: "button", class: "st-button", onclick: () => this.#start() });
    const field = make(
      "div",
      { class: "lab-field" },
      make("label", { class: "st-label", for: this.choice.id }, "Model"),
      this.choice,
    );
    this.form = make("div", { class: "lab-form" }, field, this.go);
    box.replaceChildren(this.form, this.place);
  }

  /** Show the models, and the task where it goes on; `isFirst` where nothing has come of it yet. */
  async show(standing, isFirst) {
    this.go.classList.toggle("primary", isFirst); // later the list below has the button that matters
    const chosen = this.choice.value;
    this.readers = standing.readers;
    this.choice.replaceChildren(
      ...this.readers.map((reader, place) => make("option", { value: String(place) }, reader.title)),
    );
    if (chosen) this.choice.value = chosen;
    this.clips = standing.clips;
    this.go.textContent = this.button(this.clips);
    this.go.disabled = !standing.clips || !this.readers.length;
    if (this.task) return;
    this.#free(true);
    this.task = await followRunning(this.place, studio.dataset(), [this.name], (...end) => this.#end(...end)).catch(
      () => null,
    );
    this.#free(!this.task);
  }

  /** Another dataset: what goes on here belongs to the one before. */
  leave() {
    this.task?.close();
    this.task = null;
    this.place.replaceChildren();
  }

  #free(is) {
    this.form.hidden = !is;
  }

  async #start() {
    const { model, adapter } = this.readers[Number(this.choice.value)];
    this.go.disabled = true;
    this.go.textContent = "Starting …";
    try {
      await request(`labels/${at(studio.dataset(), this.name)}`, {
        body: { selection: { ...this.room.selection, expected: null }, model, adapter, ...this.more() },
      });
      this.#free(false);
      this.task = followTask(this.place, studio.dataset(), this.name, (...end) => this.#end(...end));
    } catch (error) {
      this.room.fail(error);
    } finally {
      this.go.disabled = false;
      this.go.textContent = this.button(this.clips);
    }
  }

  #end(status) {
    this.task = null;
    this.#free(true);
    if (status === "finished") studio.changed();
    this.ended(status);
  }
}

/** What a search for wrong labels came to, and the way to the list of them in Review. */
export function verdict({ doubted, likely, clips }, close) {
  if (!doubted) {
    const words =
      "A model transcribes every clip and compares its transcript with the label. Labels that it finds very " +
      "unlikely, and would write differently, come first. A model tuned on your voice finds more than one that does" +
      " not know it.";
    return make(
      "div",
      { class: "st-empty" },
      icon("search"),
      make("h3", {}, "The labels have not been checked yet"),
      make("p", {}, words),
    );
  }
  const text = likely
    ? `${likely.toLocaleString("en")} of ${counted(doubted, "clip")} may have a wrong label.`
    : `${counted(doubted, "label")} checked: none looks wrong.`;
  const rest = clips > doubted ? ` ${counted(clips - doubted, "was", "were")} not checked.` : "";
  const show = () => {
    close();
    studio.open("review-query", { query: "suspicion > 0.5", sort: "-suspicion" });
  };
  const button = likely
    ? make(
      "button",
      { type: "button", class: "st-button primary", onclick: show },
      icon("next"),
      "Go through them in Review",
    )
    : null;
  return make(
    "div",
    { class: "lab-found" },
    make(
      "div",
      { class: `st-message ${likely ? "look" : "good"}` },
      icon(likely ? "warning" : "check"),
      make("p", { class: "st-grow" }, text + rest),
    ),
    button,
  );
}
