// One sound at a time for the whole page; the button that started it shows its state.

import { gone, icon, isGone, StudioError } from "../studio.js";

const audio = new Audio();
let current = null; // { button, address, onProgress }

const face = (button, name) => button.querySelector(".st-icon")?.replaceWith(icon(name));

function rest() {
  if (!current) return;
  face(current.button, "play");
  current.button.setAttribute("aria-pressed", "false");
  current.onProgress(0);
  current = null;
}

audio.addEventListener("ended", rest);
audio.addEventListener("timeupdate", () => current?.onProgress(audio.currentTime / (audio.duration || 1)));

/** Whether something plays. */
export const isPlaying = () => current !== null;

/** Stop whatever plays. */
export function silence() {
  audio.pause();
  rest();
}

/**
 * Play `address` from its start, or stop it where `button` is playing. Throws StudioError where it cannot be played.
 */
export async function play(button, address, onProgress = () => {}) {
  const isStop = current?.button === button;
  silence();
  if (isStop) return;
  current = { button, onProgress };
  face(button, "stop");
  button.setAttribute("aria-pressed", "true");
  audio.src = address;
  try {
    await audio.play();
  } catch (error) {
    if (error.name === "AbortError") return; // another one was started
    rest();
    if (await isGone()) throw gone();
    throw new StudioError("This clip cannot be played.", "Its file may have been moved or deleted.", error.name);
  }
}
