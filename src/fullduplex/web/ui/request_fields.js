/**
 * Fields for what a request wants to be told besides yes or no: its payload, a pattern of what the answer is to hold.
 */

import { make } from "./dom.js";

/**
 * A field for each entry of an object; one field for anything else.
 *
 * @param {unknown} payload
 */
export function fieldsFor(payload) {
  const fields = make("div", "request-fields");
  if (isObject(payload)) fields.append(...Object.entries(payload).map(([name, value]) => field(name, value)));
  else fields.append(field("", payload));
  return fields;
}

/**
 * What was filled in, in the form of the pattern.
 *
 * @param {HTMLElement} fields all valid
 * @returns {unknown}
 */
export function readFields(fields) {
  const entries = [...fields.querySelectorAll("input")].map((input) => [input.name, valueOf(input)]);
  return entries.length === 1 && entries[0][0] === "" ? entries[0][1] : Object.fromEntries(entries);
}

/** @param {string} name @param {unknown} value */
function field(name, value) {
  const input = make("input");
  input.name = name;
  input.autocomplete = "off";
  if (typeof value === "boolean") {
    input.type = "checkbox";
    input.checked = value;
  } else if (typeof value === "number") {
    input.type = "number";
    input.step = "any";
    input.required = true;
    input.value = String(value);
  } else if (typeof value === "string") {
    input.value = value;
  } else {
    input.dataset.json = "";
    input.value = JSON.stringify(value);
    input.addEventListener("input", () => input.setCustomValidity(isJson(input.value) ? "" : "This is no JSON."));
  }
  const label = make("label");
  label.append(make("span", "", name || "Answer"), input);
  return label;
}

/** @param {HTMLInputElement} input @returns {unknown} */
function valueOf(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.type === "number") return input.valueAsNumber;
  return input.dataset.json === undefined ? input.value : JSON.parse(input.value);
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
