// Sound as the models take it: one channel, samples -1..1 at their rate.

const TAIL = 500; // ms recorded after Stop: the end of the last word
const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** The sound of a file, one channel at `rate` Hz. Throws Error with a sentence. */
export async function decoded(/** @type {Blob} */ file, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  try {
    return mixed(await context.decodeAudioData(await file.arrayBuffer()));
  } catch {
    throw new Error("This browser cannot read the file. Choose a WAV, MP3 or FLAC file.");
  }
}

/** A recording from the microphone. */
export class Recording {
  /** @type {Float32Array[]} */
  #blocks = [];

  constructor(/** @type {MediaStream} */ stream, /** @type {AudioContext} */ context) {
    this.stream = stream;
    this.context = context;
  }

  /** Begin one; resolves when the first sound has come. Throws Error with a sentence. */
  static async start() {
    const stream = await microphone();
    const recording = new Recording(stream, new AudioContext());
    await recording.#listen();
    return recording;
  }

  async #listen() {
    await this.context.audioWorklet.addModule(new URL("collector.js", import.meta.url));
    const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: /** @type {const} */ ("explicit") };
    const node = new AudioWorkletNode(this.context, "collector", options);
    await new Promise((heard) => {
      node.port.onmessage = ({ data }) => heard(this.#blocks.push(data));
      this.context.createMediaStreamSource(this.stream).connect(node);
    });
  }

  /** End it: the samples at `rate` Hz. */
  async stop(rate) {
    await new Promise((done) => setTimeout(done, TAIL));
    this.stream.getTracks().forEach((track) => track.stop());
    const from = this.context.sampleRate;
    await this.context.close();
    return resampled(joined(this.#blocks), from, rate);
  }
}

async function microphone() {
  if (!navigator.mediaDevices) throw new Error("A page may record only at localhost or over HTTPS. Open it there.");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: PLAIN });
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    throw new Error(refused ? "Allow this page to use the microphone, then try again." : "No microphone was found.");
  }
}

function joined(/** @type {Float32Array[]} */ blocks) {
  const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let place = 0;
  for (const block of blocks) {
    samples.set(block, place);
    place += block.length;
  }
  return samples;
}

async function resampled(samples, from, to) {
  const context = new OfflineAudioContext(1, Math.ceil((samples.length * to) / from), to);
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: from });
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

function mixed(/** @type {AudioBuffer} */ buffer) {
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    buffer.getChannelData(channel).forEach((value, place) => samples[place] += value / buffer.numberOfChannels);
  }
  return samples;
}

/** `samples` as a WAV file of 16 bits. */
export function wav(/** @type {Float32Array} */ samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const letters = (place, text) => [...text].forEach((letter, at) => view.setUint8(place + at, letter.charCodeAt(0)));
  letters(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  letters(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of this part
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  letters(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, place) => view.setInt16(44 + 2 * place, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view.buffer], { type: "audio/wav" });
}
