// What the parts of the Export tab share: sizes, and buttons that copy.

import { make } from "../studio.js";

export const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** A button that copies `text`; what it says, at first `word`, is said to a screen reader too. */
export function copier(text, label, word = "Copy") {
  const said = make("span", { role: "status" }, word);
  const button = make("button", { type: "button", class: "st-button small ex-copy", "aria-label": label }, said);
  button.onclick = async () => {
    said.textContent = (await copied(text)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (said.textContent = word), 2000);
  };
  return button;
}

/** Whether `text` is on the clipboard now; pages opened over plain http may not write there. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
