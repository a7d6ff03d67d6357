// Where prompts and clips come from: the built-in scripts, one's own text, and sound files that exist already.

import { dropped } from "../exchange/import.js";
import { at, request, studio } from "../studio.js";

export class Sources {
  /** @type {{ script: string, convention: string, language: string }} */
  chosen;
  /** `tab` lays out the cards (`deal`), shows errors (`fail`) and reads the dataset anew (`load`). */
  constructor(root, tab) {
    this.root = root;
    this.tab = tab;
    this.own = root.querySelector(".rec-own");
    this.text = this.own.querySelector("textarea");
    root.querySelector(".rec-bar").addEventListener("change", (event) => this.#choose(event.target));
    this.#listenToOwn();
    this.#listenToImport();
  }

  /** Mark what the server says is chosen. */
  show({ script, convention, language, languages = null, prompts }) {
    this.chosen = { script, convention, language };
    this.cards = prompts;
    for (const input of this.root.querySelectorAll("input[name=rec-script]")) input.checked = input.value === script;
    for (const input of this.root.querySelectorAll("input[name=rec-convention]")) {
      input.checked = input.value === convention;
    }
    this.root.querySelector(".rec-convention").hidden = script !== "numbers";
    this.#showLanguage(script === "phrases", language, languages);
    const edit = this.root.querySelector(".rec-edit");
    edit.hidden = script !== "own" && script !== "needed";
    edit.querySelector("span").textContent = script === "own" ? "Edit text" : "Choose again";
  }

  #showLanguage(isAsked, language, languages) {
    const select = this.root.querySelector(".rec-language");
    if (languages && !select.options.length) {
      select.append(...Object.entries(languages).map(([code, name]) => new Option(name, code)));
    }
    select.value = language;
    select.hidden = !isAsked;
    this.root.querySelector(".rec-prompt").lang = isAsked ? language : "";
  }

  #choose({ name, value }) {
    if (name === "rec-script" && (value === "own" || value === "needed")) return this.write(value);
    if (!["rec-script", "rec-convention", "rec-language"].includes(name)) return;
    const wanted = { ...this.chosen, [name.replace("rec-", "")]: value };
    this.#send(wanted).catch((error) => (this.#restore(), this.tab.fail(error)));
  }

  async #send(choice) {
    this.tab.deal(await request(at("prompts", studio.dataset()), { body: choice }));
  }

  /** Open the dialog from which the cards of `script` come; closed without a choice, it changes nothing. */
  write(script = this.chosen.script) {
    if (script === "own") return this.openOwn();
    studio.open("needs", {
      convention: this.chosen.convention,
      chosen: () => this.tab.load(),
      closed: () => this.#restore(),
    });
  }

  #restore() {
    this.show({ ...this.chosen, prompts: this.cards });
  }

  // ---- one's own text ----

  /**
   * With the current list, or the one that another script replaced: looking at Numbers loses no text.
   */
  async openOwn() {
    const isInHand = this.chosen?.script === "own";
    let fault = "";
    const cards = isInHand
      ? this.cards
      : await request(at("prompts", studio.dataset(), "own")).catch((error) => ((fault = error.message), []));
    this.text.value = cards.map(({ text, label }) => (text === label ? text : `${text}\t${label}`)).join("\n");
    this.#ownFault(fault);
    this.own.showModal();
    this.text.focus();
  }

  #listenToOwn() {
    this.own.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value.trim();
      if (!text) return this.#ownFault("There are no prompts yet. Write one a line.");
      await this.#send({ script: "own", text: this.text.value }).then(
        () => this.own.close(),
        (error) => this.#ownFault(error.message),
      );
    });
    this.text.addEventListener("keydown", (event) => this.#tabulate(event));
    this.own.querySelector("[value=cancel]").addEventListener("click", () => this.own.close());
    this.own.addEventListener("close", () => this.#restore());
    this.own.querySelector("input[type=file]").addEventListener(
      "change",
      ({ target }) => this.#readText(target.files[0]),
    );
    onDrop(this.text, (files) => this.#readText(files[0]));
  }

  /** Tab separates what is read from its label, once a line; otherwise it leaves the field, as everywhere. */
  #tabulate(event) {
    const { value, selectionStart: at, selectionEnd } = this.text;
    const [before, after] = [value.slice(0, at).split("\n").at(-1), value.slice(selectionEnd).split("\n")[0]];
    if (event.key !== "Tab" || event.shiftKey || !before.trim() || (before + after).includes("\t")) return;
    event.preventDefault();
    this.text.setRangeText("\t", at, selectionEnd, "end");
  }

  async #readText(file) {
    if (!file) return;
    const text = await file.text();
    if (text.includes("\u0000") || text.includes("\ufffd")) {
      return this.#ownFault(`${file.name} is not UTF-8 text. Save it as UTF-8, one prompt a line.`);
    }
    this.text.value = text;
    this.#ownFault("");
  }

  #ownFault(words) {
    const box = this.own.querySelector(".st-message");
    box.textContent = words;
    box.hidden = !words;
  }

  // ---- files ----

  /** The import dialog is outside the tabs; sound dropped anywhere on this one opens it. */
  openImport(files) {
    studio.open("import", { files });
  }

  #listenToImport() {
    onDrop(this.root, async (_, transfer) => !this.own.open && this.openImport(await dropped(transfer)));
  }
}

function onDrop(target, use) {
  target.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    target.classList.add("over");
  });
  target.addEventListener("dragleave", () => target.classList.remove("over"));
  target.addEventListener("drop", (event) => {
    target.classList.remove("over");
    if (event.defaultPrevented || !event.dataTransfer.files.length) return;
    event.preventDefault();
    use([...event.dataTransfer.files], event.dataTransfer);
  });
}
