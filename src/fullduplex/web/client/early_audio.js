/**
 * Stands in for the player while it is being made, which takes a slow machine longer than the agent's first words:
 * keeps what comes, and hands it over. What is silenced meanwhile is never played, but stays in the books.
 */

import { OUTPUT_RATE } from "./pcm.js";

/**
 * @typedef {import("./player.js").Player} Player
 * @typedef {{response: number, count: number, give: (player: Player) => void}} Order  count: samples of the player
 */

/** What is kept at most, in samples of the player: one minute. */
const MOST_KEPT = 60 * OUTPUT_RATE;

export class EarlyAudio {
  constructor() {
    /** @type {Order[]} what the player is to do, in this order */
    this.orders = [];
    /** Samples that it is to play. */
    this.kept = 0;
  }

  /** @param {Int16Array<ArrayBuffer>} pcm @param {number} response @param {number} rate see Player */
  push(pcm, response, rate) {
    const count = Math.round((pcm.length * OUTPUT_RATE) / rate);
    if (this.kept + count > MOST_KEPT) {
      this.skip(count, response);
      return;
    }
    this.kept += count;
    this.orders.push({ response, count, give: (player) => player.push(pcm, response, rate) });
  }

  /** @param {number} count @param {number} response see Player */
  skip(count, response) {
    this.orders.push(skipping(count, response));
  }

  /** @param {number} response see Player; the responses before it that are still kept are cut, too */
  clear(response) {
    const cut = new Set([...this.orders.map((order) => order.response), response]);
    this.orders = this.orders.map((order) => (order.count > 0 ? skipping(order.count, order.response) : order));
    for (const one of cut) {
      this.orders.push({ response: one, count: 0, give: (player) => player.clear(one) });
    }
    this.kept = 0;
  }

  /** @param {Player} player */
  handOver(player) {
    for (const { give } of this.orders) give(player);
  }
}

/** @param {number} count @param {number} response @returns {Order} */
function skipping(count, response) {
  return { response, count, give: (player) => player.skip(count, response) };
}
