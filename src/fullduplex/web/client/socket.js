/**
 * The WebSocket to the server: opens, reopens after a loss, and speaks the few upstream verbs. It knows neither audio
 * devices nor the page.
 *
 * Events: `status` (detail: SocketStatus), `frame` (detail: string | ArrayBuffer), `sent` (detail: SentFrame).
 */

import { encodeBase64 } from "./base64.js";

/**
 * @typedef {"connecting" | "open" | "waiting" | "elsewhere" | "failed" | "closed"} SocketState
 *   elsewhere: another tab has the session; failed: the server said that trying again will not help
 * @typedef {{state: SocketState, code?: number, reason?: string, retryMs?: number}} SocketStatus
 * @typedef {{message: Record<string, unknown> | null, bytes: number}} SentFrame  message is null for audio
 */

/** How long to wait before the first, second, … new attempt, in ms; the last value repeats. */
export const RETRY_MS = [500, 1_000, 2_000, 5_000];

/** The server's close code for a session that another connection holds, or has just taken. */
const SESSION_BUSY = 4409;

/** Audio that may wait in the browser's send buffer before new audio is dropped: 2 s of 16 kHz PCM16. */
const MOST_BUFFERED_BYTES = 64_000;

/** A connection that lasted this long was a good one: the next attempt after its loss is the quick one. */
const HEALTHY_AFTER_MS = 5_000;

/** A WebSocket that comes back, unless another tab has taken its session or an error is there to stay. */
export class LiveSocket extends EventTarget {
  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    /** @type {SocketState} */
    this.state = "closed";
    /** Audio frames not sent because the socket was away or its buffer full. */
    this.droppedAudioFrames = 0;
    /** @type {WebSocket | null} */
    this.webSocket = null;
    this.failures = 0;
    /** Set when an error came that will come again: the next loss is then for good, until `open()` is called. */
    this.hopeless = false;
    this.openedAt = Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retryTimer = undefined;
  }

  /** Whether frames can be sent now. */
  get isOpen() {
    return this.state === "open";
  }

  /** Connect, and stay connected until `close()`. */
  open() {
    clearTimeout(this.retryTimer);
    this.hopeless = false;
    this.#setStatus({ state: "connecting" });
    const webSocket = new WebSocket(this.url);
    webSocket.binaryType = "arraybuffer";
    this.webSocket = webSocket;
    webSocket.onopen = () => {
      this.openedAt = performance.now();
      this.#setStatus({ state: "open" });
    };
    webSocket.onmessage = (message) => this.#emit("frame", message.data);
    webSocket.onclose = (closed) => {
      if (this.webSocket === webSocket) this.#lost(closed);
    };
  }

  /** Give up a connection on which nothing comes, or that does not open, and try again. @param {string} reason */
  abandon(reason) {
    const webSocket = this.webSocket;
    if (!webSocket) return;
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null;
    webSocket.close();
    this.#lost({ code: 1006, reason });
  }

  /** Close for good. */
  close() {
    clearTimeout(this.retryTimer);
    const webSocket = this.webSocket;
    this.webSocket = null;
    webSocket?.close(1000);
    this.#setStatus({ state: "closed" });
  }

  /** @param {string} text one message of the user */
  sendText(text) {
    return this.sendMessage({ type: "text", text });
  }

  /**
   * @param {Uint8Array} bytes an encoded picture
   * @param {string} mimeType
   */
  sendImage(bytes, mimeType) {
    return this.sendMessage({ type: "image", data: encodeBase64(bytes), mimeType });
  }

  /** The user begins to speak (only with the server's voice detection switched off). */
  sendActivityStart() {
    return this.sendMessage({ type: "activity_start" });
  }

  /** The user has finished speaking (only with the server's voice detection switched off). */
  sendActivityEnd() {
    return this.sendMessage({ type: "activity_end" });
  }

  /** The user wants the agent to stop speaking. */
  sendInterrupt() {
    return this.sendMessage({ type: "interrupt" });
  }

  /** No more audio for now: the microphone is off. */
  sendAudioStreamEnd() {
    return this.sendMessage({ type: "audio_stream_end" });
  }

  /**
   * Send one JSON message.
   *
   * @param {Record<string, unknown>} message
   * @returns {boolean} false when the socket is not open
   */
  sendMessage(message) {
    const bytes = this.sendUnlogged(message);
    if (bytes > 0) this.#emit("sent", { message, bytes });
    return bytes > 0;
  }

  /**
   * Send one JSON message that is no part of the conversation, and tell nobody.
   *
   * @param {Record<string, unknown>} message
   * @returns {number} its length; 0 when the socket is not open
   */
  sendUnlogged(message) {
    if (!this.webSocket || !this.isOpen) return 0;
    const frame = JSON.stringify(message);
    this.webSocket.send(frame);
    return frame.length;
  }

  /**
   * Send PCM16 at 16,000 Hz, mono. Audio is only worth sending while it is fresh: it is dropped (and counted) while the
   * socket is away or too much of it waits.
   *
   * @param {ArrayBuffer} pcm
   * @returns {boolean} whether it was sent
   */
  sendAudio(pcm) {
    if (!this.webSocket || !this.isOpen || this.webSocket.bufferedAmount > MOST_BUFFERED_BYTES) {
      this.droppedAudioFrames += 1;
      return false;
    }
    this.webSocket.send(pcm);
    this.#emit("sent", { message: null, bytes: pcm.byteLength });
    return true;
  }

  /** @param {{code: number, reason: string}} closed */
  #lost(closed) {
    if (closed.code === SESSION_BUSY) {
      // To come back by itself would take the session from the other tab, which would take it back, and so on.
      this.webSocket = null;
      this.#setStatus({ state: "elsewhere", code: closed.code, reason: closed.reason });
      return;
    }
    if (this.hopeless) {
      this.webSocket = null;
      this.#setStatus({ state: "failed", code: closed.code, reason: closed.reason });
      return;
    }
    // A server that lets us in only to throw us out must not be asked twice a second.
    if (performance.now() - this.openedAt > HEALTHY_AFTER_MS) this.failures = 0;
    this.openedAt = Infinity;
    const retryMs = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.webSocket = null;
    this.retryTimer = setTimeout(() => this.open(), retryMs);
    this.#setStatus({ state: "waiting", code: closed.code, reason: closed.reason, retryMs });
  }

  /** @param {SocketStatus} status */
  #setStatus(status) {
    this.state = status.state;
    this.#emit("status", status);
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
