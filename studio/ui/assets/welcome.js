// A few lines for who opens an empty studio; after the first clip they are gone for good.

import { isShown, request, studio } from "./studio.js";
import { showTab } from "./tabs.js";

const OVER = "studio.welcomed";
const FRAMES = 120; // Gradio shows a tab some moments after it was chosen
const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

export function start({ element }) {
  const $ = (selector) => element.querySelector(selector);

  async function look() {
    if (localStorage.getItem(OVER)) return;
    const found = await request("welcome").catch(() => null);
    if (!found) return;
    $(".welcome").hidden = !found.is_new;
    if (!found.is_new) localStorage.setItem(OVER, "yes");
  }

  if (!isHere) $(".welcome-where").textContent = "the computer that runs this studio";
  $(".welcome-begin").onclick = async () => {
    showTab("Record");
    const record = /** @type {HTMLElement} */ (document.querySelector("#st-record [data-do=main]"));
    for (let frame = 0; frame < FRAMES && !isShown(record); frame += 1) await new Promise(requestAnimationFrame);
    document.querySelector("#st-record .rec-prompt")?.scrollIntoView({ block: "center" });
    record.focus({ preventScroll: true }); // now Space records
  };
  studio.on("changed", element, look);
  look();
}
