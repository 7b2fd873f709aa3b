/**
 * Asks the server for the time while the connection is open, so that moments of the page can be told on its clock.
 */

import { ServerClock, pauseBeforeNext } from "./clock.js";

/**
 * @typedef {import("./clock.js").Answer} Answer
 * @typedef {import("./socket.js").LiveSocket} LiveSocket
 */

export class Timekeeper {
  /** @param {LiveSocket} socket */
  constructor(socket) {
    this.socket = socket;
    this.clock = new ServerClock();
    this.asked = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** The connection is open: ask, and go on asking. */
  start() {
    this.stop();
    this.asked = 0;
    this.#goOn();
  }

  /** The connection is gone. What is known of the clock stays. */
  stop() {
    clearTimeout(this.timer);
  }

  /** @param {Answer} answer that has just arrived */
  hear(answer) {
    this.clock.add(answer, performance.now());
  }

  /**
   * When the user last spoke and first heard the answer, as the server is told.
   *
   * @param {string} id of the response
   * @param {number} audible ms on the page's clock
   * @param {number | null} spoke ms on the page's clock
   * @returns {Record<string, unknown> | null} null while the server's clock is not known
   */
  turnTimes(id, audible, spoke) {
    const first = this.clock.toServer(audible);
    if (first === null) return null;
    const end = spoke === null ? null : this.clock.toServer(spoke);
    return { type: "turn_times", response_id: id, first_audible_at: first, speech_end_at: end };
  }

  /** Ask once more. */
  ask() {
    this.socket.sendUnlogged({ type: "clock", t0: performance.now() });
  }

  #goOn() {
    this.ask();
    this.asked += 1;
    this.timer = setTimeout(() => this.#goOn(), pauseBeforeNext(this.asked));
  }
}
