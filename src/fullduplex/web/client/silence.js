/**
 * What the server's silence means. A network that goes away says nothing, and a browser notices it after minutes.
 * Pure: it counts the seconds that lifeline.js saw pass, so that a computer that slept has not waited.
 */

/** A question goes out after so many seconds without a frame: a server that is there answers it at once. */
const ASK_AFTER = 3;

/** After so many it has had its chance: people are told. */
const FAINT_AFTER = 5;

/** After so many the connection counts as lost. A tool that blocks the whole server for ten seconds ends no call. */
const LOST_AFTER = 12;

/** So much is left when the system says that there is no network. A server on this machine answers nevertheless. */
const LEFT_OFFLINE = 2;

/** @typedef {"fine" | "ask" | "faint" | "lost"} Verdict  faint: ask, too */

export class Silence {
  /** Seconds since the last frame. */
  seconds = 0;

  /** A frame has come. */
  break() {
    this.seconds = 0;
  }

  /** The system says that there is no network. */
  offline() {
    this.seconds = Math.max(this.seconds, LOST_AFTER - LEFT_OFFLINE);
  }

  /** A second has passed without a frame. @returns {Verdict} */
  pass() {
    this.seconds += 1;
    if (this.seconds >= LOST_AFTER) return "lost";
    if (this.seconds >= FAINT_AFTER) return "faint";
    return this.seconds >= ASK_AFTER ? "ask" : "fine";
  }
}
