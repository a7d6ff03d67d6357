// The data export dialog: format and clips → progress → where it lies, and a zip to download.

import { at, counted, icon, make, request, studio } from "../studio.js";
import { followRunning, followTask } from "../tasks.js";

const TASK = "export-data";

export const start = ({ element }) => new Export(element.querySelector("dialog"));

class Export {
  constructor(dialog) {
    this.dialog = dialog;
    this.formats = [];
    this.selection = null;
    this.name = "";
    this.$ = (selector) => dialog.querySelector(selector);
    const deeds = { close: () => dialog.close(), begin: () => this.#begin() };
    dialog.addEventListener("click", ({ target }) => deeds[target.closest("[data-do]")?.dataset.do]?.());
    this.$(".ed-format").onchange = () => this.#held();
    this.$(".ed-which").onchange = () => this.#which();
    this.$(".ed-query").onkeydown = (event) => event.key === "Enter" && this.#begin();
    studio.on("open:export-data", dialog, (detail) => this.open(detail));
  }

  get #chosen() {
    return this.dialog.querySelector("[name=ed-which]:checked").value;
  }

  /** Show the dialog; `selection` are the clips that were marked or found where it was opened.
   *  @param {{ selection?: Record<string, any> | null }} asked */
  async open({ selection } = {}) {
    if (this.dialog.open || !studio.dataset()) return;
    this.name = studio.dataset();
    this.selection = selection?.ids?.length || selection?.query ? selection : null;
    this.$("#ed-title").textContent = `Export recordings of ${this.name}`;
    this.$(".ed-chosen").hidden = !this.selection?.ids;
    this.$(".ed-chosen span").textContent = `The ${this.selection?.ids?.length ?? 0} marked`;
    this.$(".ed-query").value = this.selection?.query || "";
    this.dialog.querySelector(`[value=${this.selection?.ids ? "chosen" : this.selection ? "query" : "all"}]`).checked =
      true;
    this.#which();
    this.#show("choose");
    this.dialog.showModal();
    this.formats = await request(at("export-data", this.name)).catch((error) => (this.#fault(error), []));
    const was = localStorage.getItem("studio.export-format");
    this.$(".ed-format").replaceChildren(
      ...this.formats.map(({ name, title }) => make("option", { value: name, selected: name === was }, title)),
    );
    this.#held();
    const going = await followRunning(this.$(".ed-task"), this.name, [TASK], (status) => this.#ended(status)).catch(
      () => null,
    );
    if (going) this.#show("going");
  }

  #show(step) {
    this.dialog.dataset.step = step;
    this.#fault(null);
  }

  #fault(error) {
    this.$(".ed-fault").hidden = !error;
    this.$(".ed-fault").replaceChildren(...(error ? [icon("warning"), make("p", {}, error.message)] : []));
  }

  #held() {
    const { holds = "", escapes = null } = this.formats.find(({ name }) => name === this.$(".ed-format").value) || {};
    this.$(".ed-holds").textContent = holds;
    this.$(".ed-escape").hidden = escapes === null;
    this.$("[name=ed-escape]").checked = !!escapes;
  }

  #which() {
    this.$(".ed-query").hidden = this.#chosen !== "query";
    if (this.#chosen === "query" && this.dialog.open) this.$(".ed-query").focus();
  }

  async #begin() {
    const order = { format: this.$(".ed-format").value };
    if (!this.$(".ed-escape").hidden) order.escape = this.$("[name=ed-escape]").checked;
    if (this.#chosen === "chosen") order.ids = this.selection?.ids;
    if (this.#chosen === "query") order.query = this.$(".ed-query").value;
    localStorage.setItem("studio.export-format", order.format);
    try {
      await request(at("export-data", this.name), { body: order });
    } catch (error) {
      return this.#fault(error);
    }
    this.#show("going");
    followTask(this.$(".ed-task"), this.name, TASK, (status) => this.#ended(status));
  }

  async #ended(status) {
    const report = status === "finished"
      ? await request(at("export-data", this.name, "report")).catch((error) => error)
      : null;
    const said = this.$(".ed-task").textContent; // of a failure: its reason
    this.$(".ed-task").replaceChildren();
    if (!report) return this.#show("choose"), status === "stopped" || this.#fault(new Error(said));
    if (report instanceof Error) return this.#show("choose"), this.#fault(report);
    this.#show("done");
    const skipped = report.skipped ? ` ${report.skipped.toLocaleString("en")} left out.` : "";
    const text = `${counted(report.clips, "clip")} (${report.minutes.toFixed(1)} min, ${
      (report.size / 1e6).toFixed(1)
    } MB) written.${skipped}`;
    this.$(".ed-result").replaceChildren(
      make("div", { class: "st-message good", role: "status" }, icon("check"), make("p", {}, text)),
    );
    this.$(".ed-path").hidden = false;
    this.$(".ed-path").textContent = report.path;
    this.$(".ed-why").replaceChildren(
      ...report.reasons.map(({ reason, count, examples }) =>
        make("li", {}, make("b", {}, `${count} × `), reason, make("small", {}, examples.join(", ")))
      ),
    );
    const name = report.path.split(/[\\/]/).at(-1);
    this.$(".ed-download").href =
      new URL(`studio/${at("export-data", this.name, "download", name)}`, document.baseURI).href;
    if (this.dialog.open) this.$(".ed-download").focus();
  }
}
