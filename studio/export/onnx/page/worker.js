// Both models, away from the page: it stays usable while they compute.

import { Model } from "./speech.js";

const at = (name) => new URL(name, import.meta.url).href;
const RUNTIME = at("runtime/ort.wasm.bundle.min.mjs");

/** @type {Record<string, Model>} */
const models = {};

async function load(rules) {
  const ort = await import(RUNTIME);
  ort.env.wasm.wasmPaths = { wasm: at("runtime/ort-wasm-simd-threaded.wasm") };
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  for (const side of ["before", "after"]) models[side] = await Model.open(ort, rules, at(side));
  postMessage({ kind: "ready" });
}

async function transcribe(samples) {
  for (const [side, model] of Object.entries(models)) {
    const start = performance.now();
    const text = await model.transcribe(samples);
    postMessage({ kind: "text", side, text, seconds: (performance.now() - start) / 1000 });
  }
  postMessage({ kind: "ready" });
}

self.onmessage = async ({ data: { rules, samples } }) => {
  try {
    await (rules ? load(rules) : transcribe(samples));
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
};
