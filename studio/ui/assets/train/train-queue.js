// The runs that wait their turn: in which order, further up or down, or out of the queue.

import { icon, make } from "../studio.js";

export class Queue {
  #shown = "";

  /** Fills `element`; `on` has `move(run, to)`, where 1 is the first place, and `cancel(run)`. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.message = make("p", { class: "st-hidden", role: "status" });
    this.list = make("ol", { class: "train-waiting" });
    element.append(make("h2", {}, "Waiting"), this.message, this.list);
    element.addEventListener("click", (event) => this.#press(event.target.closest("[data-do]")));
  }

  /** Draw the waiting runs, if they are others than before; the focus stays where it was. */
  show(/** @type {Server.WaitingRun[]} */ runs) {
    this.element.hidden = !runs.length;
    const shown = JSON.stringify(runs);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const held = /** @type {HTMLElement | null} */ (document.activeElement);
    const { do: what, run } = held && this.list.contains(held) ? held.dataset : {};
    this.list.replaceChildren(...runs.map((waiting, index) => row(waiting, index + 1, runs.length)));
    if (run) this.#focus(what, run);
  }

  #focus(what, run) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("button:enabled")]);
    const own = buttons.filter((button) => button.dataset.run === run);
    (own.find((button) => button.dataset.do === what) || own[0] || buttons[0])?.focus();
  }

  async #press(button) {
    if (!button) return;
    const { do: what, run, to } = button.dataset;
    if (what === "cancel") return this.on.cancel(run);
    await this.on.move(run, Number(to));
    this.message.textContent = `${run} is number ${to} in the queue.`;
  }
}

function row({ name, model, dataset, settings }, place, count) {
  const button = (what, picture, words, more) =>
    make("button", {
      type: "button",
      class: "st-button plain square small",
      "data-do": what,
      "data-run": name,
      "aria-label": `${words[0]} ${name}${words[1]}`,
      title: `${words[0]}${words[1]}`,
      ...more,
    }, icon(picture));
  const up = button("up", "up", ["Move", " up"], { "data-to": place - 1, disabled: place === 1 });
  const down = button("down", "down", ["Move", " down"], { "data-to": place + 1, disabled: place === count });
  const cancel = button("cancel", "close", ["Cancel", ""]);
  const about = make(
    "span",
    { class: "st-quiet st-small" },
    [`${model} on ${dataset}`, settings].filter(Boolean).join(" · "),
  );
  return make(
    "li",
    {},
    make("b", { class: "st-number" }, `${place}.`),
    make("span", { class: "st-grow" }, make("b", {}, name), " ", about),
    make("span", {}, up, down, cancel),
  );
}
