/**
 * Puts the time that an answer took at the bubble where it begins, whichever of the two comes first. Pure.
 */

/** @typedef {import("./types.js").LiveEvent} LiveEvent */

export class AnswerLatency {
  /** @param {import("./item_list.js").ItemList} list */
  constructor(list) {
    this.list = list;
    /** @type {{of: import("./types.js").TurnLatency, turn: number} | null} of an answer that has no bubble yet */
    this.waiting = null;
    /** The response that is coming: the event with its first audio, and the turn it is in. */
    this.response = { id: "", turn: 0, goesOn: false };
  }

  /** @param {LiveEvent} event @param {number} turn that it is in */
  follow(event, turn) {
    if (!this.response.goesOn && event.content?.parts?.some((part) => part.inlineData)) {
      this.response = { id: event.id ?? "", turn, goesOn: true };
    }
    if (event.interrupted || event.turnComplete) this.response.goesOn = false;
    if (event.latency) {
      // The latest response, whose turn may be over already.
      const isLatest = event.latency.responseId === this.response.id;
      this.waiting = { of: event.latency, turn: isLatest ? this.response.turn : turn };
    }
    if (this.waiting) this.#show(this.waiting);
  }

  /** @param {{of: import("./types.js").TurnLatency, turn: number}} latency */
  #show({ of, turn }) {
    const item = this.list.agentMessages().findLast((message) => message.turn === turn);
    if (!item || item.interrupted || item.latency) return;
    item.latency = of;
    this.waiting = null;
    this.list.update(item);
  }
}
