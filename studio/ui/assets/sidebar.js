// The sidebar: minutes and clips of the dataset in hand, the device, light or dark.

import { at, counted, duration, giveBackFocus, make, request, studio } from "./studio.js";
import { followRuns } from "./train/going.js";
import { showTab } from "./tabs.js";

const SOON = 150; // ms: several changes at once are one look

export function start({ element, trigger }) {
  const $ = (selector) => element.querySelector(selector);
  let waiting = 0;
  let known = ""; // the dataset whose clips the server has read

  async function look() {
    if (!studio.dataset()) return;
    const found = await request(at("overview", studio.dataset())).catch(() => null);
    if (found) show(found);
    // it opens at once
    if (known !== studio.dataset()) request(at("review", known = studio.dataset())).catch(() => null);
  }

  function show(/** @type {Server.Overview} */ { kind, models, clips, seconds, counts, problems }) {
    const isSound = kind === "speech";
    studio.holds(kind);
    // a model for recordings cannot correct typing, nor the reverse
    if (models.length && !isAsked(models)) studio.chooseModel(models[0]);
    $(".side-time b").textContent = isSound ? duration(seconds) : counted(clips, "pair");
    $(".side-time span").textContent = isSound ? "recorded" : "typed";
    for (const [split, count] of Object.entries(counts)) {
      $(`dl [data-split=${split}] dd`).textContent = count;
      $(`.side-bar [data-split=${split}]`).style.flexGrow = count;
    }
    $(".side-splits [data-split=unused]").hidden = !counts.unused;
    $(".side-bar").classList.toggle("empty", !clips);
    $(".side-problems").hidden = !problems.length;
    $(".side-problems summary").textContent = `${counted(problems.length, "thing needs", "things need")} a look`;
    $(".side-problems ul").replaceChildren(...problems.slice(0, 50).map((words) => make("li", {}, words)));
  }

  /** Whether the chosen model takes what the dataset holds; one that is new to the page is not doubted. */
  const isAsked = (models) => models.includes(studio.model()) || !studio.model();

  // Gradio's list would open again after Tab has left it: it never hears of that key
  document.addEventListener(
    "keydown",
    (event) =>
      ["Tab", "Shift"].includes(event.key) && /** @type {Element} */ (event.target).closest("#st-dataset, #st-model") &&
      event.stopPropagation(),
    true,
  );

  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, SOON);
  };
  studio.on("dataset", element, soon);
  studio.on("changed", element, soon);
  studio.on("picker", element, () => trigger("input")); // the list of models is Gradio's
  studio.on("another", element, () => {
    showTab("Train");
    trigger("input");
    studio.open("another-model");
  });

  $(".side-manage").addEventListener("click", () => studio.open("dataset"));
  element.addEventListener(
    "change",
    ({ target }) => target.name === "side-theme" && window.studioTheme.choose(target.value),
  );
  $(`[name=side-theme][value=${window.studioTheme.choice()}]`).checked = true;
  request("device").then(
    ({ name }) => ($(".side-device").textContent = name),
    () => ($(".side-device").textContent = "unknown"),
  );
  document.querySelector("#st-main")?.addEventListener(
    "click",
    (event) => /** @type {Element} */ (event.target).closest("[role=tab]") && giveBackFocus(event),
  );
  look();
  followRuns(element);
}
