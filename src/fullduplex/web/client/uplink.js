/**
 * What of the microphone goes up. Three modes: `open` sends everything and the server finds the speech in it; `push`
 * sends what is said while a button is held; `gate` sends what speech_gate.js takes for speech. In the last two this side
 * says when a turn begins and ends, and the server's detection must be off.
 *
 * It also remembers when speech was heard last, for the latency of the answer.
 */

import { FrameClock } from "./frame_clock.js";
import { quietTailMs } from "./pcm.js";
import { SPEECH_THRESHOLD, SpeechGate } from "./speech_gate.js";

/**
 * @typedef {import("./speech_gate.js").GateOptions} GateOptions
 * @typedef {import("./speech_gate.js").GateStep} GateStep
 * @typedef {"open" | "push" | "gate"} MicMode
 * @typedef {{pcm: ArrayBuffer, rms: number, frame: number}} MicFrame
 *
 * @typedef {object} Line  what it needs of a LiveSocket
 * @property {(pcm: ArrayBuffer) => unknown} sendAudio
 * @property {() => unknown} sendActivityStart
 * @property {() => unknown} sendActivityEnd
 * @property {() => unknown} sendAudioStreamEnd
 */

/** Loud frames remembered: some seconds of uninterrupted speech. */
const KEPT_LOUD = 250;

export class Uplink {
  /**
   * @param {Line} line
   * @param {MicMode} mode
   * @param {GateOptions} [gate]
   */
  constructor(line, mode, gate = {}) {
    this.line = line;
    /** @type {MicMode} */
    this.mode = mode;
    this.threshold = gate.threshold ?? SPEECH_THRESHOLD;
    this.gate = new SpeechGate(gate);
    this.frameClock = new FrameClock(1);
    /** In `push`: whether the button is held. */
    this.isHeld = false;
    /** In `push`: when the button was let go, ms, while the frames of until then are still on their way. */
    this.releasedAt = Infinity;
    /** @type {number[]} when the latest loud frames were recorded, ms */
    this.loud = [];
  }

  /** In `push`: whether a turn of the user has begun and not ended. */
  get isTalking() {
    return this.isHeld || this.releasedAt < Infinity;
  }

  /** A microphone begins. @param {number} sampleRate of its audio clock */
  begin(sampleRate) {
    this.frameClock = new FrameClock(sampleRate);
  }

  /** @param {MicFrame} frame @param {number} arrived ms */
  hear({ pcm, rms, frame }, arrived) {
    this.frameClock.see(frame, arrived);
    const at = this.frameClock.timeOf(frame);
    if (rms >= this.threshold && (this.mode !== "push" || this.isTalking)) {
      this.#remember(at - quietTailMs(pcm, this.threshold));
    }
    if (this.mode === "open") this.line.sendAudio(pcm);
    else if (this.mode === "gate") this.#send(this.gate.push(pcm, rms, at));
    else this.#hearHeld(pcm, at);
  }

  /** The button is pressed. */
  hold() {
    if (this.isHeld) return;
    const goesOn = this.isTalking;
    this.isHeld = true;
    this.releasedAt = Infinity;
    if (!goesOn) this.line.sendActivityStart();
  }

  /** The button is let go. @param {number} now ms */
  release(now) {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.releasedAt = now;
  }

  /** The microphone is off. */
  end() {
    if (this.mode === "open") this.line.sendAudioStreamEnd();
    this.#closeTurn();
  }

  /** The connection is new: what was begun on the old one is unknown to it. */
  reconnected() {
    this.gate.close();
    this.releasedAt = Infinity;
    if (this.isHeld) this.line.sendActivityStart();
  }

  /** @param {MicMode} mode */
  setMode(mode) {
    this.#closeTurn();
    this.mode = mode;
  }

  /** The user said something otherwise: what follows does not answer their voice. */
  forgetSpeech() {
    this.loud = [];
  }

  /**
   * When the user last spoke before `at`, and forgets it: it is answered now.
   *
   * @param {number} at ms
   * @returns {number | null} ms
   */
  takeSpeechBefore(at) {
    const last = this.loud.findLast((moment) => moment <= at) ?? null;
    this.loud = this.loud.filter((moment) => moment > at);
    return last;
  }

  /** @param {ArrayBuffer} pcm @param {number} at ms */
  #hearHeld(pcm, at) {
    const isLast = at > this.releasedAt;
    if (this.isTalking) this.line.sendAudio(pcm);
    if (isLast) this.#closeTurn();
  }

  #closeTurn() {
    this.#send(this.gate.close());
    if (this.isTalking) this.line.sendActivityEnd();
    this.isHeld = false;
    this.releasedAt = Infinity;
  }

  /** @param {number} at ms */
  #remember(at) {
    this.loud.push(at);
    if (this.loud.length > KEPT_LOUD) this.loud.shift();
  }

  /** @param {GateStep[]} steps */
  #send(steps) {
    for (const step of steps) {
      if (step.type === "audio") this.line.sendAudio(step.pcm);
      else if (step.type === "start") this.line.sendActivityStart();
      else this.line.sendActivityEnd();
    }
  }
}
