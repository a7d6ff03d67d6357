// Record or choose a sound, and read what the model writes before and after the fine-tuning.

import { decoded, Recording, wav } from "./sound.js";

/** @returns {any} */
const find = (selector) => document.querySelector(selector);
const [record, file, status, take] = ["#record", "#file", "#status", "#take"].map(find);
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
let rules = /** @type {any} */ (null);
let recording = /** @type {Recording | null} */ (null);
let timer = 0;

function say(text) {
  status.textContent = text;
}

function busy(isBusy) {
  record.disabled = file.disabled = isBusy;
}

function show(side, text, time) {
  find(`[data-side=${side}] .text`).textContent = text;
  find(`[data-side=${side}] .time`).textContent = time;
}

worker.onmessage = ({ data }) => {
  if (data.kind === "text") {
    show(data.side, data.text || "(nothing)", `${data.seconds.toFixed(2)} s`);
    return;
  }
  busy(false);
  say(data.kind === "ready" ? "Ready." : `This did not work: ${data.message}`);
};
worker.onerror = () => say("This browser cannot run the models. Use a current Chrome, Edge, Firefox or Safari.");

function transcribe(/** @type {Float32Array} */ samples) {
  const { rate, least_seconds: least, most_seconds: most } = rules;
  if (samples.length < least * rate) return say("That was too short. Try again.");
  const heard = samples.slice(0, most * rate);
  URL.revokeObjectURL(take.src);
  take.src = URL.createObjectURL(wav(heard, rate));
  take.hidden = false;
  for (const side of ["before", "after"]) show(side, "", "");
  busy(true);
  say(heard.length < samples.length ? `Transcribing the first ${most} s …` : "Transcribing …");
  worker.postMessage({ samples: heard });
}

async function begin() {
  busy(true);
  try {
    recording = await Recording.start();
  } finally {
    busy(false);
  }
  file.disabled = true;
  timer = setTimeout(() => attempt(end), 1000 * rules.most_seconds);
  record.textContent = "Stop";
  say("Recording. Speak now.");
}

async function end() {
  clearTimeout(timer);
  const ended = recording;
  recording = null;
  record.textContent = "Record";
  if (!ended) return;
  busy(true);
  transcribe(await ended.stop(rules.rate).finally(() => busy(false)));
}

async function attempt(/** @type {() => Promise<void>} */ action) {
  try {
    await action();
  } catch (error) {
    say(error.message);
  }
}

async function start() {
  rules = await (await fetch("model.json")).json();
  for (const side of ["before", "after"]) find(`#${side}-name`).textContent = rules[side];
  worker.postMessage({ rules });
}

record.onclick = () => attempt(recording ? end : begin);
file.onchange = () => attempt(async () => file.files[0] && transcribe(await decoded(file.files[0], rules.rate)));
find("#switch").onclick = () => find("#sides").append(find("#sides").firstElementChild);
attempt(start);
