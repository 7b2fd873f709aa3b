/**
 * What a frame from the server means: text frames hold one Event, one error answer or the time as JSON. The decoder is a
 * table by frame kind, so that a binary audio downlink, once negotiated, is one more entry and touches nothing else. Pure.
 */

import { decodeBase64 } from "./base64.js";
import { bytesToInt16, rateOf } from "./pcm.js";

/**
 * @typedef {import("./types.js").LiveEvent} LiveEvent
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
 * @property {string | null} problem why the frame could not be read
 *
 * @typedef {(frame: any) => Decoded} FrameDecoder
 */

/**
 * The audio that an Event carries.
 *
 * @param {LiveEvent} event
 * @returns {AudioChunk[]}
 * @throws {RangeError} when the data is not base64
 */
export function audioOf(event) {
  /** @type {AudioChunk[]} */
  const chunks = [];
  for (const part of event.content?.parts ?? []) {
    const blob = part.inlineData;
    if (!blob || !blob.mimeType.startsWith("audio/pcm")) continue;
    chunks.push({ pcm: bytesToInt16(decodeBase64(blob.data)), rate: rateOf(blob.mimeType) });
  }
  return chunks;
}

/** @type {Decoded} */
const NOTHING = { event: null, refusal: null, clock: null, audio: [], problem: null };

/** @param {string} problem @returns {Decoded} */
function unreadable(problem) {
  return { ...NOTHING, problem };
}

/**
 * Decode a JSON text frame.
 *
 * @param {string} frame
 * @returns {Decoded}
 */
export function decodeTextFrame(frame) {
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
  try {
    return { ...NOTHING, event: message, audio: audioOf(message) };
  } catch (error) {
    return { ...NOTHING, event: message, problem: `Audio could not be decoded: ${String(error)}` };
  }
}

/** Decoders by kind of frame. */
export class Downlink {
  constructor() {
    /** @type {{text: FrameDecoder, binary: FrameDecoder}} */
    this.decoders = {
      text: decodeTextFrame,
      binary: () => unreadable("The server sent a binary frame, which was not negotiated."),
    };
  }

  /**
   * @param {string | ArrayBuffer} frame
   * @returns {Decoded}
   */
  decode(frame) {
    return typeof frame === "string" ? this.decoders.text(frame) : this.decoders.binary(frame);
  }
}
