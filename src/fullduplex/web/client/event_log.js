/**
 * What went over the wire, for the event console and for tests: bounded, and with audio replaced by its size. Pure but
 * for the clock.
 */

import { base64ByteLength } from "./base64.js";

/**
 * @typedef {object} LogEntry
 * @property {number} at when it was sent or arrived, on the clock of performance.now(), in ms
 * @property {"up" | "down" | "error"} direction
 * @property {any} message JSON with media replaced by "(N bytes)"
 * @property {boolean} audio whether it is nothing but audio
 * @property {number} bytes of media in it
 */

const KEPT_ENTRIES = 20_000;

/** @param {any} blob @returns {number} */
function mediaBytes(blob) {
  return typeof blob?.data === "string" ? base64ByteLength(blob.data) : 0;
}

/**
 * A copy of an Event in which media is replaced by its size.
 *
 * @param {import("./types.js").LiveEvent} event
 * @returns {{message: any, audio: boolean, bytes: number}}
 */
export function withoutMedia(event) {
  const parts = event.content?.parts;
  if (!parts?.some((part) => part.inlineData)) return { message: event, audio: false, bytes: 0 };
  let bytes = 0;
  const shortened = parts.map((part) => {
    if (!part.inlineData) return part;
    const { bytes: raw, ...blob } = part.inlineData;
    const size = raw?.byteLength ?? mediaBytes(blob);
    bytes += size;
    return { ...part, inlineData: { ...blob, data: `(${size} bytes)` } };
  });
  const audio = parts.every((part) => part.inlineData?.mimeType.startsWith("audio/"));
  return { message: { ...event, content: { ...event.content, parts: shortened } }, audio, bytes };
}

/**
 * What the client sent, as it is logged.
 *
 * @param {import("./socket.js").SentFrame} sent
 * @returns {{message: any, audio: boolean, bytes: number}}
 */
export function describeSent({ message, bytes }) {
  if (message === null) return { message: { type: "audio", data: `(${bytes} bytes)` }, audio: true, bytes };
  const size = message.type === "image" ? mediaBytes(message) : 0;
  return size > 0
    ? { message: { ...message, data: `(${size} bytes)` }, audio: false, bytes: size }
    : { message, audio: false, bytes: 0 };
}

/**
 * Whether this is one of the reports on playing that come ten times a second: to be kept, not to be shown.
 *
 * @param {LogEntry} entry
 */
export function isRoutine({ direction, message }) {
  return direction === "up" && message.type === "playout" && !message.cleared;
}

/** The newest entries, oldest first. */
export class EventLog {
  constructor() {
    /** @type {LogEntry[]} */
    this.entries = [];
    /** Entries that were forgotten because there were too many. */
    this.forgotten = 0;
  }

  /**
   * @param {"up" | "down" | "error"} direction
   * @param {{message: any, audio: boolean, bytes: number}} what
   * @param {number} at ms
   * @returns {LogEntry}
   */
  add(direction, what, at) {
    const entry = { at, direction, ...what };
    this.entries.push(entry);
    if (this.entries.length > KEPT_ENTRIES) {
      this.forgotten += KEPT_ENTRIES / 10;
      this.entries.splice(0, KEPT_ENTRIES / 10);
    }
    return entry;
  }
}
