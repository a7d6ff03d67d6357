// The import dialog: choose or drop → upload → preview with what each column becomes → import → result and undo.

import { at, counted, duration, icon, make, request, studio } from "../studio.js";
import { followRunning, followTask } from "../tasks.js";

const TASK = "import";
const MOST_FILES = 80; // in one request
const MOST_BYTES = 48e6;
const LARGEST = 2 ** 30; // bytes that the server takes at once
const FIELDS = {
  audio: "Sound file",
  text: "Label",
  speaker: "Speaker",
  split: "Split",
  prompt: "Prompt",
  session: "Session",
  start: "Start (s)",
  end: "End (s)",
  duration: "Length (s)",
  words: "Word times",
};

export const start = ({ element }) => new Import(element.querySelector("dialog"));

class Import {
  constructor(dialog) {
    this.dialog = dialog;
    this.choice = null;
    this.name = "";
    this.wasAborted = false;
    this.$ = (selector) => dialog.querySelector(selector);
    dialog.addEventListener("click", ({ target }) => this.#deeds[target.closest("[data-do]")?.dataset.do]?.());
    dialog.addEventListener("close", () => this.#left());
    for (const input of [this.$(".im-files"), this.$(".im-folder")]) {
      input.onchange = () =>
        this.#send([...input.files].map((file) => [file.webkitRelativePath || file.name, file])).finally(
          () => (input.value = ""),
        );
    }
    this.#listenToDrops();
    this.$(".im-chosen").onchange = ({ target }) => this.#look({ format: target.value, mapping: {}, delimiter: "" });
    this.$(".im-delimiter").onchange = ({ target }) => this.#look({ delimiter: target.value, mapping: {} });
    this.$(".im-mapper").onchange = () => this.#look({ mapping: this.#mapping() });
    studio.on("open:import", dialog, (detail) => this.open(detail));
  }

  get #deeds() {
    return {
      close: () => this.dialog.close(),
      abort: () => (this.wasAborted = true),
      back: () => this.#show("choose"),
      place: () => this.#place(),
      commit: () => this.#commit(),
      undo: () => this.#undo(),
    };
  }

  /** Show the dialog; `files` are pairs of path and File that were dropped elsewhere.
   *  @param {{ files?: [string, File][] }} asked */
  async open({ files } = {}) {
    if (this.dialog.open || !studio.dataset()) return;
    this.name = studio.dataset();
    this.$("#im-title").textContent = `Import recordings into ${this.name}`;
    this.#show("choose");
    this.dialog.showModal();
    const { formats, places } = await request(at("import", this.name)).catch((
      error,
    ) => (this.#fault(error), { formats: [], places: [] }));
    this.$(".im-formats").replaceChildren(...formats.map(({ title }) => make("li", {}, title)));
    this.$(".im-chosen").replaceChildren(...formats.map(({ name, title }) => make("option", { value: name }, title)));
    this.$("#im-place").replaceChildren(...places.map(({ id, name }) => make("option", { value: id }, name)));
    this.$(".im-places").hidden = !places.length;
    const going = await followRunning(
      this.$(".im-task"),
      this.name,
      [TASK],
      (status) => this.#ended(status),
    ).catch(() => null);
    if (going) this.#show("going");
    else if (files?.length) this.#send(files);
  }

  #show(step) {
    this.dialog.dataset.step = step;
    this.#fault(null);
  }

  #fault(error) {
    const box = this.$(".im-fault");
    box.hidden = !error;
    box.replaceChildren(...(error ? [icon("warning"), make("p", {}, error.message)] : []));
  }

  // ---- files on their way ----

