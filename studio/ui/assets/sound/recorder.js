// The microphone, unprocessed: getUserMedia without echo cancellation, noise suppression and gain control, an
// AudioWorklet, and 16-bit PCM at the device's own rate. MediaRecorder would give lossy, processed sound.

import { gone, isGone, StudioError } from "../studio.js";

const TAIL = 500; // ms recorded after Stop: the end of the last word
const RECENT = 1; // seconds kept between takes, for one that begins with what was just heard
const PATIENCE = 10_000; // ms that the browser has to open the microphone, and that the microphone has to give sound
const MISSING = 1_500; // ms that a take may lag behind the clock: the jitter of a headset or a busy machine is less
/** @type {Record<string, [string, string]>} */
const LOST = {
  unplugged: ["The microphone was disconnected.", "Plug it in again or choose another one, then start again."],
  muted: ["The system muted the microphone.", "Unmute it, then start again."],
  paused: ["The browser paused the recording.", "Start again."],
  torn: ["Part of the sound was lost.", "Close programs that keep this computer busy, then start again."],
};
const PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const WORKLET = new URL("recorder-worklet.js", import.meta.url);

/** Records takes from one microphone, which stays open between them: a headset needs a second to wake up. */
export class Recorder {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {{ blocks: Float32Array[], started: (value?: any) => void, due?: number } | null} */
  #take = null; // { blocks, started } while recording
  /** @type {Float32Array[]} */
  #recent = []; // the last blocks that belong to no take
  #opened = ""; // the device asked for
  #turn = Promise.resolve(); // two calls of `open` never overlap

  /** `onLevel(peak, block)` for every block of about 20 ms while the microphone is open; `onLost(take, error)` when it
   *  stops by itself: with what it had recorded of a take, or null, and the reason. */
  constructor({ onLevel, onLost }) {
    this.onLevel = onLevel;
    this.onLost = onLost;
  }

  get isOpen() {
    return this.#stream !== null;
  }

