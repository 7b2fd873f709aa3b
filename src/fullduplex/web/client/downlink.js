/**
 * What the frames from the server mean: text frames hold one Event, one error answer or the time as JSON. Media is in the
 * Event as base64, or it follows the Event in binary frames. No socket and no player.
 */

import { decodeBase64 } from "./base64.js";
import { bytesToInt16, rateOf } from "./pcm.js";

/**
 * @typedef {import("./types.js").LiveEvent} LiveEvent
 * @typedef {import("./types.js").Media} Media
 * @typedef {import("./types.js").ErrorAnswer} ErrorAnswer
 * @typedef {import("./clock.js").Answer} ClockAnswer
 *
 * @typedef {{pcm: Int16Array<ArrayBuffer>, rate: number}} AudioChunk
 *
 * @typedef {object} Decoded
 * @property {LiveEvent | null} event
 * @property {ErrorAnswer | null} refusal
 * @property {ClockAnswer | null} clock
 * @property {AudioChunk[]} audio in order of playing
 * @property {string | null} problem why the frame, or one before it, could not be read
 */

/** @param {LiveEvent} event @returns {Media[]} in order */
function mediaOf(event) {
  return (event.content?.parts ?? []).flatMap((part) => part.inlineData ?? []);
}

/** @param {Media} blob */
function isMissing({ data, bytes }) {
  return data === undefined && bytes === undefined;
}

/**
 * The audio that an Event carries.
 *
 * @param {LiveEvent} event
 * @returns {AudioChunk[]} the caller's own, not shared with the Event
 * @throws {RangeError} when the data is not base64
 */
function audioOf(event) {
  return mediaOf(event)
    .filter(({ mimeType }) => mimeType.startsWith("audio/pcm"))
    .map(({ mimeType, data = "", bytes }) => {
      return { pcm: bytesToInt16(bytes?.slice() ?? decodeBase64(data)), rate: rateOf(mimeType) };
    });
}

/** @type {Decoded} */
const NOTHING = { event: null, refusal: null, clock: null, audio: [], problem: null };

/** @param {string} problem @returns {Decoded} */
function unreadable(problem) {
  return { ...NOTHING, problem };
}

/**
 * Decode a JSON text frame, without the audio in it.
 *
 * @param {string} frame
 * @returns {Decoded}
 */
function decodeText(frame) {
  let message;
  try {
    message = JSON.parse(frame);
  } catch {
    return unreadable("The server sent a frame that is not JSON.");
  }
  if (message === null || typeof message !== "object" || Array.isArray(message)) {
    return unreadable("The server sent a frame that is not a JSON object.");
  }
  if (message.type === "error") return { ...NOTHING, refusal: message };
  if (message.type === "clock") return { ...NOTHING, clock: message };
  return { ...NOTHING, event: message };
}

/** The frames of one connection after another. */
export class Downlink {
  /** @type {LiveEvent | null} the one whose media has not all come */
  #unfinished = null;

  /**
   * @param {string | ArrayBuffer} frame
   * @returns {Decoded} with an Event once all its media is there
   */
  decode(frame) {
    if (typeof frame !== "string") return this.#addMedia(new Uint8Array(frame));
    const lost = this.#unfinished !== null;
    this.forget();
    const decoded = decodeText(frame);
    const known = decoded.event ? this.#finish(decoded.event) : decoded;
    return lost ? { ...known, problem: known.problem ?? "The server sent an event and not all of its media." } : known;
  }

  /** The connection is gone: what it did not finish will not come. */
  forget() {
    this.#unfinished = null;
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes @returns {Decoded} */
  #addMedia(bytes) {
    const event = this.#unfinished;
    const blob = event && mediaOf(event).find(isMissing);
    if (!event || !blob) return unreadable("The server sent a binary frame that belongs to no event.");
    blob.bytes = bytes;
    this.forget();
    return this.#finish(event);
  }

  /** @param {LiveEvent} event @returns {Decoded} */
  #finish(event) {
    try {
      if (!mediaOf(event).some(isMissing)) return { ...NOTHING, event, audio: audioOf(event) };
    } catch (error) {
      return { ...NOTHING, event, problem: `Audio could not be decoded: ${String(error)}` };
    }
    this.#unfinished = event;
    return NOTHING;
  }
}
