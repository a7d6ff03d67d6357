// What the scripts of all tabs share: the dataset in hand, news of changes, requests, and small tools for the page.

/** @param {string} name
 *  @param {unknown} [detail] */
const say = (name, detail) => document.dispatchEvent(new CustomEvent(`studio:${name}`, { detail }));
const ANOTHER = "another model"; // the sidebar's last choice, as in sidebar.py
const chosen = { dataset: "", model: "" };
/** @type {"speech" | "typing"} */
let held = "speech"; // what the chosen dataset holds
let isModelPicked = !!localStorage.getItem("studio.model"); // by a person; else it is that of the run on show
let run = { name: "", dataset: "" }; // the run that Test and Export show, and the dataset that it was chosen with
/** @type {Map<string, unknown>} */
const unopened = new Map(); // dialogs that were asked for before their script had come

export const studio = {
  /** The name of the dataset chosen in the sidebar; empty until the page has loaded. */
  dataset: () => chosen.dataset,
  /** The base model chosen in the sidebar: a source that `studio.models.load` takes. */
  model: () => chosen.model,
  /** What the chosen dataset holds: “speech” or “typing”. */
  kind: () => held,
  /** Called by the sidebar, which asks the server: the rooms of that kind are shown in every tab. */
  holds(/** @type {"speech" | "typing"} */ kind) {
    document.body.dataset.kind = kind;
    if (kind === held) return;
    held = kind;
    say("kind", kind);
  },
  /** What the page begins with; the browser keeps to the dataset, and to a model only once a person chose it. */
  begin(dataset, model) {
    if (take("dataset", dataset)) localStorage.setItem("studio.dataset", dataset);
    take("model", model);
  },
  /** Called by the sidebar when a person chose a dataset or a model; the browser remembers both. */
  choose(dataset, model) {
    if (model === ANOTHER) say("another");
    // shown is a run of that model
    else if (model && model !== chosen.model) [isModelPicked, run] = [true, { name: "", dataset: "" }];
    for (const [name, value] of Object.entries({ dataset, model })) {
      if (value !== ANOTHER && take(name, value)) localStorage.setItem(`studio.${name}`, value);
    }
  },
  /** The same for a model that was chosen elsewhere: the sidebar shows it too. */
  chooseModel(model) {
    studio.choose(chosen.dataset, model);
    say("picker");
  },
  /** What was chosen when this browser was here last. */
  remembered: () => [localStorage.getItem("studio.dataset") || "", localStorage.getItem("studio.model") || ""],
  /**
   * The run that Test and Export show; null until one is chosen, and after a change of dataset: then the newest of its
   * runs.
   */
  run: () => (run.name && run.dataset === chosen.dataset ? run.name : null),
  /** Show the run `name` in every tab that shows one, and its base model wherever one is chosen. */
  chooseRun(name, model = "") {
    const isNew = name !== studio.run();
    run = { name, dataset: chosen.dataset };
    if (isNew) say("run", name);
    studio.follow(model);
  },
  /** The base model of what is on show is the one chosen everywhere. */
  follow(model) {
    if (take("model", model)) say("picker");
  },
  /**
   * Which of `runs` to show: the chosen one, else the newest of the chosen dataset, else the newest; null without any.
   * Once a person has chosen a base model, only runs of that.
   */
  shownRun(runs) {
    const possible = isModelPicked ? runs.filter(({ model }) => model === chosen.model) : runs;
    const mine = possible.find(({ dataset }) => dataset === chosen.dataset);
    return runs.find(({ name }) => name === studio.run()) ?? mine ?? possible[0] ?? null;
  },
  /** Say that clips or runs were written: the sidebar and every tab that listens read them again. */
  changed: () => say("changed"),
  /** Say that another tab chose new cards for the dataset in hand: the recorder lays them out. */
  dealt: () => say("cards"),
  /** Ask for the dialog `name` (“labels”, “splits”, “check”, “import”, “export-data”); whoever listens shows it. */
  open(name, detail = {}) {
    unopened.set(`open:${name}`, detail);
    say(`open:${name}`, detail);
  },
  /**
   * `on("dataset" | "kind" | "model" | "picker" | "another" | "run" | "changed" | "cards" | "theme" | "back" |
   * "open:NAME", element, call)`: call until `element` leaves the page.
   */
  on(name, element, call) {
    /** @param {any} event */
    const listener = ({ detail }) => {
      if (!element.isConnected) return document.removeEventListener(`studio:${name}`, listener);
      unopened.delete(name);
      call(detail);
    };
    document.addEventListener(`studio:${name}`, listener);
    if (unopened.has(name)) listener({ detail: unopened.get(name) });
  },
};
window.studio = studio;

/** Take note of a choice; whether it is another one than before. */
function take(name, value) {
  if (!value || value === chosen[name]) return false;
  chosen[name] = value;
  say(name, value);
  return true;
}

/** What a request can end in, in the words of the server: `what` happened and the `remedy`. */
export class StudioError extends Error {
  /** @param {Record<string, any> | null} clip */
  constructor(what, remedy = "", code = "", clip = null) {
    super(`${what} ${remedy}`.trim());
    this.what = what;
    this.remedy = remedy;
    this.code = code;
    this.clip = clip; // `clip`: as it is now, where it was changed elsewhere
  }
}