  /** Samples a second of the open microphone. */
  get #rate() {
    return this.#context?.sampleRate ?? 0;
  }

  get isRecording() {
    return this.#take !== null;
  }

  /** The name of the open microphone and its rate in Hz. */
  get device() {
    return { name: this.#stream?.getAudioTracks()[0].label || "", rate: this.#context?.sampleRate };
  }

  /** Open the microphone `id` (the system's own where it is empty or gone). Throws StudioError. */
  open(id = "") {
    this.#turn = this.#turn.catch(() => {}).then(() => this.#open(id));
    return this.#turn;
  }

  async #open(id) {
    if (this.isOpen && this.#opened === id) return;
    this.close();
    const stream = await microphone(id);
    this.#stream = stream;
    this.#opened = id;
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => this.#lost(LOST.unplugged));
    track.addEventListener("mute", () => this.#take && this.#lost(LOST.muted));
    try {
      await this.#listen(stream, track.getSettings().sampleRate);
    } catch (error) {
      this.close();
      if (error instanceof StudioError) throw error;
      if (await isGone()) throw gone();
      throw new StudioError(
        "The browser cannot record sound.",
        "Use a current Chromium, Firefox or Safari.",
        error.name,
      );
    }
  }

  async #listen(stream, rate) {
    const context = (this.#context = contextAt(rate));
    await context.audioWorklet.addModule(WORKLET);
    await within(PATIENCE, context.resume(), asleep);
    context.addEventListener("statechange", () => {
      if (context === this.#context && context.state !== "running") this.#lost(LOST.paused);
    });
    const node = new AudioWorkletNode(context, "collector", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      channelInterpretation: "speakers",
    });
    node.port.onmessage = ({ data }) => this.#receive(data);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(node);
  }

  #receive({ block, at }) {
    if (!this.#context) return; // let go meanwhile
    if (this.#take && this.#isTorn(this.#take, block, at)) return this.#lost(LOST.torn);
    let peak = 0;
    for (const sample of block) peak = Math.max(peak, Math.abs(sample));
    if (this.#take) {
      this.#take.blocks.push(block);
      this.#take.started();
    } else {
      this.#recent.push(block);
      if (this.#recent.length * block.length > RECENT * this.#context.sampleRate) this.#recent.shift();
    }
    this.onLevel(peak, block);
  }

  /** Whether sound is missing before `block`, which was complete at `at` (ms): two halves are never joined. */
  #isTorn(take, block, at) {
    if (take.due && at - take.due > MISSING) return true;
    take.due = (take.due ?? at) + (1000 * block.length) / this.#rate;
    return false;
  }

  /** Begin a take at once, with the last `before` seconds in it. */
  begin(before) {
    const blocks = Math.ceil((before * this.#rate) / (this.#recent.at(-1)?.length || 1));
    this.#take = { blocks: this.#recent.slice(-blocks), started() {} };
    this.#recent = [];
  }

  /** End the take at once, without its last `dropped` seconds. */
  end(dropped = 0) {
    const take = this.#take;
    this.#take = null;
    const spare = take?.blocks.length && Math.floor((dropped * this.#rate) / take.blocks[0].length);
    return take && finished(take.blocks.slice(0, take.blocks.length - (spare ?? 0)), this.#rate);
  }

  /** Seconds in the take that is going on. */
  get heard() {
    const blocks = this.#take?.blocks ?? [];
    return blocks.length && (blocks.length * blocks[0].length) / this.#rate;
  }

  /** Seconds in it after its sample `from`. */
  since(from) {
    return this.heard && this.heard - from / this.#rate;
  }

  /** The take that is going on from its sample `from` on, as it would be if it ended now; null where there is none. */
  soFar(from = 0) {
    return this.#take?.blocks.length ? finished(this.#take.blocks, this.#rate, from) : null;
  }

  /** Begin a take; resolves when the first sound has come, so that speech is not cut off. Throws StudioError. */
  start() {
    return new Promise((started, failed) => {
      const take = { blocks: /** @type {Float32Array[]} */ ([]), started };
      this.#take = take;
      setTimeout(() => {
        if (this.#take !== take || take.blocks.length) return;
        this.close();
        failed(
          new StudioError(
            "The microphone gives no sound.",
            "Choose another one, or unplug it and plug it in again.",
            "mute",
          ),
        );
      }, PATIENCE);
    });
  }

  /** End the take after `tail` ms more: `{ wav, samples, rate, seconds }`. */
  async stop(tail = TAIL) {
    const take = this.#take;
    await new Promise((done) => setTimeout(done, tail));
    if (this.#take !== take || !take) return null; // discarded meanwhile
    this.#take = null;
    return finished(take.blocks, this.#rate);
  }

  /** Forget the take. */
  discard() {
    this.#take = null;
  }

  /** Let the microphone go: the browser's recording sign goes out. */
  close() {
    this.#take = null;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#source?.disconnect();
    this.#context?.close();
    this.#stream = this.#context = this.#source = null;
    this.#recent = [];
  }

  #lost([what, remedy]) {
    const take = this.#take && finished(this.#take.blocks, this.#rate);
    this.close();
    this.onLost(take?.seconds ? take : null, new StudioError(what, remedy));
  }
}

/** Every microphone as `{ id, name }`; names are empty until the person has allowed one. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) || [];
  return devices
    .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "default" && deviceId !== "communications")
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}

async function microphone(id) {
  if (!navigator.mediaDevices) throw insecure();
  const wanted = (device) => ({ audio: { ...PROCESSING, ...(device && { deviceId: { exact: device } }) } });
  const asked = (device) => within(PATIENCE, navigator.mediaDevices.getUserMedia(wanted(device)), unanswered, letGo);
  try {
    return await asked(id);
  } catch (error) {
    if (error instanceof StudioError) throw error;
    const gone = id && ["NotFoundError", "OverconstrainedError"].includes(error.name);
    if (!gone) throw inWords(error);
  }
  return asked("").catch((error) => {
    throw error instanceof StudioError ? error : inWords(error);
  });
}

/** The result of `promise`, or after `limit` ms the error `late()`; a result that comes later goes to `unwanted`. */
function within(limit, promise, late, unwanted = () => {}) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => {
      failed(late());
      promise.then(unwanted, () => {});
    }, limit);
    promise.then(done, failed).finally(() => clearTimeout(timer));
  });
}

const letGo = (stream) => stream.getTracks().forEach((track) => track.stop());
const asleep = () =>
  new StudioError("The browser does not start its audio.", "Click anywhere on the page, then try again.", "asleep");
const unanswered = () =>
  new StudioError(
    "The browser has not opened the microphone.",
    "If it asks for permission, allow it; then try again.",
    "unanswered",
  );

function contextAt(rate) {
  try {
    return new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  } catch {
    return new AudioContext(); // a rate that this browser does not offer, or did not state
  }
}

function insecure() {
  const { hostname, port } = location;
  const local = port || "80";
  return new StudioError(
    "Browsers do not allow the microphone on a page opened over plain http from another computer.",
    `On the computer in front of you run “ssh -L 7860:localhost:${local} ${hostname}”, ` +
      "then open http://localhost:7860. " +
      "Importing sound files works here as it is.",
    "insecure",
  );
}

function inWords(error) {
  const denied = /system/i.test(error.message)
    ? "Allow the browser to use the microphone in the system's privacy settings, then press Record again."
    : "Allow it with the symbol at the left of the address bar, then press Record again.";
  const words = {
    NotAllowedError: ["The browser is not allowed to use the microphone.", denied],
    SecurityError: ["The browser is not allowed to use the microphone.", denied],
    NotFoundError: ["No microphone was found.", "Plug one in and press Record again, or import sound files."],
    NotReadableError: [
      "The microphone cannot be opened.",
      "Close the other program that uses it, or choose another one above, and press Record again.",
    ],
  };
  const [what, remedy] = words[error.name] ||
    [`The microphone cannot be opened (${error.name}).`, "Choose another one above, and press Record again."];
  return new StudioError(what, remedy, error.name);
}

function finished(blocks, rate, from = 0) {
  const whole = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  const samples = whole.subarray(from);
  return { samples, rate, seconds: samples.length / rate, wav: wav(samples, rate) };
}

/** Mono 16-bit PCM in a RIFF file; samples that 16 bits hold exactly stay bit-equal. */
export function wav(samples, rate) {
  const file = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const word = (at, text) => [...text].forEach((letter, place) => file.setUint8(at + place, letter.charCodeAt(0)));
  word(0, "RIFF");
  file.setUint32(4, 36 + samples.length * 2, true);
  word(8, "WAVEfmt ");
  file.setUint32(16, 16, true);
  file.setUint16(20, 1, true);
  file.setUint16(22, 1, true);
  file.setUint32(24, rate, true);
  file.setUint32(28, rate * 2, true);
  file.setUint16(32, 2, true);
  file.setUint16(34, 16, true);
  word(36, "data");
  file.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, place) => {
    file.setInt16(44 + place * 2, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
  });
  return new Blob([file.buffer], { type: "audio/wav" });
}
