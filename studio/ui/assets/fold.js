// Sections that fold. How each was left, this browser remembers.

import { make } from "./studio.js";

const key = (name) => `studio.fold.${name}`;

/** Is the window a phone's? There, only what is asked for unfolds. */
export const isNarrow = () => matchMedia("(max-width: 860px)").matches;

/** Have `details` stay as a person left it, under `name`; until then it `isOpen`. */
export function remember(details, name, isOpen) {
  details.open = (localStorage.getItem(key(name)) ?? (isOpen ? "open" : "shut")) === "open";
  details.firstElementChild.addEventListener(
    "click",
    () => localStorage.setItem(key(name), details.open ? "shut" : "open"),
  ); // as it will be
}

/** A section `title` with `content` that folds. */
export function fold(name, title, isOpen, ...content) {
  const details = make("details", { class: "st-fold" }, make("summary", {}, title), ...content);
  remember(details, name, isOpen);
  return details;
}
