/**
 * The server's clock, learnt by asking (the way of NTP): of the last ten answers the one that took the shortest way is
 * believed. Pure; who asks, and when it is time to, is timekeeper.js.
 */

/**
 * @typedef {object} Answer
 * @property {number} t0 when the question left, ms on the client's clock
 * @property {number} t1 when the server took it, ms since the epoch on the server's
 * @property {number} t2 when the server answered, ms since the epoch on the server's
 *
 * @typedef {{offset: number, roundTrip: number}} Sample  ms
 */

const KEPT_SAMPLES = 10;
const FIRST_QUESTIONS = 5;
const QUICK_MS = 200;
const SLOW_MS = 30_000;

/**
 * How long to wait before asking again.
 *
 * @param {number} asked how often it was asked since the connection began
 * @returns {number} ms
 */
export function pauseBeforeNext(asked) {
  return asked < FIRST_QUESTIONS ? QUICK_MS : SLOW_MS;
}

export class ServerClock {
  constructor() {
    /** @type {Sample[]} newest last */
    this.samples = [];
  }

  /**
   * @param {Answer} answer
   * @param {number} t3 when it arrived, ms on the client's clock
   */
  add({ t0, t1, t2 }, t3) {
    this.samples.push({ offset: (t1 - t0 + (t2 - t3)) / 2, roundTrip: t3 - t0 - (t2 - t1) });
    if (this.samples.length > KEPT_SAMPLES) this.samples.shift();
  }

  /** What to add to the client's ms for the server's; null before the first answer. @returns {number | null} */
  get offset() {
    if (this.samples.length === 0) return null;
    return this.samples.reduce((best, sample) => (sample.roundTrip < best.roundTrip ? sample : best)).offset;
  }

  /**
   * @param {number} at ms on the client's clock
   * @returns {number | null} seconds since the epoch on the server's clock; null before the first answer
   */
  toServer(at) {
    const { offset } = this;
    return offset === null ? null : (at + offset) / 1_000;
  }
}
