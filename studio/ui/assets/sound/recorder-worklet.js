// Runs in the audio thread: passes the microphone's samples on as they are, in blocks of about 20 ms.
const BLOCK = 1024; // samples

class Collector extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
  }

  process([input]) {
    const samples = input[0]; // one channel: the node mixes down
    if (!samples) return true;
    for (let start = 0; start < samples.length;) {
      const part = samples.subarray(start, start + BLOCK - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      start += part.length;
      if (this.filled === BLOCK) this.send();
    }
    return true;
  }

  send() {
    this.port.postMessage({ block: this.block, at: Date.now() }, [this.block.buffer]); // the page's own clock may stall
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
  }
}

registerProcessor("collector", Collector);
