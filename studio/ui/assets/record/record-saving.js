// From a take to a clip. No label is saved unseen, and what was found in the take is shown before: a press
// that comes while there is news on the card, or just after, is not taken for an answer to it.

import { at, form, request, seconds, studio, StudioError } from "../studio.js";
import { forget } from "../sound/keep.js";

const SEEN = 600; // ms that news must have been on the card before a press counts

/** Why a take cannot be saved, `[what, remedy, tone]`; nothing where it can. */
export function refusal({ peak, samples, rate }, { silent, shortest }) {
  if (peak < silent) {
    return ["Nothing was recorded.", "Is the microphone muted, or another one chosen? Record again.", "bad"];
  }
  const length = samples.length / rate;
  return length < shortest
    ? [`This take is too short (${seconds(length)}).`, "Record it again and speak before you stop.", "bad"]
    : null;
}

/** Something new on the card of `take`: the label that a model wrote, or what was found in the sound. */
export const tellNews = (take) => (take.news = performance.now());

/** Compare in the background what the chosen model hears with the label; saving never waits for it. Where it is another
 *  text, the card says so, or, once the person has gone on to the next card, the line that says what was done last. */
export function compare(tab, take) {
  const { card } = tab;
  const asked = request("listen/differs", { body: form({ sound: take.wav, text: take.text, model: studio.model() }) });
  const { text } = take;
  // no answer: no doubt
  asked.then(({ heard }) => heard && take.text === text && tellHeard(tab, card, take, heard), () => {});
}

function tellHeard(tab, card, take, heard) {
  if (tab.take === take) {
    tellNews(Object.assign(take, { heard }));
    return tab.refresh();
  }
  if (!take.savedAs || take.savedAs !== card.clip) return; // thrown away or recorded again meanwhile
  card.clip.heard = heard;
  tab.rail.tell({ kind: "doubted", clip: card.clip, replaced: take.replaced, card, place: tab.cards.indexOf(card) });
  tab.show();
}

/** Ctrl+Enter: save, and go on to the next prompt; stay where the clip needs a second look. */
export async function saveAndGoOn(tab, { trimmed = false } = {}) {
  if (tab.mode === "recording") await tab.stop();
  if (tab.isKept) return (await tab.relabelled()) && tab.goOn();
  const { take } = tab;
  if (tab.mode !== "review" || (await isHeld(tab)) || tab.take !== take) return;
  const seen = new Set((take.quality?.findings || []).map(({ what }) => what));
  const { heard } = take;
  const saved = await save(tab, { trimmed });
  if (
    !saved || saved.clip.heard !== heard || saved.clip.verdict.some(({ what }) => !seen.has(what)) ||
    tab.mode !== "ready"
  ) return;
  tab.next();
  if (tab.view.goesOn && tab.mode === "ready" && !tab.card.clip) tab.countDown();
}

/** Whether the person should look at the card first. A second press is an answer. */
async function isHeld(tab) {
  const { take, card } = tab;
  if (refusal(take, tab.limits)) return false; // the server says why
  await tab.view.quality.known(tab, take);
  if (card.text || tab.view.text.trim() || take.isWarned) return performance.now() - (take.news ?? -SEEN) < SEEN;
  take.isWarned = true;
  tab.refresh();
  return true;
}

/** Save the current take. What the server answers, or nothing where it could not be saved. */
export async function save(tab, { trimmed = false } = {}) {
  const { take, card } = tab;
  if (tab.mode !== "review") return null;
  take.text = tab.view.text.trim();
  tab.error = null;
  if (!take.text && card.text) {
    return tab.fail(new StudioError("The label is empty.", "Write what was said, then save.", "DataError"));
  }
  tab.mode = "saving";
  tab.keepTake();
  tab.show();
  const { wav: audio, text, prompt, replaces } = take;
  const body = form({ audio, text, prompt, replaces, trimmed });
  const saved = await request(at("record", take.dataset), { body }).catch((error) => error);
  tab.mode = "review";
  if (saved instanceof Error) return tab.fail(Object.assign(saved, { isOfSaving: true }));
  forget(take.id).catch(() => {});
  Object.assign(take, { savedAs: saved.clip, replaced: saved.replaced });
  if (take.heard) saved.clip.heard = take.heard;
  Object.assign(card, { clip: saved.clip, take: null });
  tab.rail.tell({ kind: "saved", ...saved, card });
  tab.addFreeCard();
  studio.changed();
  tab.goTo(tab.place);
  return saved;
}
