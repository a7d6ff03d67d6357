// The Check dialog: what was found in the recordings of a dataset, measuring anew, and trimming them all.

import { at, counted, icon, make, request, studio } from "../studio.js";
import { followRunning, followTask } from "../tasks.js";

const TASK = "check";
const PICTURES = { look: "warning", "re-record": "close", note: "info" };
const count = (clips) => counted(clips, "clip");

export const start = ({ element }) => new CheckDialog(element.querySelector(".chk"));

class CheckDialog {
  dataset = "";
  constructor(dialog) {
    this.dialog = dialog;
    this.trimmed = null;
    this.isBusy = false;
    this.$ = (selector) => dialog.querySelector(selector);
    dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-do]");
      if (button) this.deeds[button.dataset.do]();
    });
    dialog.addEventListener("close", () => this.following?.close());
    studio.on("open:check", dialog, () => this.open());
  }

  get deeds() {
    return {
      close: () => this.dialog.close(),
      again: () => this.measure(),
      trim: () => (this.trimmed ? this.undo() : this.trim()),
    };
  }

  async open() {
    this.dataset = studio.dataset();
    this.trimmed = null;
    this.report = null;
    this.$(".chk-task").replaceChildren();
    this.fault();
    this.dialog.showModal();
    this.show();
    await this.load();
    this.following = await followRunning(this.$(".chk-task"), this.dataset, [TASK], () => this.measured()).catch(() =>
      null
    );
    this.isMeasuring = Boolean(this.following);
    this.show();
  }

  async load() {
    this.report = await request(at("check", this.dataset)).catch((error) => this.fault(error));
    this.show();
  }

  /** Start measuring: what is missing, or all where nothing is. */
  async measure() {
    this.fault();
    this.isMeasuring = true;
    this.show();
    try {
      await request(at("check", this.dataset), { body: { again: !this.report.unmeasured } });
      this.following = followTask(this.$(".chk-task"), this.dataset, TASK, () => this.measured());
    } catch (error) {
      this.isMeasuring = false;
      this.fault(error);
      this.show();
    }
  }

  measured() {
    this.isMeasuring = false;
    studio.changed();
    this.load();
  }

  trim() {
    return this.doing(async () => {
      this.trimmed = {
        ...(await request(at("trim", this.dataset), { method: "POST" })),
        seconds: this.report.trim_seconds,
      };
    });
  }

  undo() {
    return this.doing(async () => {
      await request(at("undo", this.dataset), { body: { id: this.trimmed.action } });
      this.trimmed = null;
    });
  }

  async doing(deed) {
    this.fault();
    this.isBusy = true;
    this.show();
    try {
      await deed();
      studio.changed();
    } catch (error) {
      this.fault(error);
    }
    this.isBusy = false;
    await this.load();
  }

  filter(code) {
    this.dialog.close();
    studio.open("review-query", { query: `finding = ${code}` });
  }

  fault(error) {
    const box = this.$(".chk-fault");
    box.hidden = !error;
    box.replaceChildren(
      ...(error
        ? [
          icon("warning"),
          make("p", {}, make("b", {}, error.what || "The page failed."), ` ${error.remedy || error.message || ""}`),
        ]
        : []),
    );
    return null;
  }

  show() {
    const { report } = this;
    const again = this.$("[data-do=again]");
    again.disabled = !report?.clips || this.isMeasuring;
    again.textContent = report?.unmeasured ? `Measure ${count(report.unmeasured)}` : "Measure all again";
    this.$(".chk-sum").textContent = report ? summary(report) : "Loading the measurements.";
    this.$(".chk-counts").replaceChildren(...(report ? this.rows(report) : []));
    this.showTrim(report);
    this.$(".chk-problems").hidden = !report?.problems.length;
    this.$(".chk-problems ul").replaceChildren(...(report?.problems || []).map((text) => make("li", {}, text)));
  }

  rows({ counts, clips, unmeasured }) {
    if (!counts.length) {
      return [
        make(
          "li",
          { "data-verdict": "fine" },
          icon(clips > unmeasured ? "check" : "info"),
          clips > unmeasured ? "Nothing: every measured clip is fine." : "Nothing is measured yet.",
        ),
      ];
    }
    return counts.map(({ code, name, verdict, clips }) =>
      make(
        "li",
        { "data-verdict": verdict },
        icon(PICTURES[verdict]),
        make("span", {}, name),
        make("span", { class: "st-number" }, count(clips)),
        make("button", {
          type: "button",
          class: "st-button small",
          "aria-label": `Show the clips: ${name}`,
          onclick: () => this.filter(code),
        }, "Show"),
      )
    );
  }

  showTrim(report) {
    const [button, words] = [this.$("[data-do=trim]"), this.$(".chk-trim-words")];
    button.disabled = this.isBusy || this.isMeasuring || !(this.trimmed || report?.trim_clips);
    button.replaceChildren(
      icon(this.trimmed ? "undo" : "cut"),
      this.trimmed ? "Undo the trim" : report?.trim_clips ? `Trim ${count(report.trim_clips)}` : "Nothing to trim",
    );
    if (this.isBusy) words.textContent = "Working.";
    else if (this.trimmed) {
      words.textContent = `${count(this.trimmed.clips)} trimmed by ${
        this.trimmed.seconds.toFixed(1)
      } s in all. The originals are kept.`;
    } else if (report?.trim_clips) {
      words.textContent = `${
        counted(report.trim_clips, "clip has", "clips have")
      } more silence at the edges than a model needs: ${
        report.trim_seconds.toFixed(1)
      } s in all. The originals are kept, and one Undo brings them back.`;
    } else words.textContent = report ? "No clip has too much silence at its edges." : "";
  }
}

function summary({ clips, verdicts, unmeasured }) {
  if (!clips) return "There are no clips yet. Record or import some, then check them here.";
  const parts = [
    `${verdicts.fine.toLocaleString("en")} fine`,
    `${verdicts.look.toLocaleString("en")} to look at`,
    `${verdicts["re-record"].toLocaleString("en")} to record again`,
  ];
  if (unmeasured) parts.push(`${unmeasured.toLocaleString("en")} not measured yet`);
  return `${count(clips)}: ${parts.join(", ")}.`;
}
