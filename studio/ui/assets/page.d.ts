// What the page's scripts share and no library declares; the types of what the server sends are in server.d.ts.

/** What a tab or a dialog starts with: what Gradio gives a `gr.HTML`. */
interface Room {
  element: HTMLElement;
  props: Record<string, any>;
  trigger: (event: string) => void;
  watch: (name: string, call: () => void) => void;
}

/** One recording before it is saved: samples of one channel, and how they were captured. */
interface Take {
  samples: Float32Array;
  rate: number;
  seconds: number;
  peak: number;
}

interface Window {
  /** The module studio.js, for tests and for the console. */
  studio: typeof import("./studio.js").studio;
  /** Of theme.js, which runs before any module. */
  studioTheme: { choice(): string; choose(name: string): void };
}

/** Of the audio worklet's own global scope. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;
declare const sampleRate: number;
declare const currentTime: number;
