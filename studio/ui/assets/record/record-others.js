// Another page, the command line or Review may have recorded or deleted meanwhile: the cards, and what was said last,
// follow when this tab is in front again.

import { watchVisibility } from "../stream.js";
import { at, isShown, request, studio } from "../studio.js";

/** `tab` is the Record tab. The selected card stays selected; a take that waits to be saved is left alone. */
export function watchOthers(tab) {
  const look = async () => {
    const name = studio.dataset();
    if (!name || !isAtRest(tab)) return;
    const answer = await request(at("record", name)).catch(() => null); // what is wrong is shown at the next action
    if (answer && name === studio.dataset() && isAtRest(tab)) follow(tab, answer.prompts);
  };
  addEventListener("focus", look);
  watchVisibility(tab.root, (isVisible) => isVisible && tab.cards.length && look());
}

const isAtRest = (tab) =>
  isShown(tab.root) && tab.mode === "ready" && !tab.isFree && document.activeElement !== tab.view.field;

function follow(tab, prompts) {
  const found = new Map(prompts.map(({ text, clip }) => [text, clip]));
  const before = tab.card?.clip?.id;
  for (const card of tab.cards) {
    const clip = found.get(card.text);
    if (clip !== undefined && clip?.id !== card.clip?.id) card.clip = clip;
  }
  const { kind, clip } = tab.rail.last ?? {};
  if (clip && kind !== "removed" && !tab.cards.some((card) => card.clip?.id === clip.id)) tab.rail.tell(null);
  if (tab.card?.clip?.id === before) tab.show();
  else tab.goTo(tab.place);
}
