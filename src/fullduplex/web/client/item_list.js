/**
 * The items of a conversation in the order of showing, and the changes since they were last drawn. Pure.
 */

/**
 * @typedef {import("./items.js").Item} Item
 * @typedef {import("./items.js").MessageItem} MessageItem
 * @typedef {import("./items.js").Change} Change
 */

/** Items remembered; what the page still shows may be longer. */
const KEPT_ITEMS = 1_000;

export class ItemList {
  constructor() {
    /** @type {Item[]} */
    this.items = [];
    this.nextKey = 1;
    /** @type {Change[]} */
    this.changes = [];
  }

  /** A key for a new item. */
  freshKey() {
    return this.nextKey++;
  }

  /**
   * @param {Item} item
   * @param {Item} [before] the item that it goes in front of; at the end when missing
   */
  add(item, before) {
    const at = before ? this.items.lastIndexOf(before) : this.items.length;
    this.items.splice(at, 0, item);
    if (this.items.length > KEPT_ITEMS) this.items.shift();
    this.changes.push({ type: "add", item, beforeKey: before?.key });
  }

  /** @param {Item} item one whose fields have changed */
  update(item) {
    if (!this.changes.some((change) => change.item === item)) this.changes.push({ type: "update", item });
  }

  /** Show a known item again, as the newest. @param {Item} item */
  moveToEnd(item) {
    this.items.splice(this.items.lastIndexOf(item), 1);
    this.items.push(item);
    this.changes.push({ type: "add", item });
  }

  /** The items since the last one that is not a note. */
  trailingNotes() {
    const last = this.items.findLastIndex((item) => item.kind !== "note");
    return /** @type {import("./items.js").NoteItem[]} */ (this.items.slice(last + 1));
  }

  /** No more text will come. @param {MessageItem} item */
  settle(item) {
    if (!item.streaming) return;
    item.streaming = false;
    this.update(item);
  }

  /** @returns {Change[]} what to draw, in order; afterwards there is nothing to draw */
  takeChanges() {
    const changes = this.changes;
    this.changes = [];
    return changes;
  }

  /**
   * Whether the user has said something after this item.
   *
   * @param {Item} item
   * @param {{complete: boolean}} only `complete`: what is still being heard does not count
   */
  userSpokeAfter(item, { complete }) {
    const at = this.items.lastIndexOf(item);
    return this.items
      .slice(at + 1)
      .some((later) => later.kind === "message" && later.role === "user" && !(complete && later.streaming));
  }

  /** The agents' bubbles that are no thoughts. */
  agentMessages() {
    return this.items.filter(
      /** @returns {item is MessageItem} */
      (item) => item.kind === "message" && item.role === "agent" && !item.thought,
    );
  }

  /** The last of them. @param {string} [author] of this agent @returns {MessageItem | undefined} */
  lastAgentMessage(author) {
    return this.agentMessages().findLast((item) => author === undefined || item.author === author);
  }
}
