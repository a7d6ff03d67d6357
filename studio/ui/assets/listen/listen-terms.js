// Key terms: words that the model should expect. Each dataset has its own, which this browser remembers.

import { at, request, studio } from "../studio.js";

const USUAL = { terms: "", boost: 2 };
const count = (terms) => terms.split(/[\n,]/).filter((term) => term.trim()).length;

export class Terms {
  #own = []; // of the dataset's terms.txt
  #dataset = "";

  constructor(root) {
    this.$ = (selector) => root.querySelector(selector);
    this.$(".li-terms-text").oninput = this.$(".li-boost").oninput = () => this.#changed();
    this.$(".li-terms-take").onclick = () => this.#take();
    studio.on("dataset", root, () => this.load());
    this.load();
  }

  /** As the fields of a request; none where no term is given. */
  get fields() {
    const terms = this.$(".li-terms-text").value.trim();
    return count(terms) ? { terms, boost: this.$(".li-boost").value } : {};
  }

  /** Show what was remembered for the selected dataset, and whether it has a list of its own. */
  async load() {
    const dataset = studio.dataset();
    if (!dataset) return;
    if (dataset !== this.#dataset) {
      this.#dataset = dataset;
      const { terms, boost } = { ...USUAL, ...JSON.parse(localStorage.getItem(this.#key) ?? "{}") };
      this.$(".li-terms-text").value = terms;
      this.$(".li-boost").value = boost;
      this.#tell();
    }
    const own = await request(`listen/terms/${at(dataset)}`).catch(() => []);
    if (dataset !== this.#dataset) return;
    this.#own = own;
    this.$(".li-terms-take").hidden = !own.length;
  }

  get #key() {
    return `studio.terms.${this.#dataset}`;
  }

  #take() {
    const field = this.$(".li-terms-text");
    const given = field.value.split("\n").map((term) => term.trim()).filter(Boolean);
    field.value = [...new Set([...given, ...this.#own])].join("\n");
    this.#changed();
  }

  #changed() {
    localStorage.setItem(
      this.#key,
      JSON.stringify({ terms: this.$(".li-terms-text").value, boost: this.$(".li-boost").value }),
    );
    this.#tell();
  }

  #tell() {
    const given = count(this.$(".li-terms-text").value);
    this.$(".li-boost-value").textContent = Number(this.$(".li-boost").value).toFixed(1);
    this.$(".li-terms-count").textContent = given
      ? `${given} given: each clip is transcribed without and with them`
      : "none: add words that the model should expect";
  }
}
