// The card “About this run”: its name, a note, its settings, and training again with the same settings.

import { at, icon, make, messages, request } from "../studio.js";

const SKELETON = `
  <div class="about-head"><h3>About this run</h3><span class="st-grow"></span>
    <button type="button" class="st-button small" data-do="again">Train again like this</button></div>
  <div class="st-message bad about-fault" role="alert" hidden></div>
  <div class="st-message good about-done" role="status" hidden></div>
  <form data-do="note"><label class="st-label" for="about-note">Note</label>
    <div class="about-line"><textarea id="about-note" class="st-field" rows="2" maxlength="2000"
        placeholder="What this run was for"></textarea><button class="st-button small">Save note</button></div></form>
  <form data-do="rename"><label class="st-label" for="about-name">Name</label>
    <div class="about-line"><input id="about-name" class="st-field" maxlength="64" autocomplete="off"
        spellcheck="false" required /><button class="st-button small">Rename</button></div></form>
  <details><summary>Settings</summary><dl class="about-settings"></dl></details>`;

export class About {
  /** @type {Map<string, string>} */
  names;
  #shown = { name: "", note: "" }; // as the server has it
  #asked = 0;

  /** Fills `element`; `on` has `renamed(before, run)`, `again(values)` and `noted()`. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.run = "";
    this.status = "";
    element.innerHTML = SKELETON;
    this.$ = (selector) => element.querySelector(selector);
    const { tell, fail } = messages(this.$(".about-done"), this.$(".about-fault"));
    this.tell = tell;
    this.fail = fail;
    this.$("[data-do=again]").onclick = () => on.again(this.settings);
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.target.dataset.do === "note") this.#note();
      else this.#rename(this.$("#about-name").value);
    });
  }

  /** Show the run `name` of the tab's `form`, or nothing; what is being typed stays. */
  show(name, /** @type {Server.Form} */ form) {
    const status = form.runs.find((run) => run.name === name)?.status ?? "";
    if (!name) this.element.hidden = true;
    if (name === this.run && status === this.status) return;
    if (name !== this.run) this.tell();
    Object.assign(this, { run: name, status });
    this.names = new Map(Object.values(form.knobs).flat().map((knob) => [knob.name, knob.label])).set(
      "dataset",
      "Dataset",
    ).set("model", "Base model");
    if (name) this.#look(name);
  }

  async #look(name) {
    const asked = (this.#asked += 1);
    const found = await request(`train/runs/${at(name)}`).catch(() => null);
    if (asked !== this.#asked) return;
    this.element.hidden = !found;
    if (!found) return;
    this.settings = found.settings;
    const note = this.$("#about-note");
    if (name !== this.#shown.name || note.value === this.#shown.note) note.value = found.note; // not being edited
    if (name !== this.#shown.name) this.$("#about-name").value = name;
    this.#shown = { name, note: found.note };
    for (const field of this.element.querySelectorAll("[data-do=rename] :is(input, button)")) {
      field.disabled = !found.is_over;
    }
    const rows = Object.entries(found.settings).map(([setting, value]) =>
      make(
        "div",
        { class: found.changed.includes(setting) ? "changed" : null },
        make("dt", {}, this.names.get(setting) ?? setting),
        make("dd", {}, String(value)),
      )
    );
    this.$(".about-settings").replaceChildren(...rows);
  }

  async #note() {
    try {
      const note = this.$("#about-note").value;
      await request(`train/runs/${at(this.run)}/note`, { body: { note } });
      this.#shown.note = note;
      this.tell("Note saved.");
      this.on.noted();
    } catch (error) {
      this.fail(error);
    }
  }

  async #rename(to) {
    const before = this.run;
    try {
      const { name } = await request(`train/runs/${at(before)}/rename`, { body: { to } });
      await this.on.renamed(before, name);
      this.tell(
        `${before} is now called ${name}.`,
        make(
          "button",
          {
            type: "button",
            class: "st-button small",
            onclick: () => this.#rename(before),
          },
          icon("undo"),
          "Undo",
        ),
      );
    } catch (error) {
      this.fail(error);
    }
  }
}
