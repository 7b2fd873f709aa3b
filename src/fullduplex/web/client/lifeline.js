/**
 * Watches whether the server is still there, while a connection opens or is open (see silence.js).
 *
 * Events: `signal` (detail: boolean): whether the server is heard from; told when it changes.
 */

import { Silence } from "./silence.js";

/**
 * @typedef {import("./socket.js").LiveSocket} LiveSocket
 * @typedef {import("./timekeeper.js").Timekeeper} Timekeeper
 */

const SECOND_MS = 1_000;

export class Lifeline extends EventTarget {
  /** @param {LiveSocket} socket @param {Timekeeper} timekeeper whose question is the one to ask */
  constructor(socket, timekeeper) {
    super();
    this.socket = socket;
    this.timekeeper = timekeeper;
    this.silence = new Silence();
    this.signal = true;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
    this.offline = () => this.#offline();
  }

  /** A connection begins to open, or is open. */
  start() {
    this.stop();
    this.timer = setInterval(() => this.#second(), SECOND_MS);
    addEventListener("offline", this.offline);
  }

  /** There is no connection. */
  stop() {
    clearInterval(this.timer);
    removeEventListener("offline", this.offline);
    this.hear();
  }

  /** A frame has come. */
  hear() {
    this.silence.break();
    this.#tell(true);
  }

  #offline() {
    this.silence.offline();
    this.timekeeper.ask();
  }

  #second() {
    const verdict = this.silence.pass();
    if (verdict === "fine") return;
    if (verdict === "lost") {
      this.socket.abandon("nothing is heard from the server");
      return;
    }
    this.timekeeper.ask();
    if (verdict === "faint") this.#tell(false);
  }

  /** @param {boolean} signal */
  #tell(signal) {
    if (signal === this.signal) return;
    this.signal = signal;
    this.dispatchEvent(new CustomEvent("signal", { detail: signal }));
  }
}
