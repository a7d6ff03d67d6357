// A log on the server, followed from a byte offset while it can be seen: a hidden tab costs nothing and misses nothing.

import { isShown } from "./studio.js";

/**
 * Call `change(isVisible)` now and whenever `element` comes into sight or goes: tab of the page, tab of the browser.
 */
export function watchVisibility(element, change) {
  let was = null;
  const look = () => {
    const is = isShown(element) && document.visibilityState === "visible";
    if (is !== was) change(was = is);
  };
  new ResizeObserver(look).observe(element);
  document.addEventListener("visibilitychange", look);
  look();
}

export class Stream {
  /** @type {EventSource | null} */
  #source = null;
  #offset = 0;
  #isOver = false;
  #isWanted = false;

  /**
   * Follow `studio/<path>`; `on` has `data(payload)`, `state(state)`, `restart()`, `end()` and `trouble(isBroken)`.
   * @param {string} path
   * @param {{ data: (payload: any) => void, restart: () => void, state?: (state: any) => void, end?: () => void,
   *   trouble?: (isBroken: boolean) => void }} on
   */
  constructor(path, on) {
    this.path = path;
    this.on = on;
  }

  /** Connect, or let go; what comes in between is sent later. */
  set isWanted(wanted) {
    this.#isWanted = wanted;
    if (wanted && !this.#source && !this.#isOver) this.#open();
    else if (!wanted) this.#shut();
  }

  close() {
    this.#isOver = true;
    this.#shut();
  }

  #shut() {
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    const address = new URL(`studio/${this.path}?offset=${this.#offset}`, document.baseURI);
    const source = (this.#source = new EventSource(address));
    source.onopen = () => this.on.trouble?.(false);
    source.onmessage = (message) => {
      this.#offset = Number(message.lastEventId);
      this.on.data(JSON.parse(message.data));
    };
    source.addEventListener("state", (message) => this.on.state?.(JSON.parse(message.data)));
    source.addEventListener("restart", () => {
      this.#offset = 0;
      this.on.restart();
    });
    source.addEventListener("end", () => {
      this.close();
      this.on.end?.();
    });
    source.onerror = () => {
      this.on.trouble?.(true);
      if (source.readyState !== EventSource.CLOSED || source !== this.#source) return; // it tries again by itself
      this.#shut();
      setTimeout(() => (this.isWanted = this.#isWanted), 2000);
    };
  }
}
