// The dialog of a whole dataset: rename it, empty its trash, delete it for good.

import { at, counted, duration, icon, make, messages, request, studio } from "../studio.js";

export const start = ({ element, trigger }) => new Whole(element.querySelector("dialog"), trigger);

const amount = ({ clips, seconds }) => `${counted(clips, "clip")} (${duration(seconds)})`;

class Whole {
  /** `trigger("input")` makes the sidebar's list of datasets follow. */
  constructor(dialog, trigger) {
    this.dialog = dialog;
    this.trigger = trigger;
    this.name = "";
    this.$ = (selector) => dialog.querySelector(selector);
    const { tell, fail } = messages(this.$(".set-done"), this.$(".set-fault"));
    this.tell = tell;
    this.fail = fail;
    const actions = {
      close: () => dialog.close(),
      "ask-empty": () => this.#sure(true),
      keep: () => this.#sure(false),
      empty: () => this.#empty(),
    };
    dialog.addEventListener("click", ({ target }) => actions[target.closest("button[data-do]")?.dataset.do]?.());
    dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.target.dataset.do === "rename") this.#rename();
      else this.#delete();
    });
    this.$("#set-confirm").oninput = (
      { target },
    ) => (this.$("[data-do=delete] button").disabled = target.value.trim() !== this.name);
    studio.on("open:dataset", dialog, () => this.open());
  }

  async open() {
    if (this.dialog.open || !studio.dataset()) return;
    this.tell();
    this.$(".set-delete").open = false;
    await this.#look(studio.dataset());
    this.dialog.showModal();
  }

  async #look(name) {
    this.name = name;
    this.$("#set-title").textContent = name;
    this.$("#set-name").value = name;
    this.$("#set-confirm").value = "";
    this.$("[data-do=delete] button").disabled = true;
    this.$("[for=set-confirm]").textContent = `Type “${name}” to confirm`;
    this.#sure(false);
    const found = await request(at("datasets", name)).catch((error) => this.fail(error));
    for (const part of this.dialog.querySelectorAll(".set-part")) part.hidden = !found;
    this.$(".set-holds").textContent = found
      ? `${amount(found.clips)}${found.runs.length ? `, ${counted(found.runs.length, "run")}` : ""}`
      : "";
    if (!found) return;
    this.$(".set-trash span").textContent = found.trash.clips
      ? `In the trash: ${amount(found.trash)}`
      : "The trash is empty.";
    this.$("[data-do=ask-empty]").hidden = !found.trash.clips;
    this.$(".set-loss").textContent = found.loss;
  }

  #sure(isAsked) {
    this.$(".set-sure").hidden = !isAsked;
    this.$("[data-do=ask-empty]").disabled = isAsked;
    if (isAsked) this.$("[data-do=keep]").focus();
  }

  async #rename() {
    const before = this.name;
    try {
      const { name } = await request(at("datasets", before, "rename"), { body: { to: this.$("#set-name").value } });
      studio.choose(name, studio.model());
      this.trigger("input");
      await this.#look(name);
      const undo = make(
        "button",
        {
          type: "button",
          class: "st-button small",
          onclick: () => ((this.$("#set-name").value = before), this.#rename()),
        },
        icon("undo"),
        "Undo",
      );
      this.tell(`${before} is now called ${name}.`, undo);
    } catch (error) {
      this.fail(error);
    }
  }

  async #empty() {
    try {
      const gone = await request(at("datasets", this.name, "empty-trash"), { method: "POST" });
      await this.#look(this.name);
      this.tell(`Deleted for good: ${amount(gone)}.`);
      studio.changed();
    } catch (error) {
      this.fail(error);
    }
  }

  async #delete() {
    try {
      await request(at("datasets", this.name, "delete"), { body: { confirm: this.$("#set-confirm").value } });
      this.dialog.close();
      this.trigger("input"); // the one last used is chosen
    } catch (error) {
      this.fail(error);
    }
  }
}