  #listenToDrops() {
    const drop = this.$(".im-drop");
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", async (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.#send(await dropped(event.dataTransfer));
    });
  }

  /** Upload `files`, pairs of path and File, then show what they are. */
  async #send(files) {
    const wanted = files.filter(([path]) => !path.split("/").some((part) => part.startsWith(".")));
    const large = wanted.find(([, file]) => file.size > LARGEST);
    if (large) {
      return this.#fault(
        new Error(`${large[0]} is larger than 1 GB. Import it on the command line: studio import ${this.name} FILE`),
      );
    }
    if (!wanted.length) return files.length && this.#fault(new Error("Only hidden files were chosen."));
    await this.#forget();
    this.wasAborted = false;
    this.#show("upload");
    const total = wanted.reduce((sum, [, file]) => sum + file.size, 0);
    let [upload, sent, done] = ["", 0, 0];
    for (const group of inGroups(wanted)) {
      this.#sending(done, wanted.length, sent, total);
      const data = new FormData();
      for (const [path, file] of group) data.append("files", file, "file"), data.append("paths", path);
      if (upload) data.append("upload", upload);
      try {
        ({ upload } = await request(at("import", this.name, "files"), { body: data }));
      } catch (error) {
        return this.#show("choose"), this.#fault(error);
      }
      this.choice = { upload };
      if (this.wasAborted) return await this.#forget(), this.#show("choose");
      done += group.length;
      sent += group.reduce((sum, [, file]) => sum + file.size, 0);
    }
    this.#sending(done, wanted.length, sent, total);
    await this.#look({ upload, format: "auto", mapping: {}, delimiter: "" }, true);
  }

  #sending(done, files, sent, bytes) {
    this.$(".im-sending").textContent = done < files
      ? `Uploading file ${done + 1} of ${files.toLocaleString("en")} (${(sent / 1e6).toFixed(0)} of ${
        (bytes / 1e6).toFixed(0)
      } MB)`
      : "Checking the files …";
    Object.assign(this.$(".im-sent"), { max: bytes || 1, value: sent });
  }

  #place() {
    this.#forget();
    this.#look({ place: this.$("#im-place").value, format: "auto", mapping: {}, delimiter: "" }, true);
  }

  /** Let go of an upload that is not needed any more. */
  async #forget() {
    const upload = this.choice?.upload;
    this.choice = null;
    if (upload) await request(at("import", this.name, upload), { method: "DELETE" }).catch(() => {});
  }

  #left() {
    if (["choose", "upload", "preview"].includes(this.dialog.dataset.step)) this.wasAborted = true, this.#forget();
  }

  // ---- what it is ----

  /** Choices made quicker than they are answered are looked at one after another: none is forgotten. */
  #look(changes, isNew = false) {
    return (this.looking = Promise.resolve(this.looking).then(() => this.#lookAt(changes, isNew)));
  }

  async #lookAt(changes, isNew) {
    const choice = isNew ? changes : { ...this.choice, ...changes };
    this.dialog.setAttribute("aria-busy", "true");
    const button = this.$("[data-do=commit]");
    const wasOff = button.disabled;
    button.disabled = true; // what would come in is not known until the answer
    try {
      const found = await request(at("import", this.name, "preview"), { body: choice });
      this.choice = choice;
      this.#show("preview");
      this.#draw(found);
    } catch (error) {
      button.disabled = wasOff;
      if (isNew) this.choice = choice, this.#show("choose");
      this.#fault(error);
    } finally {
      this.dialog.setAttribute("aria-busy", "false");
    }
  }

  #draw(found) {
    this.$(".im-chosen").value = this.choice.format = found.format;
    this.$(".im-between").hidden = !["csv", "audiofolder"].includes(found.format);
    this.$(".im-delimiter").value = this.choice.delimiter;
    this.$(".im-tiles").replaceChildren(...tiles(found));
    this.$(".im-notes").replaceChildren(
      ...found.notes.map((note) => make("p", { class: "st-message" }, icon("info"), make("span", {}, note))),
    );
    this.#columns(found.columns);
    this.$(".im-rows tbody").replaceChildren(...found.first.map(row));
    this.$(".im-first").hidden = !found.first.length;
    this.$(".im-skips").hidden = !found.skipped;
    this.$(".im-skips h3").textContent = `${counted(found.skipped, "row")} will be skipped`;
    this.$(".im-skips ul").replaceChildren(...found.reasons.map(reason));
    this.$(".im-link").hidden = !this.choice.place;
    const button = this.$("[data-do=commit]");
    button.disabled = !found.clips;
    button.textContent = found.clips ? `Import ${counted(found.clips, "clip")}` : "Nothing to import";
  }

  #columns(columns) {
    this.$(".im-columns").hidden = !columns.length;
    const rows = columns.map(({ name, field, example }, place) => {
      const offers = Object.entries(FIELDS).map(([value, title]) =>
        make("option", { value, selected: value === field }, title)
      );
      const select = make(
        "select",
        {
          class: "st-select",
          "data-column": name,
          "aria-label": `${name} becomes`,
          "data-was": field,
          id: `im-column-${place}`,
        },
        make("option", { value: "", selected: !field }, "kept as it is"),
        ...offers,
      );
      return make(
        "label",
        { for: `im-column-${place}` },
        make("b", {}, name),
        select,
        make("span", { class: "im-example" }, example),
      );
    });
    this.$(".im-mapper").replaceChildren(...rows);
  }

  /** Field to column, as the person chose; a field that was taken from its column is said to have none. */
  #mapping() {
    const selects = [...this.$(".im-mapper").querySelectorAll("select")];
    const changed = selects.find((select) => select.value !== select.dataset.was);
    const others = selects.filter((select) => select !== changed && select.value && select.value !== changed?.value);
    const chosen = Object.fromEntries(others.map((select) => [select.value, select.dataset.column]));
    if (changed?.value) chosen[changed.value] = changed.dataset.column;
    if (changed?.dataset.was && !(changed.dataset.was in chosen)) chosen[changed.dataset.was] = "";
    return chosen;
  }

  // ---- taking it in ----

  async #commit() {
    const link = this.$(".im-link input").checked;
    const button = this.$("[data-do=commit]");
    button.disabled = true; // shows that it was pressed; a process has to start first
    try {
      await request(at("import", this.name, "commit"), { body: { ...this.choice, link } });
    } catch (error) {
      return this.#fault(error);
    } finally {
      button.disabled = false;
    }
    this.#show("going");
    followTask(this.$(".im-task"), this.name, TASK, (status) => this.#ended(status));
  }

  async #ended(status) {
    const report = status === "finished"
      ? await request(at("import", this.name, "report")).catch((error) => error)
      : null;
    const said = this.$(".im-task").textContent; // of a failure: its reason
    await this.#forget();
    this.$(".im-task").replaceChildren();
    if (!report) {
      return this.#show("done"),
        this.#result("look", endings[status] || `${said} The dataset is as it was before.`, []);
    }
    if (report instanceof Error) {
      return this.#show("done"), this.#result("look", `The import is done. ${report.message}`, []);
    }
    studio.changed();
    this.#show("done");
    const parts = [
      `${counted(report.added, "clip")} added${report.added ? ` (${duration(report.minutes * 60)})` : ""}`,
    ];
    if (report.already) parts.push(`${counted(report.already, "was", "were")} there already`);
    if (report.skipped) parts.push(`${report.skipped.toLocaleString("en")} skipped`);
    this.#result(
      report.added ? "good" : "look",
      `${parts.join(", ")}.${report.added ? " You find them in 2 Review." : ""} ${report.notes.join(" ")}`.trim(),
      report.reasons,
    );
    this.action = report.added ? report.action : "";
    this.$("[data-do=undo]").hidden = !this.action;
  }

  #result(kind, text, reasons) {
    this.action = "";
    this.$("[data-do=undo]").hidden = true;
    this.$(".im-result").replaceChildren(
      make(
        "div",
        { class: `st-message ${kind}`, role: "status" },
        icon(kind === "good" ? "check" : "info"),
        make("p", {}, text),
      ),
    );
    this.$(".im-why").replaceChildren(...reasons.map(reason));
    if (this.dialog.open) this.$(".im-foot .primary[data-at=done]").focus();
  }

  async #undo() {
    try {
      await request(at("undo", this.name), { body: { id: this.action } });
      studio.changed();
      this.#result("", "The import was undone: its clips are in the trash.", []);
    } catch (error) {
      this.#fault(error);
    }
  }
}

