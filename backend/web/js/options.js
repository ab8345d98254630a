// A form of options: reads and writes the values that differ from the defaults.

import { LANGUAGE, percent } from "./language.js";

/**
 * The options of a form that are not at their defaults, by name.
 * @param {HTMLFormElement} form
 * @returns {Record<string, string>}
 */
export function readOptions(form) {
  const options = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled) continue;
    if (field.type === "radio") {
      if (field.checked && !field.defaultChecked) options[field.name] = field.value;
    } else if (field.type === "checkbox") {
      if (field.checked !== field.defaultChecked) options[field.name] = String(field.checked);
    } else if (field.value !== defaultOf(field)) {
      options[field.name] = field.value;
    }
  }
  return options;
}

/** Set a form to `options`, and its other fields to their defaults.
 * @param {HTMLFormElement} form @param {Record<string, string>} options */
export function writeOptions(form, options) {
  form.reset();
  for (const [name, value] of Object.entries(options)) {
    const field = form.elements.namedItem(name);
    if (field instanceof RadioNodeList) field.value = value;
    else if (field?.type === "checkbox") field.checked = value === "true";
    else if (field) field.value = value;
  }
  showValues(form);
}

/** Show the value beside each slider. @param {ParentNode} place */
export function showValues(place) {
  for (const slider of place.querySelectorAll('input[type="range"][id]')) {
    const output = document.querySelector(`label[for="${slider.id}"] output`);
    if (output) output.textContent = valueOf(slider);
  }
}

/** The value of a slider with its unit. @param {any} slider @returns {string} */
function valueOf({ value, dataset: { unit } }) {
  if (unit === "%") return percent(Number(value) / 100);
  if (unit === "share") return percent(Number(value));
  const number = Number(value).toLocaleString(LANGUAGE);
  return unit ? `${number} ${unit}` : number;
}

/** @param {Record<string, string>} one @param {Record<string, string>} other */
export const same = (one, other) =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

function defaultOf(field) {
  if (field.tagName !== "SELECT") return field.defaultValue;
  return ([...field.options].find((option) => option.defaultSelected) ?? field.options[0]).value;
}
