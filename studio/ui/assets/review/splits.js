// The Splits dialog: what a split would move is shown before it is done, and can be undone.

import { at, counted, duration, icon, make, request, studio } from "../studio.js";

/** What the dataset holds. */
const noun = () => studio.kind() === "typing" ? "pair" : "clip";
const NAMES = { train: "Train", validation: "Validation", test: "Test", unused: "Set aside" };
const ABOUT = {
  sentence: "A hash of each sentence's words decides its split: the same ones always land in the same split, and new" +
    " ones of a sentence join the old.",
  speaker:
    "Whole speakers measure and never train: this shows how well the model transcribes people it does not know. If " +
    "you choose none, the speakers with the fewest clips are held out.",
  session:
    "Clips of one session stay together: this shows how well the model transcribes the same voice on another day, " +
    "in another room.",
};

export const start = ({ element }) => new SplitsDialog(element.querySelector(".spl")).begin();

class SplitsDialog {
  constructor(dialog) {
    this.dialog = dialog;
    this.plan = null;
    this.asked = 0;
    this.$ = (selector) => dialog.querySelector(selector);
  }

  begin() {
    studio.on("open:splits", this.dialog, () => this.open());
    this.dialog.addEventListener("change", () => this.preview());
    this.dialog.addEventListener("click", ({ target }) => {
      const deed = target.closest("[data-do]")?.dataset.do;
      if (deed === "close") this.dialog.close();
      if (deed === "apply") this.apply();
      if (deed === "undo") this.undo(target.closest("[data-action]").dataset.action);
    });
    this.dialog.dataset.ready = "";
  }

  async open() {
    if (!this.dialog.open) this.dialog.showModal();
    this.$(".spl-done").hidden = true;
    if (this.dataset !== studio.dataset()) this.$(".spl-plan").replaceChildren(); // the old plan is of another dataset
    this.dataset = studio.dataset();
    this.wait();
    try {
      const { speakers } = await request(`${at("split", studio.dataset())}/speakers`);
      const box = (name) =>
        make("label", { class: "st-check" }, make("input", { type: "checkbox", value: name }), name);
      this.$(".spl-speakers div").replaceChildren(
        ...(speakers.length ? speakers.map(box) : [
          make(
            "p",
            { class: "st-quiet st-small" },
            "No clip says who speaks: choose clips in Review and set their speaker.",
          ),
        ]),
      );
    } catch (error) {
      return this.fail(error);
    }
    return this.preview();
  }

  get request() {
    const by = this.$("[name=spl-by]:checked").value;
    const held = by === "speaker"
      ? [...this.dialog.querySelectorAll(".spl-speakers input:checked")].map((box) => box.value)
      : [];
    return { by, hold_out: held, shares: this.$("select").value.split("/").map(Number) };
  }

  async preview() {
    const { request: wanted } = this;
    const asked = (this.asked += 1);
    this.$(".spl-about").textContent = ABOUT[wanted.by];
    this.$(".spl-speakers").hidden = wanted.by !== "speaker";
    this.wait();
    try {
      const plan = await request(`${at("split", studio.dataset())}/preview`, { body: wanted });
      if (asked === this.asked) this.show(plan);
    } catch (error) {
      if (asked === this.asked) this.fail(error);
    }
  }

  /** Until the answer comes nothing can be applied; what is shown is of another choice. */
  wait() {
    const box = this.$(".spl-plan");
    if (box.querySelector("table")) box.classList.add("waiting");
    else box.replaceChildren(make("p", { class: "st-quiet", role: "status" }, "Splitting …"));
    this.$("[data-do=apply]").disabled = true;
  }

  show(plan) {
    this.plan = plan;
    this.$(".spl-fault").hidden = true;
    const box = this.$(".spl-plan");
    box.classList.remove("waiting");
    box.replaceChildren(bars(plan), table(plan), notes(plan), moves(plan));
    const button = this.$("[data-do=apply]");
    button.disabled = !plan.count;
    button.textContent = plan.count ? `Move ${counted(plan.count, noun())}` : "Nothing to move";
  }

