// The dialog “What to record next”: shows what was missed, takes one's own terms, and has the sentences chosen.

import { at, make, request, studio } from "../studio.js";

export const start = ({ element }) => new Needs(element.querySelector(".nds")).listen();

class Needs {
  dataset = "";
  /** @type {(dataset: string) => any} */
  chosen;
  constructor(dialog) {
    this.dialog = dialog;
    this.$ = (selector) => dialog.querySelector(selector);
    this.terms = this.$("textarea");
  }

  listen() {
    studio.on("open:needs", this.dialog, (detail) => this.open(detail));
    this.$("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose();
    });
    this.$("[value=cancel]").addEventListener("click", () => this.dialog.close());
    this.$("input[type=file]").addEventListener("change", ({ target }) => this.read(target));
  }

  /**
   * With `run` its misses count. `chosen(dataset)` is called when the dataset has new cards, `closed` whenever the
   * dialog closes.
   * @param {{ convention?: string, run?: string, chosen?: (dataset: string) => any, closed?: () => void }} asked
   */
  async open({ convention = "words", run = "", chosen = () => {}, closed = () => {} } = {}) {
    this.convention = convention;
    this.run = run;
    this.chosen = chosen;
    this.dataset = studio.dataset();
    this.fault("");
    this.dialog.addEventListener("close", closed, { once: true });
    this.wait(true);
    this.dialog.showModal();
    try {
      this.show(await request(`${at("needs", this.dataset)}?${new URLSearchParams({ run })}`));
      this.wait(false);
      this.terms.focus();
    } catch (error) {
      this.fault(error.message);
    }
  }

  /** Until the terms have loaded they can neither be typed over nor saved as an empty list. */
  wait(isWaiting) {
    this.terms.disabled = isWaiting;
    this.$("[type=submit]").disabled = isWaiting;
  }

  show({ terms, missed, more }) {
    this.terms.value = terms.join("\n");
    const words = missed.map(({ word, times, clips }) =>
      make("li", {}, word, " ", make("span", {}, `${times} of ${clips}`))
    );
    if (more) words.push(make("li", {}, make("span", {}, `and ${more} more`)));
    this.$(".nds-missed").replaceChildren(...words);
    this.$(".nds-none").hidden = words.length > 0;
  }

  async choose() {
    const body = {
      terms: this.terms.value,
      count: Number(this.$("select").value),
      convention: this.convention,
      run: this.run,
    };
    try {
      await request(at("needs", this.dataset), { body });
    } catch (error) {
      return this.fault(error.message);
    }
    this.dialog.close();
    await this.chosen(this.dataset);
  }

  async read(input) {
    const [file] = input.files;
    input.value = ""; // the same file may be chosen again
    if (!file) return;
    const text = await file.text();
    if (["\0", "\ufffd"].some((sign) => text.includes(sign))) {
      return this.fault(`${file.name} is not UTF-8 text. Save it as UTF-8, one term a line.`);
    }
    this.terms.value = [this.terms.value.trim(), text.trim()].filter(Boolean).join("\n");
    this.fault("");
  }

  fault(words) {
    const box = this.$(".st-message");
    box.textContent = words;
    box.hidden = !words;
  }
}