/** @type {[string, string]} */
const GONE = [
  "The studio does not answer.",
  "Is it still running? Start it again with “studio ui”; this page keeps what you recorded and reconnects on its own.",
];
const PROXIES = [502, 503, 504]; // what a proxy answers in the studio's place
const LOOK = 2000; // ms between two looks whether it is back
let looking = 0;

/** Where no answer comes at all. */
export const gone = () => new StudioError(...GONE, "Gone");
const brokenOff = () => new StudioError("The connection to the studio broke off.", "Try again.", "BrokenOff");

/** Whether the studio does not answer; from then on the page looks until it does, and says so. */
export async function isGone() {
  const answer = await fetch(new URL("studio/assets/studio.js", document.baseURI), { cache: "no-store" }).catch(() =>
    null
  );
  if (!answer?.ok) looking ||= setTimeout(lookAgain, LOOK);
  return !answer?.ok;
}

async function lookAgain() {
  looking = 0;
  if (await isGone()) return;
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[class*=-fault]"))) {
    if (box.textContent.includes(GONE[0])) box.hidden = true;
  }
  say("back");
  studio.changed();
}

/** JSON of `studio/<path>`. `body` is sent as JSON, or as it is if it is a FormData or Blob. Throws StudioError.
 *  @param {string} path
 *  @param {{ method?: string, body?: any }} options
 *  @returns {Promise<any>} as one of the types in server.d.ts */
export async function request(path, { method, body } = {}) {
  const isData = body instanceof FormData || body instanceof Blob;
  /** @type {RequestInit} */
  const options = { method: method || (body === undefined ? "GET" : "POST") };
  if (body !== undefined) options.body = isData ? body : JSON.stringify(body);
  if (body !== undefined && !isData) options.headers = { "Content-Type": "application/json" };
  const address = new URL(`studio/${path}`, document.baseURI);
  const failed = async () => ((await isGone()) ? gone() : brokenOff());
  const answer = await fetch(address, options).catch(() => null);
  const text = (await answer?.text().catch(() => null)) ?? null;
  if (answer === null || text === null) throw await failed();
  const content = parsed(text);
  if (PROXIES.includes(answer.status) && !content?.what) throw await failed();
  if (!answer.ok) {
    throw new StudioError(
      content?.what || `The studio answered ${answer.status}.`,
      content?.remedy || "",
      content?.code,
      content?.clip,
    );
  }
  return content;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A count with its noun, and verb, in the right number: “1 clip”, “1,200 clips”, “1 clip is”, “2 clips are”.
 *  @param {number} count
 *  @param {string} one */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** `tell(text, more)` and `fail(error)`, of which only one is seen at a time: in the boxes `done` and `fault`. */
export function messages(done, fault) {
  return {
    /** @param {string} text
     *  @param {string | Node} more */
    tell(text = "", more = "") {
      fault.hidden = true;
      done.hidden = !text;
      done.replaceChildren(...(text ? [icon("check"), make("p", { class: "st-grow" }, text), more] : []));
    },
    fail(error) {
      done.hidden = true;
      fault.hidden = false;
      fault.replaceChildren(icon("warning"), make("p", {}, error.message));
      return null;
    },
  };
}

/** FormData of plain fields and blobs; a list is sent as one field for each of its values.
 *  @param {Record<string, any>} fields */
export function form(fields) {
  const data = new FormData();
  for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) data.append(name, value);
  return data;
}

/** A path of names, each escaped: `at("clips", dataset, id)`.
 *  @param {string[]} names */
export const at = (...names) => names.map(encodeURIComponent).join("/");

/** An element: `make("button", { class: "st-button", onclick: f }, "Save")`. Text is never read as markup.
 *  @template {keyof HTMLElementTagNameMap} Tag
 *  @param {Tag} tag
 *  @param {Record<string, any>} attributes
 *  @param {(Node | string | null | undefined)[]} children
 *  @returns {HTMLElementTagNameMap[Tag]} */
export function make(tag, attributes = {}, ...children) {
  /** @type {any} */
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
/** The picture `name` of icons.svg, in the colour of the text around it.
 *  @param {string} name */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "st-icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", new URL(`studio/assets/icons.svg#${name}`, document.baseURI).pathname + `#${name}`);
  picture.append(use);
  return picture;
}

/** Whether a key pressed now belongs to a text field, a menu or a dialog rather than to the tab. */
export function isTyping({ target, key }) {
  if (target.matches?.("[type=checkbox], [type=radio]")) return key === " ";
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    !!target.closest?.("dialog, [role=listbox]");
}

/** After a click of the mouse the keys belong to the tab again; who came by the Tab key keeps the focus.
 *  @param {any} event */
export function giveBackFocus({ target, detail }) {
  const control = detail && target.closest?.("button, [type=checkbox], [type=radio], [role=tab]");
  if (control) control.blur();
}

/** Whether `element` is on the tab in front.
 *  @param {HTMLElement} element */
export const isShown = (element) => element.isConnected && element.offsetParent !== null;

/** A model’s name: of a folder its last part, of a merged run the run’s. `base_models.py` lists it so too. */
export function called(model) {
  const merged = model.match(/[\\/]([^\\/]+)[\\/](?:exports[\\/])?merged(?:-fp32)?$/);
  const parts = model.split(/[\\/]/);
  return merged ? `${merged[1]}, merged` : parts.length > 2 ? parts[parts.length - 1] : model;
}

/** @param {number} value */
export const seconds = (value) => `${value.toFixed(1)} s`;

/** 754 seconds as `12 min 34 s`.
 *  @param {number} value */
export function duration(value) {
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}
