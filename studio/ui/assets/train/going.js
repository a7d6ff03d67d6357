// Shows on every tab whether a run is training: a mark on the Train tab, and a notice when it is over.

import { percent } from "./live-parts.js";
import { at, isShown, request, studio } from "../studio.js";
import { tabOf } from "../tabs.js";

const POLL = 3000; // milliseconds between two requests, while a run is training or waiting
const ASKED = "studio.notices.asked";
const ENDS = { finished: "is done", stopped: "was stopped", failed: "has failed", interrupted: "was interrupted" };
const WORDS = { going: "a run is training", done: "a run is done", failed: "a run has failed" };

const isLookedAt = () =>
  document.hasFocus() && /** @type {HTMLElement[]} */
  ([...document.querySelectorAll("#st-train .train")]).some(isShown);

/** Ask, once for this browser, whether the studio may show notices. Without an answer everything else works. */
export function askForNotices() {
  if (localStorage.getItem(ASKED) || globalThis.Notification?.permission !== "default") return;
  localStorage.setItem(ASKED, "yes");
  Notification.requestPermission().catch(() => {});
}

/** Follow the runs for as long as `element` is on the page. */
export function followRuns(element) {
  new Going(element);
}

class Going {
  /** @type {string | null} */
  #run = null; // that is training now
  #timer = 0;
  #asking = 0;

  constructor(element) {
    this.element = element;
    const look = () => this.look();
    studio.on("changed", element, look);
    addEventListener("focus", look);
    document.addEventListener(
      "click",
      ({ target }) => /** @type {Element} */ (target).closest?.("[role=tab]") && setTimeout(() => this.#seen()),
    );
    this.look();
  }

  async look() {
    clearTimeout(this.#timer);
    const turn = ++this.#asking;
    /** @type {Server.Going | null} */
    const found = await request("runs/going").catch(() => null);
    if (turn !== this.#asking || !this.element.isConnected) return;
    if (!found) return void (this.#timer = setTimeout(() => this.look(), POLL));
    const before = this.#run;
    this.#run = found.run;
    if (found.run) this.#mark("going", found.run);
    else if (!before) this.#seen();
    if (before && before !== found.run) await this.#ended(before);
    if (found.run || found.waiting) this.#timer = setTimeout(() => this.look(), POLL);
  }

  async #ended(name) {
    const run = (await request("train/runs").catch(() => [])).find((/** @type {Server.RunSummary} */ run) =>
      run.name === name
    );
    if (!run) return this.#mark(this.#run ? "going" : "", this.#run ?? "");
    const isGood = run.status === "finished" || run.status === "stopped";
    if (!this.#run) this.#mark(isGood ? "done" : "failed", name);
    if (!isLookedAt()) this.#notify(run, await this.#result(run));
    this.#seen();
  }

  async #result(/** @type {Server.RunSummary} */ { name, status, before, after, rate }) {
    const verdict = status === "finished" && (await request(`listen/heldout/${at(name)}/verdict`).catch(() => null));
    const rates = after == null ? "" : `Held-out ${rate}: ${percent(before)} → ${percent(after)}.`;
    return [verdict && `${verdict.headline}.`, rates].filter(Boolean).join(" ");
  }

  #notify({ name, status }, body) {
    if (globalThis.Notification?.permission !== "granted") return;
    // one, however many pages are open
    const notice = new Notification(`${name} ${ENDS[status] || "is over"}`, { body, tag: `studio-${name}` });
    notice.onclick = () => {
      window.focus();
      tabOf("Train")?.click();
    };
  }

  /** Once a person looks at the tab, only a run that is training is marked. */
  #seen() {
    if (!this.#run && isLookedAt()) this.#mark("");
  }

  #mark(kind, run = "") {
    const button = tabOf("Train");
    if (!button) return;
    button.title = kind ? `${run}: ${WORDS[kind]}` : "";
    button.toggleAttribute("data-run", !!kind);
    button.toggleAttribute("aria-label", !!kind);
    if (!kind) return;
    button.setAttribute("data-run", kind);
    button.setAttribute("aria-label", `${button.textContent.trim()}, ${WORDS[kind]}`);
  }
}
