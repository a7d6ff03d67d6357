// Where a turn begins and ends, found by level alone. Nothing here touches a microphone: levels go in, events come out.

/** Seconds of silence that end a turn. */
export const SILENCE = { least: 0.4, most: 2, usual: 0.8 };
export const SENSITIVITY = { least: 1, most: 5, usual: 3 };

const RISES = [16, 12, 9, 7, 5]; // dB of a voice above the room, by sensitivity; the page's checks ask for 5
const FALL = 3; // dB: a voice that was heard may become so much weaker, so that word ends do not flicker
const FAINTEST = -60; // dBFS: below is no voice, however quiet the room
const LOUDEST_ROOM = -40; // dBFS, while the room is hardly known: who speaks at once is not taken for it
const MEMORY = 6; // seconds over which the room is judged: people pause more often than that
const QUIETEST = 0.1; // the room is what a tenth of them stays below
const FIRST = 0.3; // seconds before the room is known well enough to hear a voice in it
const WELL = 2; // seconds after which it is known well
const BLIP = 0.06; // seconds: shorter is a click, not a word
const SHORTEST = 0.15; // seconds of voice that a turn needs
const MUTE = -85; // dBFS: no open microphone is so quiet
const MUTE_AFTER = 3; // seconds

/** Levels of blocks of samples: dBFS of the root mean square above 120 Hz, where no mains hum is left. */
export class Loudness {
  #before = 0;
  #passed = 0;

  constructor(rate) {
    this.share = 1 / (1 + (2 * Math.PI * 120) / rate); // a filter of the first order
  }

  of(block) {
    let energy = 0;
    for (const sample of block) {
      this.#passed = this.share * (this.#passed + sample - this.#before);
      this.#before = sample;
      energy += this.#passed ** 2;
    }
    return 10 * Math.log10(energy / block.length + 1e-12);
  }
}

/** Fed with levels, says what they mean. `settings` may change at any time: `{ silence, sensitivity, longest }`. */
export class Turns {
  #levels = []; // [dBFS, seconds], the oldest first
  #known = 0; // seconds in them
  isHearing = false;
  voiced = 0; // seconds of voice: of the turn, or of what may become one
  quiet = 0; // seconds since the last voice of the turn
  length = 0; // seconds since the turn began

  constructor(settings) {
    this.settings = settings;
  }

  /** One more block: “begin”, “end”, “cut” (too long), “drop” (it was no word), or “” where nothing changed. */
  hear(level, seconds) {
    this.#remember(level, seconds);
    const isVoice = level > this.bar;
    return this.isHearing ? this.#go(isVoice, seconds) : this.#wait(isVoice, seconds);
  }

  /** dBFS that a voice must exceed now. */
  get bar() {
    const rise = RISES[this.settings.sensitivity - 1] - (this.isHearing ? FALL : 0);
    const room = this.#known < WELL ? Math.min(LOUDEST_ROOM, this.#room) : this.#room;
    return Math.max(FAINTEST, room + rise);
  }

  /** Whether the microphone gives nothing at all. */
  get isMute() {
    return this.#known >= MUTE_AFTER && this.#levels.every(([level]) => level < MUTE);
  }

  /** Forget the turn, if there is one. */
  reset() {
    this.isHearing = false;
    this.voiced = this.quiet = this.length = 0;
  }

  get #room() {
    const sorted = this.#levels.map(([level]) => level).sort((one, other) => one - other);
    return sorted[Math.floor(QUIETEST * sorted.length)];
  }

  #remember(level, seconds) {
    this.#levels.push([level, seconds]);
    this.#known += seconds;
    while (this.#known > MEMORY) this.#known -= this.#levels.shift()[1];
  }

  #wait(isVoice, seconds) {
    this.voiced = isVoice ? this.voiced + seconds : 0;
    if (this.#known < FIRST || this.voiced < BLIP) return "";
    this.isHearing = true;
    this.length = this.voiced;
    return "begin";
  }

  #go(isVoice, seconds) {
    this.length += seconds;
    this.voiced += isVoice ? seconds : 0;
    this.quiet = isVoice ? 0 : this.quiet + seconds;
    const isOver = this.quiet >= this.settings.silence;
    if (!isOver && this.length < this.settings.longest) return "";
    const end = !isOver ? "cut" : this.voiced < SHORTEST ? "drop" : "end";
    this.reset();
    return end;
  }
}
