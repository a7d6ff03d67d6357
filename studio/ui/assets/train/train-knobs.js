// Every setting of a run as a field, and its value read back.

import { make } from "../studio.js";

/** Fieldsets of all knobs, by group. */
export function knobGroups(groups) {
  return Object.entries(groups).map(([title, knobs]) =>
    make("fieldset", {}, make("legend", {}, title), ...knobs.map(knobField))
  );
}

function knobField(knob) {
  const id = `train-knob-${knob.name}`;
  const shared = { id, "data-knob": knob.name, "data-kind": knob.kind, "aria-describedby": `${id}-help` };
  const help = make("small", { id: `${id}-help`, class: "st-quiet" }, knob.help);
  const bounds = { min: knob.minimum, max: knob.maximum, step: knob.kind === "integer" ? 1 : "any" };
  if (knob.kind === "boolean") {
    return make(
      "div",
      { class: "train-knob" },
      make("label", { class: "st-check" }, make("input", { type: "checkbox", ...shared }), knob.label),
      help,
    );
  }
  const field = knob.kind === "choice"
    ? make("select", { class: "st-select", ...shared }, ...knob.choices.map((choice) => make("option", {}, choice)))
    : make("input", {
      class: "st-field",
      autocomplete: "off",
      spellcheck: "false",
      ...shared,
      ...(knob.kind === "string" ? { type: "text" } : { type: "number", ...bounds }),
    });
  return make("div", { class: "train-knob" }, make("label", { class: "st-label", for: id }, knob.label), field, help);
}

/** What the field of a knob says: null where a number is missing. */
export function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.type === "number") return field.value === "" ? null : Number(field.value);
  return field.value;
}
