/**
 * The written side of a conversation: text that streams into bubbles, one for each agent and kind. Pure.
 */

/**
 * @typedef {import("./items.js").MessageItem} MessageItem
 * @typedef {import("./item_list.js").ItemList} ItemList
 *
 * @typedef {object} Segment  a piece of text as it came
 * @property {string} author
 * @property {string} [branch]
 * @property {string} text a delta when `partial`, else the whole text of this segment
 * @property {boolean} partial
 * @property {boolean} thought
 */

export class Texts {
  /** @param {ItemList} list */
  constructor(list) {
    this.list = list;
    /** @type {Map<string, MessageItem>} bubbles that still grow, by author and kind */
    this.growing = new Map();
  }

  /**
   * @param {Segment} segment
   * @param {number} turn
   * @returns {MessageItem} the bubble that shows it
   */
  push({ author, branch, text, partial, thought }, turn) {
    const slot = `${author} ${thought}`;
    let item = this.growing.get(slot);
    if (item) {
      item.text = partial ? item.text + text : text;
      item.streaming = partial;
      this.list.update(item);
    } else {
      item = { ...message(this.list, "agent", author, text, turn), branch, streaming: partial, thought };
      this.list.add(item);
    }
    if (partial) this.growing.set(slot, item);
    else this.growing.delete(slot);
    return item;
  }

  /** No more will come. @param {string} [author] of this one alone */
  close(author) {
    for (const [slot, item] of this.growing) {
      if (author !== undefined && item.author !== author) continue;
      this.list.settle(item);
      this.growing.delete(slot);
    }
  }

  /** Whether somebody else still writes. @param {string} author */
  othersWrite(author) {
    return [...this.growing.values()].some((item) => item.author !== author);
  }
}

/**
 * A whole message.
 *
 * @param {ItemList} list
 * @param {"user" | "agent"} role
 * @param {string} author
 * @param {string} text
 * @param {number} turn
 * @returns {MessageItem}
 */
export function message(list, role, author, text, turn) {
  const key = list.freshKey();
  const source = role === "user" ? "typed" : "text";
  return { kind: "message", key, role, author, source, text, streaming: false, thought: false, interrupted: false, turn };
}
