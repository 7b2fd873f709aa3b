/**
 * Draws a conversation: takes the changes that client/conversation.js made and keeps the list of messages, its typing
 * indicator and its scroll position.
 */

import { fillMessage, speakerName } from "./bubble.js";
import { make } from "./dom.js";
import { decisionOf, fillRequest } from "./request_card.js";
import { fillTool } from "./tool_chip.js";

/**
 * @typedef {import("../client/items.js").Item} Item
 * @typedef {import("../client/items.js").MessageItem} MessageItem
 * @typedef {import("../client/items.js").ImageItem} ImageItem
 * @typedef {import("../client/items.js").NoteItem} NoteItem
 * @typedef {import("../client/items.js").HandoverItem} HandoverItem
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
   * @param {(key: number, decision: import("./request_card.js").Decision) => void} onDecision a button of a request was
   */
  constructor(list, scroller, onAction, onDecision) {
    this.list = list;
    this.scroller = scroller;
    list.addEventListener("click", ({ target }) => {
      if (!(target instanceof HTMLElement)) return;
      if (target.matches(".note-action")) onAction();
      const decision = decisionOf(target);
      if (decision) onDecision(Number(target.closest("[data-key]")?.getAttribute("data-key")), decision);
    });
    list.addEventListener("submit", (event) => event.preventDefault()); // Enter in a field decides nothing
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map();
    /** @type {MessageItem | null} what an agent said last: who speaks is named when it changes */
    this.lastSpoken = null;
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
    const isForUser = changes.some(({ type, item }) => type === "add" && (item.kind === "request" || isOfUser(item)));
    if (atEnd || isForUser) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Begin again with an empty list. */
  clear() {
    this.list.replaceChildren();
    this.rows.clear();
    this.lastSpoken = null;
    this.list.classList.remove("many-agents");
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
    else if (item.kind === "request") fillRequest(row, item);
    else if (item.kind === "note") fillNote(row, item);
  }

  /** @param {Item} item @returns {HTMLElement} */
  #row(item) {
    if (item.kind === "tool") return fillTool(make("details"), item);
    if (item.kind === "request") return fillRequest(make("section"), item);
    if (item.kind === "note") return fillNote(make("p"), item);
    if (item.kind === "image") return imageRow(item);
    if (item.kind === "handover") return handoverRow(item);
    const row = make("div");
    if (item.role === "agent") this.#name(row, item);
    row.append(make("div", "bubble"));
    return fillMessage(row, item);
  }

  /** Names are shown once more than one agent has spoken. @param {HTMLElement} row @param {MessageItem} item */
  #name(row, item) {
    const last = this.lastSpoken;
    this.lastSpoken = item;
    if (last?.author === item.author && last.branch === item.branch) return;
    if (last) this.list.classList.add("many-agents");
    row.append(speakerName(item));
  }
}

/** @param {Item} item */
function isOfUser(item) {
  return "role" in item && item.role === "user";
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

/** @param {HandoverItem} item */
function handoverRow({ from, to }) {
  const row = make("p", "handover");
  const arrow = make("span", "arrow", "→");
  arrow.setAttribute("aria-hidden", "true");
  row.append(make("span", "", from), arrow, make("span", "visually-hidden", "hands over to"), make("b", "", to));
  return row;
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
