/**
 * Draws a conversation: takes the changes that client/conversation.js made and keeps the list of messages, its typing
 * indicator and its scroll position.
 */

import { covered } from "../client/heard.js";
import { latencyInWords, latencyParts } from "../client/latency.js";
import { make } from "./dom.js";

/**
 * @typedef {import("../client/items.js").Item} Item
 * @typedef {import("../client/items.js").MessageItem} MessageItem
 * @typedef {import("../client/items.js").ImageItem} ImageItem
 * @typedef {import("../client/items.js").ToolItem} ToolItem
 * @typedef {import("../client/items.js").NoteItem} NoteItem
 * @typedef {import("../client/items.js").Change} Change
 */

/** How near its end the list counts as being read at the end, in px. */
const NEAR_END = 80;
/** Rows kept on the page; older ones go. */
const KEPT_ROWS = 1_000;

export class MessageList {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} scroller the element that scrolls it
   * @param {() => void} onAction the button of a note was clicked
   */
  constructor(list, scroller, onAction) {
    this.list = list;
    this.scroller = scroller;
    list.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLElement && target.matches(".note-action")) onAction();
    });
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map();
    /** @type {string | null} author of the last agent's row: named when another one speaks */
    this.lastAuthor = null;
    this.typing = make("div", "row agent is-typing");
    const dots = make("div", "bubble typing");
    dots.append(make("i"), make("i"), make("i"));
    this.typing.append(dots);
    this.typing.setAttribute("aria-hidden", "true");
  }

  /**
   * @param {Change[]} changes
   * @param {boolean} awaitingAgent whether to show the typing indicator
   */
  draw(changes, awaitingAgent) {
    // Audio changes nothing here and comes often: do not make the browser measure the page for it.
    if (changes.length === 0 && awaitingAgent === this.typing.isConnected) return;
    const atEnd = this.#isAtEnd();
    for (const change of changes) {
      if (change.type === "add") this.#add(change.item, change.beforeKey);
      else this.#update(change.item);
    }
    if (!awaitingAgent) this.typing.remove();
    else if (this.list.lastChild !== this.typing) this.list.append(this.typing);
    const ownWords = changes.some(({ type, item }) => type === "add" && item.kind !== "note" && isOfUser(item));
    if (atEnd || ownWords) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Begin again with an empty list. */
  clear() {
    this.list.replaceChildren();
    this.rows.clear();
    this.lastAuthor = null;
  }

  #isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /** @param {Item} item @param {number | undefined} beforeKey */
  #add(item, beforeKey) {
    this.rows.get(item.key)?.remove(); // known already: it moves
    const row = this.#row(item);
    row.dataset.key = String(item.key);
    this.rows.set(item.key, row);
    const before = beforeKey === undefined ? null : (this.rows.get(beforeKey) ?? null);
    this.list.insertBefore(row, before ?? (this.typing.isConnected ? this.typing : null));
    if (this.rows.size > KEPT_ROWS) this.#forgetOldest();
  }

  #forgetOldest() {
    const [key, row] = /** @type {[number, HTMLElement]} */ (this.rows.entries().next().value);
    row.remove();
    this.rows.delete(key);
  }

  /** @param {Item} item */
  #update(item) {
    const row = this.rows.get(item.key);
    if (!row) return;
    if (item.kind === "message") fillMessage(row, item);
    else if (item.kind === "tool") fillTool(row, item);
    else if (item.kind === "note") fillNote(row, item);
  }

  /** @param {Item} item @returns {HTMLElement} */
  #row(item) {
    if (item.kind === "tool") return fillTool(make("details"), item);
    if (item.kind === "note") return fillNote(make("p"), item);
    if (item.kind === "image") return imageRow(item);
    const row = make("div");
    if (item.role === "agent") {
      if (this.lastAuthor !== null && this.lastAuthor !== item.author) row.append(make("span", "author", item.author));
      this.lastAuthor = item.author;
    }
    row.append(make("div", "bubble"));
    return fillMessage(row, item);
  }
}

/** @param {Item} item */
function isOfUser(item) {
  return "role" in item && item.role === "user";
}

/** @param {HTMLElement} row @param {MessageItem} item */
function fillMessage(row, item) {
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

/** @param {ImageItem} item */
function imageRow(item) {
  const row = make("div", `row ${item.role}`);
  const picture = make("img", "picture");
  picture.src = item.url;
  picture.alt = "The picture you sent";
  row.append(picture);
  return row;
}

/** @param {HTMLElement} row @param {ToolItem} item */
function fillTool(row, item) {
  row.className = `chip ${item.state}`;
  const summary = make("summary");
  const call = make("span", "call");
  call.append(make("b", "", item.name), `(${briefArgs(item.args)})`);
  summary.append(make("span", "dot"), call);
  if (item.state !== "running") summary.append(make("span", "answer", `→ ${brief(item.response, 120)}`));
  const state = { running: "running", done: "answered", failed: "failed" }[item.state];
  summary.title = `Tool ${item.name}: ${state}`;
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

/** @param {HTMLElement} row @param {NoteItem} item */
function fillNote(row, item) {
  row.className = `note ${item.level}`;
  row.textContent = item.count > 1 ? `${item.text} (×${item.count})` : item.text;
  if (item.action) {
    const button = make("button", "note-action", item.action);
    button.type = "button";
    row.append(button);
  }
  if (item.level === "error") row.setAttribute("role", "alert");
  return row;
}
