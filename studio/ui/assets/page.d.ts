// What the page's scripts share and no library declares; the types of what the server sends are in server.d.ts.

/** A point of a curve: the step, and a value. */
type Point = [number, number];

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
