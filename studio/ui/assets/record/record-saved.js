// What the Record tab does to clips that are saved already. `tab` is the RecordTab.

import { at, request, studio } from "../studio.js";
import { keep } from "../sound/keep.js";

/** The label of a saved clip is corrected in place. True where it is as the person wants it. */
export async function relabel(tab) {
  const { card } = tab;
  const text = tab.view.text.trim();
  if (!tab.isKept || text === card.clip.text) return true;
  try {
    const { action, ...clip } = await request(at("clips", tab.dataset, card.clip.id), { body: { text } });
    card.clip = clip;
    tab.rail.tell({ kind: "relabelled", clip, action, card });
  } catch (error) {
    return tab.fail(error);
  }
  tab.error = null;
  tab.show(); // the verdict is of the new label
  studio.changed();
  return true;
}

/** The selected card's clip goes to the trash. */
export async function remove(tab) {
  const { card } = tab;
  try {
    await request(at("trash", tab.dataset), { body: { ids: [card.clip.id] } });
  } catch (error) {
    return tab.fail(error);
  }
  tab.rail.tell({ kind: "removed", clip: card.clip, card });
  card.clip = null;
  studio.changed();
  return tab.goTo(tab.place);
}

/**
 * Take back what was done last: a saved clip goes; a replaced or removed one, a discarded take, or a label or trimmed
 * silence comes back.
 */
export async function undo(tab) {
  const { kind, clip, card, take, action, replaced = [] } = tab.rail.last;
  try {
    if (action) await request(at("undo", tab.dataset), { body: { id: action } });
    if (kind === "discarded") await keep({ ...take, samples: undefined });
    if (["saved", "doubted"].includes(kind)) await request(at("trash", tab.dataset), { body: { ids: [clip.id] } });
    const back = kind === "removed" ? [clip.id] : replaced;
    if (back.length) await request(at("restore", tab.dataset), { body: { ids: back } });
  } catch (error) {
    return tab.fail(error);
  }
  tab.rail.tell(null);
  const place = tab.cards.indexOf(card);
  await tab.load();
  tab.goTo(Math.min(place, tab.cards.length - 1));
  return studio.changed();
}
