/**
 * Makes the player's books into what the server is told: how much of each response was heard, and when it was first
 * audible. The player knows responses by number; the server knows them by the `id` of the event with their first audio.
 * Pure.
 */

import { OUTPUT_RATE } from "./pcm.js";

/**
 * @typedef {import("../worklets/ring_buffer.js").Progress} Progress
 *
 * @typedef {object} PlayoutMessage
 * @property {"playout"} type
 * @property {string} response_id
 * @property {number} played_ms what of it has left the speaker
 * @property {boolean} cleared whether the rest was thrown away
 *
 * @typedef {{id: string, playedMs: number, over: boolean, audible: boolean}} Known  what the server has been told
 */

/** Responses remembered: more than are ever in the player at once. */
const KEPT = 64;

export class Playout {
  constructor() {
    /** @type {Map<number, Known>} by number */
    this.known = new Map();
  }

  /**
   * A response begins.
   *
   * @param {number} number
   * @param {string} id of the event that carried its first audio
   */
  begin(number, id) {
    if (this.known.has(number)) return;
    this.known.set(number, { id, playedMs: 0, over: false, audible: false });
    const oldest = this.known.keys().next().value;
    if (this.known.size > KEPT && oldest !== undefined) this.known.delete(oldest);
  }

  /** @param {number} number @returns {boolean} whether audio of this response has come */
  has(number) {
    return this.known.has(number);
  }

  /** The run is over: nobody waits for news of its responses. */
  forget() {
    this.known.clear();
  }

  /**
   * What is new in the player's regular report.
   *
   * @param {Progress[]} responses
   * @returns {PlayoutMessage[]}
   */
  progress(responses) {
    const messages = [];
    for (const { response, position } of responses) {
      const known = this.known.get(response);
      const playedMs = toMs(position);
      if (!known || known.over || known.playedMs === playedMs) continue;
      known.playedMs = playedMs;
      messages.push(message(known, false));
    }
    return messages;
  }

  /**
   * What an interruption took: the last word on these responses.
   *
   * @param {Progress[]} responses as the clearing left them
   * @param {number} interrupted the response that came at the time; it may have been played out already
   * @returns {PlayoutMessage[]}
   */
  cleared(responses, interrupted) {
    const messages = [];
    const played = new Map(responses.map((progress) => [progress.response, progress]));
    for (const [number, known] of this.known) {
      const progress = played.get(number);
      if (known.over || !(progress?.cut || number === interrupted)) continue;
      if (progress) known.playedMs = toMs(progress.position);
      known.over = true;
      messages.push(message(known, true));
    }
    return messages;
  }

  /**
   * Responses whose first sound has left the speaker by now and has not been told yet.
   *
   * @param {Progress[]} responses
   * @param {(frame: number) => number} timeOf ms on the page's clock at which a frame leaves the speaker
   * @param {number} now ms on the page's clock
   * @returns {{id: string, at: number}[]}
   */
  firstSounds(responses, timeOf, now) {
    const sounds = [];
    for (const { response, audibleFrame } of responses) {
      const known = this.known.get(response);
      if (!known || known.audible || audibleFrame === null) continue;
      const at = timeOf(audibleFrame);
      if (at > now) continue;
      known.audible = true;
      sounds.push({ id: known.id, at });
    }
    return sounds;
  }
}

/** @param {number} samples */
function toMs(samples) {
  return Math.max(0, Math.round((samples / OUTPUT_RATE) * 1e6) / 1e3);
}

/** @param {Known} known @param {boolean} cleared @returns {PlayoutMessage} */
function message({ id, playedMs }, cleared) {
  return { type: "playout", response_id: id, played_ms: playedMs, cleared };
}
