// The sounds of the Review tab: fetched and decoded once, the next one in advance, played at the speed chosen.

import { at, gone, isGone, studio, StudioError } from "../studio.js";
import { RATE } from "../sound/spectrum.js";

const KEPT = 8; // clips, the last used
const decoder = new OfflineAudioContext(1, 1, RATE); // decoding resamples to its rate

export class Sounds {
  #kept = new Map(); // key -> promise of { url, samples }

  /** The sound of the clip `row`: `{ url, samples }`, mono at RATE. Throws StudioError. */
  async of(row) {
    const key = `${studio.dataset()} ${row.id} ${row.samples}`;
    const found = this.#kept.get(key) ?? fetched(row);
    this.#kept.delete(key);
    this.#kept.set(key, found);
    this.#letGo();
    try {
      return await found;
    } catch (error) {
      this.#kept.delete(key);
      throw error;
    }
  }

  #letGo() {
    for (const [key, sound] of [...this.#kept].slice(0, -KEPT)) {
      this.#kept.delete(key);
      sound.then(({ url }) => URL.revokeObjectURL(url), () => {});
    }
  }
}

/** Where the clip is heard; new samples have a new address, so that no cache mixes them with the old ones. */
const address = (row) =>
  new URL(`studio/${at(row.trashed ? "trash" : "clips", studio.dataset(), row.id)}?v=${row.samples}`, document.baseURI);

async function fetched(row) {
  const answer = await fetch(address(row)).catch(() => null);
  if (!answer?.ok) {
    const error = await answer?.json().catch(() => null);
    if (!error && (await isGone())) throw gone();
    throw new StudioError(
      error?.what || "The clip cannot be read.",
      error?.remedy || "Its file may have been moved or deleted.",
    );
  }
  const content = await answer.blob();
  const sound = await decoder.decodeAudioData(await content.arrayBuffer()).catch(() => {
    throw new StudioError("The browser cannot decode this clip's sound.", "Record it again, or delete it.");
  });
  return { url: URL.createObjectURL(content), samples: mono(sound) };
}

function mono(sound) {
  const first = sound.getChannelData(0);
  if (sound.numberOfChannels === 1) return first;
  const other = sound.getChannelData(1);
  return first.map((value, place) => (value + other[place]) / 2);
}
