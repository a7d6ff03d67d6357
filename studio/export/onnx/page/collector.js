// Runs in the audio thread: passes the microphone's samples on as they come.

class Collector extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
}

registerProcessor("collector", Collector);
