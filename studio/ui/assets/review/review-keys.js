// The keys of the Review tab, and the pages of help: what each key does, what can be filtered.

import { isShown, isTyping, make } from "../studio.js";

/** Key, deed, words. One list serves the keyboard and the help. */
const KEYS = [
  ["j", "down", "the next clip"],
  ["k", "up", "the one before"],
  ["p", "play", "play or pause"],
  [" ", "play", "play or pause"],
  ["e", "edit", "edit the label: Enter saves, Esc restores it"],
  ["x", "trash", "delete the chosen clips, or the selected one"],
  ["a", "accept", "the label is right (no longer a suspect)"],
  ["r", "rerecord", "record this prompt again"],
  ["s", "choose", "choose the clip, or unchoose it"],
  ["J", "chooseDown", "choose, and go on"],
  ["Escape", "none", "unchoose all clips"],
  ["h", "previous", "the page before"],
  ["l", "following", "the next page"],
  ["u", "undo", "undo the last change"],
  ["U", "redo", "do it again"],
  ["/", "search", "go to the filter"],
  ["d", "dock", "show or hide the details"],
  ["?", "keys", "these keys"],
];
const ALSO = { Delete: "x", "Ctrl z": "u", "Ctrl Z": "U", "Ctrl y": "U" }; // as other programs have it
const REPEATED = "jkJ"; // may be held down
const SHOWN = { " ": "Space", Escape: "Esc", J: "Shift J", U: "Shift U" };
const EXAMPLES = [
  "wer > 0.3",
  "duration < 1 and not speaker = anna",
  "quality = look or quality = re-record",
  "split = test and has digits",
  '"order number"',
  "text ~ order",
  "snr < 15 and created > 2026-01-01",
];

/** Call `deeds[name]()` for the key pressed, while the tab is in front and no text is being typed. */
export function listen(root, deeds) {
  const names = new Map(KEYS.map(([key, name]) => [key, name]));
  document.addEventListener("keydown", (event) => {
    if (!isShown(root) || event.altKey || isTyping(event)) return;
    const letter = pressed(event);
    const name = names.get(letter);
    if (!name || (event.repeat && !REPEATED.includes(letter)) || document.querySelector("dialog[open]")) return;
    // Space presses what has the focus
    if (letter === " " && /** @type {Element} */ (event.target).closest("button, a, summary")) return;
    if (letter === "Escape" && root.querySelector("details[open]")) return;
    event.preventDefault();
    deeds[name]();
  });
}

/** The key of KEYS that `event` means; none with Ctrl or Command, except for what other programs undo with. */
function pressed({ key, shiftKey, ctrlKey, metaKey }) {
  const letter = key.length === 1 ? key[shiftKey ? "toUpperCase" : "toLowerCase"]() : key;
  return ctrlKey || metaKey ? ALSO[`Ctrl ${letter}`] : ALSO[letter] ?? letter;
}

export class Help {
  constructor(root, use) {
    this.dialog = root.querySelector(".rev-help");
    this.body = this.dialog.querySelector(".rev-help-body");
    this.dialog.querySelector("[value=close]").addEventListener("click", () => this.dialog.close());
    this.body.addEventListener("click", ({ target }) => {
      if (!target.dataset.example) return;
      this.dialog.close();
      use(target.dataset.example);
    });
  }

  keys() {
    const rows = KEYS.filter(([key]) => key !== " ").map(([key, , words]) => {
      const shown = make(
        "dt",
        {},
        make("kbd", { class: "st-kbd" }, SHOWN[key] ?? key.toUpperCase()),
        ...(key === "p" ? [" ", make("kbd", { class: "st-kbd" }, "Space")] : []),
      );
      return make("div", {}, shown, make("dd", {}, words));
    });
    this.#open(
      "Keys",
      make("dl", { class: "rev-keylist" }, ...rows),
      make(
        "p",
        { class: "st-quiet" },
        "Shift-click a box to choose all clips in between. Keys do nothing while you type in a text field. Under the " +
          "waveform, arrows go from word to word, Enter plays one, and Tab leads to its borders: arrows move them by " +
          "10 ms, with Shift by 50 ms.",
      ),
    );
  }

  fields(fields) {
    const head = make("tr", {}, ...["Field", "Unit", "What it is"].map((title) => make("th", { scope: "col" }, title)));
    const row = ({ name, unit, what, values }) =>
      make(
        "tr",
        {},
        make("td", {}, make("code", {}, name)),
        make("td", {}, unit || ""),
        make(
          "td",
          {},
          what,
          values?.length ? make("span", { class: "st-quiet" }, ` (${values.slice(0, 6).join(", ")})`) : null,
        ),
      );
    this.#open(
      "What can be filtered",
      make(
        "p",
        {},
        "Words find clips whose label or prompt has them all. A field with a sign and a value narrows the search; " +
          "“and”, “or”, “not” and parentheses join them.",
      ),
      make(
        "div",
        { class: "rev-examples" },
        ...EXAMPLES.map((text) =>
          make("button", { type: "button", class: "rev-chip st-mono", "data-example": text }, text)
        ),
      ),
      make("table", { class: "st-table" }, make("thead", {}, head), make("tbody", {}, ...fields.map(row))),
    );
  }

  #open(title, ...content) {
    this.dialog.querySelector("h2").textContent = title;
    this.body.replaceChildren(...content);
    this.dialog.showModal();
  }
}
