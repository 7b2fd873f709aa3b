/**
 * The chip of a tool call: name, arguments and answer in a line, and all of it on request.
 */

import { isPending } from "../client/tool_calls.js";
import { make } from "./dom.js";

/** @typedef {import("../client/items.js").ToolItem} ToolItem */

/** @type {Record<import("../client/items.js").ToolState, [title: string, shown: string]>} */
const STATES = {
  running: ["running", ""],
  working: ["working", "working"],
  waiting: ["waiting for approval", "waiting for approval"],
  done: ["answered", ""],
  failed: ["failed", ""],
  stopped: ["stopped", "stopped"],
};

/** @param {HTMLElement} row @param {ToolItem} item */
export function fillTool(row, item) {
  row.className = `chip ${item.state}`;
  const [title, shown] = STATES[item.state];
  const summary = make("summary");
  const call = make("span", "call");
  call.append(make("b", "", item.name), `(${briefArgs(item.args)})`);
  summary.append(make("span", "dot"), call);
  if (shown) summary.append(make("span", "state", shown));
  if (item.response !== undefined && !isPending(item.response)) summary.append(make("span", "answer", `→ ${brief(item.response, 120)}`));
  summary.title = `Tool ${item.name} of ${item.author}: ${title}`;
  const whole = { args: item.args, response: item.response };
  row.replaceChildren(summary, make("pre", "", JSON.stringify(whole, null, 2)));
  return row;
}

/** @param {unknown} args */
function briefArgs(args) {
  if (args === undefined) return "…";
  if (args === null || typeof args !== "object") return brief(args, 40);
  return Object.entries(args)
    .map(([name, value]) => `${name}: ${brief(value, 32)}`)
    .join(", ");
}

/**
 * A value in a few characters. `{result: x}` is how plain results travel: shown as x.
 *
 * @param {unknown} value
 * @param {number} most
 */
function brief(value, most) {
  const text = inWords(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** @param {unknown} value @returns {string} */
function inWords(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value) ?? "nothing";
  const entries = Object.entries(value);
  if (entries.length === 1 && (entries[0][0] === "result" || entries[0][0] === "error")) return inWords(entries[0][1]);
  return entries.map(([name, inner]) => `${name}: ${inWords(inner)}`).join(", ") || "nothing";
}