  fail({ what, remedy }) {
    const box = this.$(".spl-fault");
    box.hidden = false;
    box.replaceChildren(icon("warning"), make("p", {}, make("b", {}, what), ` ${remedy || ""}`));
    this.plan = null;
    this.$(".spl-plan").classList.remove("waiting");
    this.$(".spl-plan").replaceChildren();
    this.$("[data-do=apply]").disabled = true;
  }

  async apply() {
    const { plan } = this;
    if (!plan) return;
    this.$("[data-do=apply]").disabled = true;
    try {
      await request(`${at("split", studio.dataset())}/apply`, { body: { request: this.request, plan: plan.name } });
      const [latest] = await request(at("history", studio.dataset()));
      this.tell(`${counted(plan.count, noun())} moved.`, latest?.id);
    } catch (error) {
      return this.fail(error);
    }
    studio.changed();
    return this.preview();
  }

  async undo(id) {
    try {
      await request(at("undo", studio.dataset()), { body: { id } });
      this.tell("The split was undone.");
    } catch (error) {
      return this.fail(error);
    }
    studio.changed();
    return this.preview();
  }

  tell(words, action) {
    const box = this.$(".spl-done");
    box.hidden = false;
    const button = action &&
      make(
        "button",
        { type: "button", class: "st-button small", "data-do": "undo", "data-action": action },
        icon("undo"),
        "Undo",
      );
    box.replaceChildren(icon("check"), make("p", {}, words), button || "");
  }
}

/** One bar before and one after: how the time is shared out. */
function bars({ before, after }) {
  const bar = (sides, name) => {
    const all = Object.values(sides).reduce((sum, { seconds }) => sum + seconds, 0) || 1;
    return make(
      "div",
      { class: "spl-bar", role: "img", "aria-label": `Time in each split ${name}` },
      ...Object.entries(sides).map(([split, { seconds }]) =>
        make("i", { "data-split": split, style: `width: ${(100 * seconds) / all}%` })
      ),
    );
  };
  return make("div", { class: "spl-notes" }, bar(before, "before"), bar(after, "after"));
}

function table({ before, after }) {
  const cell = ({ clips, seconds }) =>
    make("td", { class: "figure" }, `${clips.toLocaleString("en")} · ${duration(seconds)}`);
  const row = (split) =>
    make("tr", {}, make("th", { scope: "row" }, NAMES[split]), cell(before[split]), cell(after[split]));
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "Split"),
    ...["Now", "Then"].map((when) => make("th", { scope: "col", class: "figure" }, `${when}: ${noun()}s · time`)),
  );
  return make(
    "div",
    { class: "spl-table" },
    make("table", { class: "st-table" }, make("thead", {}, head), make("tbody", {}, ...Object.keys(NAMES).map(row))),
  );
}

function notes({ hash_before: was, hash_after: is, warnings, count: moved }) {
  const note = (kind, picture, ...words) =>
    make("div", { class: `st-message ${kind}` }, icon(picture), make("p", {}, ...words));
  const test = was === is
    ? note("", "check", "The test set stays as it is: earlier figures can be compared with new ones.")
    : note(
      "look",
      "warning",
      make("b", {}, "The test set changes. "),
      "Figures of earlier runs can no longer be compared with new ones. Its name goes from ",
      make("code", {}, was.slice(0, 8)),
      " to ",
      make("code", {}, is.slice(0, 8)),
      ".",
    );
  return make(
    "div",
    { class: "spl-notes" },
    moved ? test : note("good", "check", `The ${noun()}s are already split like this.`),
    ...warnings.map((words) => note("look", "info", words)),
  );
}

function moves({ moves: listed, count: all }) {
  if (!all) return "";
  const line = ({ text, before, after }) =>
    make("li", {}, make("span", {}, text), make("span", {}, `${NAMES[before]} → ${NAMES[after]}`));
  const more = all > listed.length
    ? make("li", {}, make("span", {}, `and ${(all - listed.length).toLocaleString("en")} more`), make("span", {}))
    : "";
  return make(
    "details",
    { class: "spl-moves" },
    make("summary", {}, `Which ${counted(all, noun())}`),
    make("ul", { tabindex: "0" }, ...listed.map(line), more),
  );
}