const endings = {
  stopped: "Cancelled: nothing was imported, and the dataset is unchanged.",
  interrupted: "The import was interrupted: nothing was imported. Start it again.",
};

function tiles({ rows, clips, already, minutes, speakers, checked }) {
  const shown = [[clips.toLocaleString("en"), clips === 1 ? "clip to import" : "clips to import"], [
    minutes < 1 ? `${Math.round(minutes * 60)} s` : `${minutes.toFixed(1)} min`,
    "of sound",
  ]];
  if (speakers > 1) shown.push([speakers.toLocaleString("en"), "speakers"]);
  if (already) shown.push([already.toLocaleString("en"), "there already"]);
  if (checked < rows) shown.push([checked.toLocaleString("en"), `of ${rows.toLocaleString("en")} rows opened`]);
  return shown.map(([figure, what]) =>
    make("div", { class: "st-tile" }, make("b", {}, figure), make("span", {}, what))
  );
}

const row = ({ name, text, speaker, split, seconds }) =>
  make(
    "tr",
    {},
    ...[text || "no label yet", speaker || "–", split || "by sentence"].map((cell) =>
      make("td", { title: cell }, cell)
    ),
    make("td", { class: "figure" }, seconds === null ? "–" : `${seconds.toFixed(1)} s`),
    make("td", { title: name, class: "st-quiet" }, name),
  );

const reason = ({ reason: why, count: rows, examples }) =>
  make(
    "li",
    {},
    make("b", {}, `${rows.toLocaleString("en")} × `),
    why,
    make("small", {}, examples.join(", ") + (rows > examples.length ? " …" : "")),
  );

/** Pairs in groups small enough for one request each.
 *  @param {[string, File][]} files */
function* inGroups(files) {
  /** @type {[[string, File][], number]} */
  let [group, bytes] = [[], 0];
  for (const pair of files) {
    if (group.length && (group.length >= MOST_FILES || bytes + pair[1].size > MOST_BYTES)) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(pair);
    bytes += pair[1].size;
  }
  yield group;
}

/** Every file of a drop as [path, File], folders walked through. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file.name, file]);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    return found.push([
      entry.fullPath.replace(/^\//, ""),
      await new Promise((done, fail) => entry.file(done, fail)),
    ]);
  }
  const reader = entry.createReader();
  for (let some; (some = await new Promise((done, fail) => reader.readEntries(done, fail))).length;) {
    for (const inner of some) await walk(inner, found);
  }
}
