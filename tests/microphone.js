// The page's microphone in tests. The browser's own fake device is still asked for, allowed, named and let go; only its
// sound is replaced: the page hears the samples of `say` and, unlike with a device, nothing before, between and after
// them. So what a take holds depends on no clock and on no machine's speed: time is counted in samples, and `late` ms
// more. With `isReal` the device's sound and its time are used.
(() => {
  if (window.microphone) return;
  const BLOCK = 1024; // samples that the recorder sends on at once
  const fromStream = AudioContext.prototype.createMediaStreamSource;
  let ear = null; // where the page listens now: { context, node, heard }
  let said = 0; // samples that it will have heard when all is said
  let voice = null; // what is being said
  let opened = () => {};

  function listen(context, node) {
    const receive = node.port.onmessage;
    const found = { context, node, heard: 0 };
    node.port.onmessage = (event) => {
      const { block, at } = event.data;
      found.heard += block.length;
      const counted = (1000 * found.heard) / context.sampleRate;
      receive({ data: { block, at: microphone.isReal ? at : counted + microphone.late } });
    };
    [ear, said] = [found, 0];
    opened();
  }

  AudioContext.prototype.createMediaStreamSource = function (stream) {
    const real = fromStream.call(this, stream);
    const connect = (node) => {
      listen(this, node);
      if (microphone.isReal) real.connect(node);
    };
    const disconnect = () => {
      ear = null;
      real.disconnect();
    };
    return { connect, disconnect };
  };

  window.microphone = {
    isReal: false,
    late: 0,
    /** Samples that have reached the page since it opened the microphone. */
    get heard() {
      return ear?.heard ?? 0;
    },
    /** Whether all that was said has reached the page. */
    get isHeard() {
      return ear?.heard >= said;
    },
    /** Say 16-bit samples (base64) as soon as the page listens, then silence to the end of the last block. */
    async say(encoded, rate) {
      said = Infinity;
      voice?.disconnect();
      if (!ear) await new Promise((resolve) => (opened = resolve));
      const steps = new Int16Array(Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0)).buffer);
      const length = Math.ceil(steps.length / BLOCK) * BLOCK;
      const buffer = new AudioBuffer({ length, sampleRate: rate });
      buffer.copyToChannel(Float32Array.from(steps, (step) => step / 32768), 0);
      voice = new AudioBufferSourceNode(ear.context, { buffer });
      said = ear.heard + length;
      voice.connect(ear.node);
      voice.start();
    },
  };
})();
