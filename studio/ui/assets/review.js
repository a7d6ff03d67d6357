// The Review tab: a page of clips, one of them in hand. Labels come from other people's files too: they are only ever text.

import { at, giveBackFocus, icon, isShown, isTyping, make, request, seconds, studio } from "./studio.js";

const PAUSE = 200; // ms after the last key before a search is sent
const SPLITS = { train: "Train", validation: "Validation", test: "Test", unused: "Set aside" };
const KEYS = { j: "down", k: "up", p: "play", e: "edit", x: "trash" };
const EMPTY = {
  none: ["wave", "No clips yet", "Every clip that you record or import stands here, to be heard, corrected and sorted out. Go to 1 Record and read a few prompts."],
  search: ["search", "Nothing matches", "No label or prompt holds these words. Try fewer of them, or choose “All clips”."],
  look: ["check", "Nothing needs a look", "Clips that are clipped, too quiet or too long stand here. There are none."],
  trash: ["trash", "The trash is empty", "Clips that you delete stand here until you bring them back."],
};

export const start = ({ element }) => new ReviewTab(element.querySelector(".rev")).begin();

class ReviewTab {
  constructor(root) {
    Object.assign(this, { root, rows: [], first: 0, total: 0, place: 0, asked: 0, player: new Audio() });
    this.$ = (selector) => root.querySelector(selector);
    this.body = this.$("tbody");
    this.search = this.$("input[type=search]");
    this.only = this.$(".rev-only");
  }

  begin() {
    this.listen();
    return this.load(0);
  }

  get isTrash() {
    return this.only.value === "trash";
  }

  // ---- the list ----

  async load(first = this.first, place = this.place) {
    if (!studio.dataset()) return;
    const asked = (this.asked += 1);
    const query = new URLSearchParams({ first, words: this.search.value.trim(), only: this.only.value });
    try {
      const answer = await request(`${at("review", studio.dataset())}?${query}`);
      if (asked === this.asked) this.lay(answer, place);
    } catch (error) {
      this.fail(error);
    }
  }

  lay({ rows, first, total, size, clips }, place) {
    Object.assign(this, { rows, first, total, size });
    this.$(".rev-fault").hidden = true;
    this.body.replaceChildren(...rows.map((row, number) => this.line(row, number)));
    this.hold(Math.min(place, rows.length - 1));
    this.$(".rev-range").textContent = total ? `${first + 1}–${first + rows.length} of ${total.toLocaleString("en")}` : "";
    this.$("[data-do=previous]").disabled = first === 0;
    this.$("[data-do=following]").disabled = first + rows.length >= total;
    this.$(".rev-table").hidden = !rows.length;
    this.empty(rows.length ? null : this.only.value === "trash" ? "trash" : !clips ? "none" : this.only.value === "look" && !this.search.value ? "look" : "search");
  }

  empty(why) {
    const box = this.$(".rev-empty");
    box.hidden = !why;
    if (!why) return;
    const [picture, title, words] = EMPTY[why];
    box.replaceChildren(icon(picture), make("h2", {}, title), make("p", {}, words));
  }

  line(row, number) {
    const said = `“${row.text}”`;
    const button = (name, picture, label) =>
      make("button", { type: "button", class: "st-button small square plain", "data-do": name, "aria-label": `${label} ${said}`, title: label }, icon(picture));
    const changes = this.isTrash ? [button("restore", "undo", "Bring back")] : [button("edit", "edit", "Edit"), button("trash", "trash", "Delete")];
    return make("tr", { "data-place": String(number) },
      make("td", {}, this.isTrash ? null : button("play", "play", "Play")),
      make("td", { class: "rev-label" }, make("span", { class: "rev-text" }, row.text), promptOf(row)),
      make("td", { class: "figure" }, seconds(row.duration)),
      make("td", {}, make("span", { class: "rev-split", "data-split": row.split }, SPLITS[row.split])),
      make("td", {}, verdictOf(row)),
      make("td", { class: "rev-changes" }, ...changes));
  }

  hold(place) {
    if (place < 0) return;
    this.place = place;
    [...this.body.children].forEach((line, number) => line.toggleAttribute("data-held", number === place));
  }

  get held() {
    return this.body.children[this.place];
  }

  get row() {
    return this.rows[this.place];
  }

  // ---- what is done to a clip ----

  play() {
    const { row, player } = this;
    if (!row || this.isTrash) return;
    if (!player.paused && this.playing === row.id) return player.pause();
    this.playing = row.id;
    player.src = new URL(`studio/${at("clips", studio.dataset(), row.id)}`, document.baseURI).href;
    player.play().catch(() => this.fail({ what: "The clip cannot be played.", remedy: "Is the studio still running?" }));
  }

