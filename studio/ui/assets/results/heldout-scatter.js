// Accuracy of each clip before (across) against after (up): what is above the diagonal got better.

import { nameOf } from "./heldout-words.js";
import { counted, make } from "../studio.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [480, 280, 56, 20, 28, 40];
const x = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * value) / 100;
const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / 100);

/** An element of a drawing. */
export function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A triangle up got better, one down worse, a dot stayed: distinguished by shape as well as by colour. */
function shape(dot, attributes) {
  const [left, top, size] = [x(dot.before), y(dot.after), Math.min(16, 5 + 1.5 * Math.sqrt(dot.clips))];
  if (dot.outcome === "same") return draw("circle", { class: "same", cx: left, cy: top, r: size, ...attributes });
  const up = dot.outcome === "better" ? 1 : -1;
  const path = `M${left - size} ${top + up * size}L${left} ${top - up * size}L${left + size} ${top + up * size}z`;
  return draw("path", { class: up > 0 ? "better" : "worse", d: path, ...attributes });
}

/**
 * `dots`: `{ before, after, outcome, clips }`, accuracies in percent and what became of the clips; `pick(filter)` is
 * called with one that is pressed.
 */
export function scatter(dots, pick) {
  const count = (wanted) => dots.filter(({ outcome }) => outcome === wanted).reduce((sum, { clips }) => sum + clips, 0);
  const [up, down, same] = ["better", "worse", "same"].map(count);
  const grid = [0, 25, 50, 75, 100].flatMap((mark) => [
    draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark) }),
    draw("text", { x: LEFT - 8, y: y(mark) + 4, "text-anchor": "end" }, `${mark} %`),
    draw("text", { x: x(mark), y: HEIGHT - 22, "text-anchor": "middle" }, `${mark} %`),
  ]);
  const diagonal = draw("line", { class: "diagonal", x1: x(0), y1: y(0), x2: x(100), y2: y(100) });
  const named = draw("text", { x: x(50), y: HEIGHT - 4, "text-anchor": "middle" }, "accuracy before; up: after");
  const shapes = dots.map((dot) => pressable(dot, pick));
  const drawing = draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Clips by their accuracy before and after" },
    ...grid,
    named,
    diagonal,
    ...shapes,
  );
  const said = `${up} of ${
    counted(up + down + same, "clip")
  } got better (triangle up), ${down} worse (triangle down), ${same} stayed. Press one to see its clips.`;
  return make(
    "section",
    { class: "li-box li-scatter" },
    make("h3", {}, "Before against after"),
    make("p", { class: "st-quiet st-small" }, said),
    drawing,
  );
}

function pressable(dot, pick) {
  const filter = { dot: `${dot.before}-${dot.after}-${dot.outcome}` };
  const about = `from ${dot.before} % to ${dot.after} %${
    dot.before === dot.after && dot.outcome !== "same" ? `, ${dot.outcome}` : ""
  }`;
  const label = `${counted(dot.clips, "clip")} ${about}`;
  const mark = shape(dot, {
    role: "button",
    tabindex: "0",
    "aria-pressed": "false",
    "data-pick": nameOf(filter),
    "aria-label": label,
  });
  mark.append(draw("title", {}, label));
  const press = () => pick({ ...filter, about });
  mark.addEventListener("click", press);
  mark.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    press();
  });
  return mark;
}
