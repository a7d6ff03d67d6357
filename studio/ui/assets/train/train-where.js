// Where a run is to be: on this machine, or on a cluster whose address the person gives.

import { make } from "../studio.js";

const SENT =
  "The clips of this run, its settings and the studio’s own source are sent there; the adapter and the results come" +
  " back.";
const MISSING = "For a cluster, Ray has to be installed here: pip install 'speech-studio[cluster]'";

export class Where {
  /** Fills `element`; `changed` is called whenever the answer is another. */
  constructor(element, changed) {
    this.away = make("input", { type: "radio", name: "train-where", value: "cluster" });
    this.address = make("input", {
      id: "train-address",
      class: "st-field",
      type: "text",
      inputmode: "url",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "http://head-node:8265",
      "data-setting": "on",
      "aria-describedby": "train-address-help",
    });
    this.help = make("p", { id: "train-address-help", class: "st-quiet st-small" });
    this.details = make(
      "div",
      { class: "train-address", hidden: true },
      make("label", { class: "st-label", for: "train-address" }, "Address of the cluster"),
      this.address,
    );
    const here = make("input", { type: "radio", name: "train-where", value: "here", checked: true });
    const choice = make(
      "div",
      { class: "st-choice" },
      make("label", {}, here, "This machine"),
      make("label", {}, this.away, "A Ray cluster"),
    );
    element.replaceChildren(choice, this.details, this.help);
    element.addEventListener("input", () => {
      this.#show();
      changed();
    });
  }

  /** Whether a cluster can be chosen here at all. */
  allow(isPossible) {
    this.away.disabled = !isPossible;
    this.#show();
  }

  /** The cluster's address as it was typed, or null for this machine. */
  get value() {
    return this.away.checked ? this.address.value : null;
  }

  #show() {
    this.details.hidden = !this.away.checked;
    this.help.textContent = this.away.disabled ? MISSING : this.away.checked ? SENT : "";
  }
}