  /** The label becomes a field: Enter or leaving it saves, Esc gives it up. */
  edit() {
    const { row } = this;
    const cell = this.held?.querySelector(".rev-text");
    if (!cell || this.isTrash) return;
    const field = make("input", { class: "st-field rev-field", type: "text", spellcheck: "false", "aria-label": "Label" });
    field.value = row.text;
    cell.replaceWith(field);
    field.focus();
    field.select();
    let isOver = false;
    const end = async (isKept) => {
      if (isOver) return;
      isOver = true;
      const text = field.value.trim();
      if (isKept && text !== row.text) await this.relabel(row, text);
      if (field.isConnected) field.replaceWith(make("span", { class: "rev-text" }, row.text));
    };
    field.addEventListener("blur", () => end(true));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end(false);
      else if (event.key === "Enter") end(true);
    });
  }

  async relabel(row, text) {
    try {
      Object.assign(row, await request(at("clips", studio.dataset(), row.id), { body: { text } }));
    } catch (error) {
      return this.fail(error);
    }
    this.$(".rev-fault").hidden = true;
    const line = this.body.children[this.rows.indexOf(row)];
    line?.querySelector(".rev-split").replaceWith(make("span", { class: "rev-split", "data-split": row.split }, SPLITS[row.split]));
    this.say("Label saved.");
    studio.changed();
  }

  async trash() {
    if (!this.row || this.isTrash) return;
    const { row } = this;
    this.player.pause();
    if (await this.move("trash", row)) this.say("Moved to the trash:", row.text, () => this.move("restore", row));
  }

  async restore() {
    const { row } = this;
    if (await this.move("restore", row)) this.say("Brought back:", row.text);
  }

  async move(where, row) {
    try {
      await request(at(where, studio.dataset()), { body: { ids: [row.id] } });
    } catch (error) {
      return this.fail(error);
    }
    this.say("");
    studio.changed();
    await this.load();
    return true;
  }

  // ---- what the person sees and does ----

  say(words, name = "", undo = null) {
    const button = undo && make("button", { type: "button", class: "st-button small", onclick: undo }, icon("undo"), "Undo");
    this.$(".rev-said").replaceChildren(words, name ? make("b", {}, ` ${name} `) : "", button || "");
  }

  fail({ what, remedy }) {
    const box = this.$(".rev-fault");
    box.hidden = false;
    box.replaceChildren(icon("warning"), make("p", {}, make("b", {}, what), ` ${remedy || ""}`));
    return false;
  }

  get deeds() {
    return {
      play: () => this.play(), edit: () => this.edit(), trash: () => this.trash(), restore: () => this.restore(),
      down: () => this.step(1), up: () => this.step(-1),
      previous: () => this.load(this.first - this.size, 0), following: () => this.load(this.first + this.size, 0),
    };
  }

  step(by) {
    const place = this.place + by;
    if (place >= this.rows.length && this.first + this.rows.length < this.total) return this.load(this.first + this.size, 0);
    if (place < 0 && this.first > 0) return this.load(this.first - this.size, this.size - 1);
    this.hold(Math.max(0, Math.min(place, this.rows.length - 1)));
    this.held?.scrollIntoView({ block: "nearest" });
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      giveBackFocus(event);
      const { target } = event;
      const line = target.closest("tr[data-place]");
      if (line) this.hold(Number(line.dataset.place));
      const button = target.closest("[data-do]");
      const door = target.closest("[data-open]");
      if (door) studio.open(door.dataset.open, { selection: { ids: null, query: "", expected: null } });
      if (button) this.deeds[button.dataset.do]();
    });
    this.body.addEventListener("dblclick", ({ target }) => target.closest(".rev-label") && this.edit());
    let waiting = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.load(0, 0), PAUSE);
    });
    this.only.addEventListener("change", () => this.load(0, 0));
    for (const name of ["play", "pause", "ended"]) this.player.addEventListener(name, () => this.showPlaying());
    studio.on("dataset", this.root, () => this.load(0, 0));
    studio.on("changed", this.root, () => !this.root.querySelector(".rev-field") && this.load());
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  showPlaying() {
    this.rows.forEach((row, number) => {
      const isPlaying = !this.player.paused && row.id === this.playing;
      this.body.children[number]?.querySelector("[data-do=play] .st-icon")?.replaceWith(icon(isPlaying ? "pause" : "play"));
    });
  }

  pressed(event) {
    if (!isShown(this.root) || event.altKey || event.metaKey || event.ctrlKey || event.repeat && !"jk".includes(event.key)) return;
    const name = KEYS[event.key.toLowerCase()];
    if (!name || isTyping(event)) return;
    event.preventDefault();
    this.deeds[name]();
  }
}

const promptOf = ({ prompt, text }) => (prompt && prompt !== text ? make("span", { class: "rev-prompt" }, prompt) : null);

function verdictOf({ verdict, source }) {
  const [worst] = verdict;
  if (!worst) return make("span", { class: "rev-source" }, { microphone: "Good", import: "Imported", live: "Correction", synthetic: "Synthetic" }[source]);
  return make("span", { class: "rev-look", title: worst.remedy }, icon("warning"), worst.what);
}
