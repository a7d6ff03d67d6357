// What the view of a run is built of: its frame, and small parts that are touched only where they change.

import { icon, make } from "../studio.js";

/** @param {number | null | undefined} rate */
export const percent = (rate) => (rate == null ? "–" : `${(100 * rate).toFixed(1)} %`);
/** @param {{ step: number, loss: number }[]} steps
 *  @returns {Point[]} */
export const lossPoints = (steps) => steps.map((step) => [step.step, step.loss]);
export const span = (steps) => Math.max(4, steps.length / 25); // steps over which the loss is smoothed

/** The state of a run, as a pill: its colour and its word. */
export const STATES = {
  running: ["accent", "Running"],
  stopping: ["look", "Stopping"],
  finished: ["good", "Finished"],
  stopped: ["", "Stopped"],
  interrupted: ["look", "Interrupted"],
  failed: ["bad", "Failed"],
  none: ["", "Unknown"],
};
export const SKELETON = `
  <header class="live-head">
    <button type="button" class="st-button plain small" data-do="back">All runs</button>
    <h2 class="live-name" tabindex="-1"></h2>
    <span class="st-pill live-pill"></span>
    <span class="st-grow"></span>
    <span class="live-actions st-row"></span>
  </header>
  <p class="st-hidden live-status" role="status"></p>
  <div class="live-progress" role="progressbar" aria-label="Progress of the run"
    aria-valuemin="0" aria-valuemax="100"></div>
  <p class="live-times st-number"></p>
  <div class="live-messages" role="status"></div>
  <div class="st-tiles live-tiles"></div>
  <div class="live-charts">
    <figure class="st-card"><figcaption><b>Loss</b><span class="live-key"></span></figcaption><canvas
      role="img" data-chart="loss"></canvas></figure>
    <figure class="st-card"><figcaption><b>Validation WER</b><span class="live-key"></span></figcaption><canvas
      role="img" data-chart="wer"></canvas></figure>
  </div>
  <section class="st-card live-samples" hidden><h3></h3><dl></dl></section>
  <details class="st-card live-log"><summary>Log</summary><pre
    tabindex="0" role="group" aria-label="What the process printed"></pre></details>
  <dialog class="st-dialog live-dialog" aria-labelledby="live-question">
    <h2 id="live-question">Stop this run?</h2>
    <p></p>
    <div class="live-choices">
      <button type="button" class="st-button" data-do="continue">Continue</button>
      <button type="button" class="st-button primary" data-do="save">Stop and save</button>
      <button type="button" class="st-button live-discard" data-do="discard">Discard the run</button>
    </div>
  </dialog>`;

/** Set the text of `element` only where it differs: a live region speaks when it is touched. */
export function replaceText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function action(name) {
  const [kind, picture, text] =
    { stop: ["", "stop", "Stop"], resume: ["primary", "play", "Resume"], remove: ["plain", "trash", "Delete"] }[name];
  return make("button", { type: "button", class: `st-button ${kind}`, "data-do": name }, icon(picture), text);
}

export function message(kind, picture, text, next) {
  const more = next
    ? make("button", { type: "button", class: "st-button small primary", "data-do": next }, "Hear the difference")
    : null;
  return make("div", { class: `st-message ${kind}` }, icon(picture), make("p", { class: "st-grow" }, text), more);
}

export function tiles(box, figures) {
  if (box.children.length !== figures.length) {
    box.replaceChildren(...figures.map(() => make("div", { class: "st-tile" }, make("span"), make("b"), make("span"))));
  }
  figures.forEach((texts, index) =>
    texts.forEach((text, part) => replaceText(box.children[index].children[part], text))
  );
}

export function keys(box, lines) {
  const shown = lines.filter((line) => line.points.length);
  const names = shown.map((line) => line.key).join();
  if (box.dataset.names === names) return;
  box.dataset.names = names;
  box.replaceChildren(
    ...shown.map((line) => make("span", {}, make("i", { style: `background: var(--st-${line.colour})` }), line.key)),
  );
}

/** The curve in words, for those who do not see it. */
export function describe(canvas, points, write, name) {
  const values = points.map((point) => point[1]);
  const summary = values.length
    ? `${name}: ${write(values[0])} at step ${points[0][0]}, ${write(values.at(-1))} at step ${
      points.at(-1)[0]
    }, lowest ${write(Math.min(...values))}.`
    : `${name}: nothing yet.`;
  if (canvas.getAttribute("aria-label") !== summary) canvas.setAttribute("aria-label", summary);
}
