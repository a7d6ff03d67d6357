// The list of base models: one line each, and only the chosen one says more. The last line takes any other model.

import { icon, make, request, studio } from "../studio.js";

export const megabytes = (
  bytes,
) => (!bytes ? "" : bytes < 1e9 ? `${Math.round(bytes / 1e6)}\u00a0MB` : `${(bytes / 1e9).toFixed(1)}\u00a0GB`);
const millions = (
  count,
) => (count >= 1e6
  ? `${Math.round(count / 1e6)}\u00a0M parameters`
  : count
  ? `${Math.round(count / 1e3)}\u00a0k parameters`
  : "");
/** @type {Record<string, [string, (size: string) => string, (size: string) => string]>} */
const STATES = {
  bundled: ["check", () => "bundled", () => "comes with the studio"],
  "on disk": ["check", () => "on this disk", () => "ready to use"],
  download: ["download", (size) => size || "download", (size) => `needs a download${size ? ` of ${size}` : ""} first`],
};
const HELP =
  "The folder holds config.json and model.safetensors. A Hub id looks like owner/name; nothing is downloaded until " +
  "you press Download.";

export class Models {
  /** @type {HTMLInputElement} */
  radio;
  /** @type {HTMLInputElement} */
  source;
  /** @type {HTMLElement} */
  refused;
  #shown = "";
  #models = [];

  /** Fills `box`; `on` has `asked()`, when another model is asked for or no longer, and `changed()`, of the list. */
  constructor(box, on) {
    this.box = box;
    this.on = on;
    this.another = this.#another();
    box.addEventListener("change", ({ target }) => {
      if (target.name !== "train-model") return;
      if (target.value) studio.chooseModel(target.value);
      this.on.asked();
    });
  }

  /** The id of the chosen model; empty before there is one. */
  get value() {
    return this.box.querySelector("[name=train-model]:checked")?.value || "";
  }

  /** Whether the line for another model is open: then none is chosen. */
  get isAsking() {
    return this.radio.checked;
  }

  /** Draw the list again if it has changed. */
  show(/** @type {Server.Model[]} */ models) {
    const shown = JSON.stringify(models);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#models = models;
    const on = { forget: (id) => this.#forget(id), speak: (id, language) => this.#speak(id, language) };
    this.box.replaceChildren(...models.map((model) => line(model, on)), this.another);
  }

  /** Mark the model `id`, unless another one is being asked for. */
  choose(id) {
    if (this.isAsking) return;
    for (const field of this.box.querySelectorAll("[name=train-model]")) field.checked = field.value === id;
  }

  /** Open the line for another model. */
  askForAnother() {
    this.radio.checked = true;
    this.on.asked();
    this.source.focus();
  }

  /** Shut it: a model was chosen elsewhere. */
  leaveAnother() {
    this.radio.checked = false;
  }

  #another() {
    this.radio = make("input", { type: "radio", name: "train-model", value: "", id: "train-another" });
    this.source = make("input", {
      id: "train-source",
      class: "st-field",
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "/home/me/my-model or owner/name",
      "aria-describedby": "train-source-help",
    });
    this.refused = make("p", { class: "train-refused", role: "alert" });
    const add = make("button", { type: "submit", class: "st-button" }, "Add");
    const form = make(
      "form",
      { class: "train-more", onsubmit: (event) => this.#add(event) },
      make("label", { class: "st-label", for: "train-source" }, "Folder on the studio’s computer, or Hub id"),
      make("div", { class: "train-adding" }, this.source, add),
      this.refused,
      make("p", { id: "train-source-help", class: "st-quiet" }, HELP),
    );
    return make(
      "div",
      { class: "train-line train-another" },
      this.radio,
      make("label", { for: "train-another" }, make("b", {}, "Another model …")),
      form,
    );
  }

  async #add(event) {
    event.preventDefault();
    this.refused.textContent = "";
    try {
      const { id } = await request("models/add", { body: { source: this.source.value } });
      this.source.value = "";
      this.radio.checked = false;
      this.#use(id);
    } catch (error) {
      this.refused.textContent = error.message;
      this.source.focus();
    }
  }

  /** The model `id` in another language: a line of its own, so that runs in two languages can be distinguished. */
  async #speak(id, language) {
    const source = `${withoutLanguage(id)}:${language}`;
    const { id: added } = await request("models/add", { body: { source } });
    this.#use(added);
    this.box.querySelector(`[name=train-model][value="${CSS.escape(added)}"]`)?.focus();
  }

  async #forget(id) {
    await request("models/forget", { body: { source: id } }).catch(() => {}); // then it is still listed
    const left = this.#models.filter((model) => model.id !== id);
    const other = left.find((model) => model.id === withoutLanguage(id)) ?? left[0];
    this.#use(id === studio.model() ? other.id : studio.model());
  }

  #use(id) {
    studio.chooseModel(id);
    this.on.changed();
  }
}

/** The model that `id` names, whatever its language: `openai/whisper-base:de` is `openai/whisper-base`. */
export const withoutLanguage = (/** @type {string} */ id) => id.replace(/:[a-z]{2,3}$/, "");

/** What speakers of English call the language with this code; the code itself where the browser does not know. */
export function languageName(/** @type {string} */ code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // some browsers refuse a code that is none of theirs
  }
}

/** The choice of a language, for a model that knows several. */
function languageChoice(/** @type {Server.Model} */ { id, languages, language }, speak) {
  const named = languages.map((code) => [languageName(code), code]).sort(([one], [other]) => one.localeCompare(other));
  const choice = make("select", { class: "st-select", "aria-label": "Language" });
  const use = () => speak(id, choice.value);
  const button = make("button", { type: "button", class: "st-button small", hidden: true, onclick: use }, "Use it");
  choice.onchange = () => (button.hidden = choice.value === language);
  choice.append(...named.map(([name, code]) => make("option", { value: code }, name)));
  choice.value = language;
  return make("span", { class: "train-language" }, "Language ", choice, button);
}

function line(/** @type {Server.Model} */ model, on) {
  const { id, title, parameters, state, download_bytes: bytes } = model;
  const [picture, word, sentence] = STATES[state];
  const field = make("input", { type: "radio", name: "train-model", value: id });
  const cost = make("span", { class: "train-state st-small" }, word(megabytes(bytes)), icon(picture));
  const about = [millions(parameters), sentence(megabytes(bytes))].filter(Boolean).join(", ");
  const more = make("span", { class: "train-more st-small" }, about);
  if (withoutLanguage(id).endsWith(`/${title.replace(/ \(\w+\)$/, "")}`)) {
    more.append(make("span", { class: "train-path" }, id));
  }
  if (model.languages.length) more.append(languageChoice(model, on.speak));
  if (model.is_own) {
    const forget = () => on.forget(id);
    more.append(make("button", { type: "button", class: "st-button small", onclick: forget }, "Remove from the list"));
  }
  return make("label", { class: "train-line" }, field, make("b", {}, title), cost, more);
}

/** What a run can teach, in the same form. */
export function adapterLine(/** @type {Server.AdapterCard} */ { name, title, meaning }) {
  const field = make("input", { type: "radio", name: "train-adapter", value: name });
  return make(
    "label",
    { class: "train-line" },
    field,
    make("b", {}, title),
    make("span", { class: "train-more st-small" }, meaning),
  );
}
