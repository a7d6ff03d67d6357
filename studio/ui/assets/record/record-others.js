// Another page, or the command line, may have recorded meanwhile: the cards follow when this page is in front again.

import { at, isShown, request, studio } from "../studio.js";

/** `tab` is the Record tab. What is in hand stays in hand; a take that waits to be saved is left alone. */
export function watchOthers(tab) {
  addEventListener("focus", async () => {
    const name = studio.dataset();
    if (!name || !isAtRest(tab)) return;
    const answer = await request(at("record", name)).catch(() => null); // what is wrong is told when something is done
    if (answer && name === studio.dataset() && isAtRest(tab)) follow(tab, answer.prompts);
  });
}

const isAtRest = (tab) => isShown(tab.root) && tab.mode === "ready" && !tab.isFree && document.activeElement !== tab.view.field;

function follow(tab, prompts) {
  const found = new Map(prompts.map(({ text, clip }) => [text, clip]));
  const before = tab.card?.clip?.id;
  for (const card of tab.cards) {
    const clip = found.get(card.text);
    if (clip !== undefined && clip?.id !== card.clip?.id) card.clip = clip;
  }
  if (tab.card?.clip?.id === before) tab.show();
  else tab.goTo(tab.place);
}
