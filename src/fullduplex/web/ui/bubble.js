/**
 * The bubble of a message: its text, what of it was heard, and what is to be said about it.
 */

import { covered } from "../client/heard.js";
import { latencyInWords, latencyParts } from "../client/latency.js";
import { make } from "./dom.js";

/** @typedef {import("../client/items.js").MessageItem} MessageItem */

/**
 * The name of who speaks, and the branch that it works in when others work at the same time.
 *
 * @param {MessageItem} item
 */
export function speakerName({ author, branch }) {
  const name = make("span", "author", author);
  const others = branch?.endsWith(`.${author}`) ? branch.slice(0, -author.length - 1) : branch;
  if (others) name.append(make("span", "branch", others));
  return name;
}

/** @param {HTMLElement} row @param {MessageItem} item */
export function fillMessage(row, item) {
  const flags = [item.streaming && "streaming", item.interrupted && "interrupted", item.thought && "thought"];
  row.className = ["row", item.role, item.source, ...flags.filter(Boolean)].join(" ");
  // A screen reader reads a bubble once it is whole, not delta by delta.
  row.setAttribute("aria-busy", String(item.streaming));
  fillBubble(/** @type {HTMLElement} */ (row.querySelector(".bubble")), item);
  if (item.interrupted && !row.querySelector(".tag-cut")) row.append(make("span", "tag tag-cut", "Interrupted"));
  const took = item.latency && !row.querySelector(".tag-time") && latencyInWords(item.latency);
  if (item.latency && took) {
    const tag = make("span", "tag tag-time", took);
    tag.title = latencyParts(item.latency);
    row.append(tag);
  }
  return row;
}

/**
 * The text; of an answer that was cut, what nobody heard is marked as such.
 *
 * @param {HTMLElement} bubble
 * @param {MessageItem} item
 */
function fillBubble(bubble, item) {
  const { length } = item.heard === undefined ? item.text : covered(item.text, item.heard);
  if (length === item.text.length) {
    if (bubble.textContent !== item.text || bubble.childElementCount > 0) bubble.textContent = item.text;
    return;
  }
  const unheard = make("s", "unheard", item.text.slice(length));
  unheard.title = "You did not hear this";
  bubble.replaceChildren(item.text.slice(0, length), unheard);
}
