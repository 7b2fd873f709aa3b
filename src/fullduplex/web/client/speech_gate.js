/**
 * Voice detection in the browser: lets the microphone's frames through while somebody speaks, and says when a turn of
 * theirs begins and ends. For runs whose detection on the server is off (`vad=off`). Pure; time comes in as an argument.
 *
 * Frames are let through while they are loud and a little longer, so that soft ends of words are not cut; a pause within
 * a turn is not sent. What came just before a loud frame is sent with it, so that no first syllable is lost.
 */

/**
 * @typedef {object} GateOptions
 * @property {number} [threshold] RMS (0 … 1) from which a frame is speech
 * @property {number} [silenceMs] silence after which the turn has ended
 * @property {number} [preRollMs] how much of the sound before speech goes up with it
 * @property {number} [hangoverMs] how long sound goes up after the last loud frame
 *
 * @typedef {{type: "start"} | {type: "audio", pcm: ArrayBuffer} | {type: "end"}} GateStep  what to send, in order
 */

/** RMS from which a frame of the microphone counts as speech. */
export const SPEECH_THRESHOLD = 0.05;

export class SpeechGate {
  /** @param {GateOptions} [options] */
  constructor({ threshold = SPEECH_THRESHOLD, silenceMs = 2_000, preRollMs = 200, hangoverMs = 300 } = {}) {
    this.threshold = threshold;
    this.silenceMs = silenceMs;
    this.preRollMs = preRollMs;
    this.hangoverMs = hangoverMs;
    /** Whether a turn of the user has begun and not ended. */
    this.isOpen = false;
    this.lastLoud = -Infinity;
    /** @type {{pcm: ArrayBuffer, now: number}[]} frames not sent, the newest of them */
    this.held = [];
  }

  /**
   * @param {ArrayBuffer} pcm one frame
   * @param {number} rms its level
   * @param {number} now ms
   * @returns {GateStep[]}
   */
  push(pcm, rms, now) {
    if (rms >= this.threshold) {
      this.lastLoud = now;
      return [...this.#open(), ...this.#release(), { type: "audio", pcm }];
    }
    const quietMs = now - this.lastLoud;
    if (this.isOpen && quietMs <= this.hangoverMs) return [{ type: "audio", pcm }];
    this.held.push({ pcm, now });
    while (this.held.length > 0 && now - this.held[0].now >= this.preRollMs) this.held.shift();
    return quietMs >= this.silenceMs ? this.close() : [];
  }

  /** The microphone is off, or the connection gone. @returns {GateStep[]} */
  close() {
    if (!this.isOpen) return [];
    this.isOpen = false;
    return [{ type: "end" }];
  }

  /** @returns {GateStep[]} */
  #open() {
    if (this.isOpen) return [];
    this.isOpen = true;
    return [{ type: "start" }];
  }

  /** @returns {GateStep[]} */
  #release() {
    const held = this.held;
    this.held = [];
    return held.map(({ pcm }) => ({ type: "audio", pcm }));
  }
}
