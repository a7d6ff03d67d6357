// How many labels have word times, and how many would get some.

import { counted, icon, make } from "../studio.js";

/** What the chosen clips have, as a node, and for how many clips a model would work.
 *  @param {Server.LabelOverview} standing
 *  @param {boolean} isAgain */
export function timing({ clips, timed, rough, by_hand: byHand, unlabelled }, isAgain) {
  const labelled = clips - unlabelled;
  const todo = labelled - (isAgain ? byHand : timed);
  if (!timed) return { box: "", todo };
  const parts = [
    rough ? `${counted(rough, "clip")} roughly` : "",
    byHand ? `${counted(byHand, "clip")} by hand` : "",
  ].filter(Boolean);
  const which = parts.length ? ` (${parts.join(", ")})` : "";
  const words = timed === labelled
    ? `Every label has word times${which}.`
    : `${timed.toLocaleString("en")} of ${labelled.toLocaleString("en")} labels have word times${which}.`;
  const box = make(
    "div",
    { class: `st-message ${timed === labelled ? "good" : ""}` },
    icon(timed === labelled ? "check" : "info"),
    make("p", { class: "st-grow" }, words),
  );
  return { box, todo };
}
