// How far the dataset is: minutes in all, and about how many clips are still missing for a first training.

import { at, counted, duration, request, studio } from "../studio.js";

/** Keeps the line `.rec-lacking` in `root` up to date. */
export function followProgress(root) {
  const line = root.querySelector(".rec-lacking");
  const read = async () => {
    const name = studio.dataset();
    if (!name) return;
    const found = await request(at("progress", name)).catch(() => null); // the tab itself says what is wrong
    if (found && name === studio.dataset()) line.textContent = words(found);
  };
  studio.on("dataset", root, read);
  studio.on("changed", root, read);
  return read();
}

function words({ clips, seconds, more }) {
  if (!clips) return `About ${counted(more, "clip")} make a first training worthwhile.`;
  const sum = `${counted(clips, "clip")}, ${duration(seconds)}.`;
  return more ? `${sum} About ${more} more for a first training.` : `${sum} Enough for a first training.`;
}
