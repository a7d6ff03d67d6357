// From another tab to the Record tab, with one clip selected to be recorded again.

import { studio } from "../studio.js";
import { showTab } from "../tabs.js";

/** `tab` is the Record tab; `studio.open("record", { clip })` brings it to the front on the card of `clip`. */
export function listenForAgain(tab) {
  studio.on("open:record", tab.root, (/** @type {{ clip?: any }} */ { clip } = {}) => {
    showTab("Record");
    if (clip && !tab.isBusy) tab.goTo(cardOf(tab, saved(clip)));
  });
}

/** What a card knows of a saved clip; its figures are asked for when it is shown. */
const saved = ({ id, text, prompt, duration, split, source, created_at, findings }) => ({
  id,
  text,
  prompt,
  duration,
  split,
  source,
  created_at,
  verdict: findings.filter(({ verdict }) => verdict !== "note"),
});

/** The place of the clip's own card, of its prompt's, or of a new one at the end. */
function cardOf({ cards }, clip) {
  const own = cards.findIndex((card) => card.clip?.id === clip.id);
  if (own >= 0) return own;
  const ofPrompt = cards.findIndex((card) => card.text && card.text === clip.prompt);
  if (ofPrompt < 0) return cards.push({ text: clip.prompt || clip.text, label: clip.text, clip }) - 1;
  cards[ofPrompt].clip = clip; // several takes of one prompt: this is the one to be replaced
  return ofPrompt;
}
