// Where prompts and clips come from: the built-in scripts, one's own text, and sound files that exist already.

import { at, icon, make, request, studio } from "./studio.js";

const AT_ONCE = 20; // files in one request, so that the report grows while files come in

export class Sources {
  /** `tab` lays out the cards (`deal`), shows errors (`fail`) and reads the dataset anew (`load`). */
  constructor(root, tab) {
    Object.assign(this, { root, tab });
    this.own = root.querySelector(".rec-own");
    this.text = this.own.querySelector("textarea");
    this.importing = root.querySelector(".rec-import");
    this.report = root.querySelector(".rec-report");
    this.drop = root.querySelector(".rec-drop");
    root.querySelector(".rec-bar").addEventListener("change", (event) => this.#choose(event.target));
    this.#listenToOwn();
    this.#listenToImport();
  }

  /** Mark what the server says is chosen. */
  show({ script, convention, prompts }) {
    this.chosen = { script, convention };
    this.lines = prompts.map(({ text, label }) => (text === label ? text : `${text}\t${label}`));
    for (const input of this.root.querySelectorAll("input[name=rec-script]")) input.checked = input.value === script;
    for (const input of this.root.querySelectorAll("input[name=rec-convention]")) input.checked = input.value === convention;
    this.root.querySelector(".rec-convention").hidden = script !== "numbers";
    this.root.querySelector(".rec-edit").hidden = script !== "own";
  }

  #choose({ name, value }) {
    if (name === "rec-script" && value === "own") return this.openOwn();
    if (name !== "rec-script" && name !== "rec-convention") return;
    const wanted = { ...this.chosen, [name === "rec-script" ? "script" : "convention"]: value };
    this.#send(wanted).catch((error) => this.tab.fail(error));
  }

  async #send(choice) {
    this.tab.deal(await request(at("prompts", studio.dataset()), { body: choice }));
  }

  // ---- one's own text ----

  openOwn() {
    this.text.value = this.chosen?.script === "own" ? this.lines.join("\n") : "";
    this.#ownFault("");
    this.own.showModal();
    this.text.focus();
  }

  #listenToOwn() {
    this.own.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value.trim();
      if (!text) return this.#ownFault("There is nothing to read yet. Write one prompt a line.");
      await this.#send({ script: "own", text: this.text.value }).then(() => this.own.close(), (error) => this.#ownFault(error.message));
    });
    this.own.querySelector("[value=cancel]").addEventListener("click", () => this.own.close());
    this.own.addEventListener("close", () => this.show({ ...this.chosen, prompts: this.#asPrompts() }));
    this.own.querySelector("input[type=file]").addEventListener("change", ({ target }) => this.#readText(target.files[0]));
    onDrop(this.text, (files) => this.#readText(files[0]));
  }

  #asPrompts() {
    return this.lines.map((line) => ({ text: line.split("\t")[0], label: line.split("\t")[1] ?? line }));
  }

  async #readText(file) {
    if (!file) return;
    const text = await file.text();
    if (text.includes("\u0000") || text.includes("\ufffd")) return this.#ownFault(`${file.name} is not UTF-8 text. Save it as UTF-8, one prompt a line.`);
    this.text.value = text;
    this.#ownFault("");
  }

  #ownFault(words) {
    const box = this.own.querySelector(".st-message");
    box.textContent = words;
    box.hidden = !words;
  }

  // ---- files ----

  openImport() {
    this.report.replaceChildren();
    this.importing.showModal();
  }

  #listenToImport() {
    const input = this.drop.querySelector("input");
    input.addEventListener("change", () => this.#import([...input.files]).then(() => (input.value = "")));
    onDrop(this.drop, (files) => this.#import(files));
    onDrop(this.root, (files) => {
      if (this.importing.open || this.own.open) return;
      this.openImport();
      this.#import(files);
    });
    this.importing.querySelector("[value=cancel]").addEventListener("click", () => this.importing.close());
  }

  async #import(files) {
    const groups = together(files);
    const total = { added: [], skipped: [], sent: 0, files: files.length };
    for (const group of groups) {
      this.#tell(total, true);
      const data = new FormData();
      for (const file of group) data.append("files", file);
      try {
        const { added, skipped } = await request(at("import", studio.dataset()), { body: data });
        total.added.push(...added);
        total.skipped.push(...skipped);
      } catch (error) {
        total.skipped.push(...group.map((file) => [file.name, error.message]));
      }
      total.sent += group.length;
    }
    this.#tell(total, false);
    if (total.added.length) studio.changed();
  }

  #tell({ added, skipped, sent, files }, isGoing) {
    const clips = (count) => `${count} ${count === 1 ? "clip" : "clips"}`;
    const words = isGoing ? `Reading file ${sent + 1} of ${files}…` : `${clips(added.length)} added${skipped.length ? `, ${skipped.length} skipped` : ""}.`;
    const tone = isGoing ? "" : added.length ? "good" : "look";
    const reasons = skipped.map(([name, reason]) => make("li", {}, make("b", {}, name), ` ${reason}`));
    const end = !isGoing && added.length ? " You find them in 2 Review." : "";
    this.report.replaceChildren(
      make("div", { class: `st-message ${tone}` }, icon(tone === "good" ? "check" : "info"), make("p", {}, words + end)),
      ...(reasons.length ? [make("ul", { class: "rec-skipped" }, ...reasons)] : []),
    );
  }
}

/** Files in groups for one request each; a sound and its text never part. */
function together(files) {
  const byStem = new Map();
  for (const file of files) {
    const stem = file.name.replace(/\.[^.]*$/, "");
    byStem.set(stem, [...(byStem.get(stem) || []), file]);
  }
  const groups = [[]];
  for (const pair of byStem.values()) {
    if (groups.at(-1).length + pair.length > AT_ONCE && groups.at(-1).length) groups.push([]);
    groups.at(-1).push(...pair);
  }
  return groups;
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
    use([...event.dataTransfer.files]);
  });
}
