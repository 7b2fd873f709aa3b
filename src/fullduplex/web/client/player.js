/**
 * The agent's voice: an AudioContext at 24,000 Hz with the player worklet, a volume and its books. It must be made
 * after a gesture of the user, or the browser keeps it silent until one.
 *
 * Events: `level` (detail: LevelReport), `playing` (detail: {playing, frame}), `progress` (detail: ProgressReport, ten
 * times a second while anything plays), `cleared` (detail: ProgressReport with the interrupted `response`).
 */

import { OUTPUT_RATE, floatToInt16, int16ToFloat } from "./pcm.js";
import { Resampler } from "./resampler.js";

/**
 * @typedef {import("../worklets/ring_buffer.js").ResponseBook} ResponseBook
 * @typedef {import("../worklets/ring_buffer.js").Progress} Progress
 * @typedef {{frame: number, rms: number, rendered: number}} LevelReport
 * @typedef {{frame: number, responses: Progress[], response?: number}} ProgressReport
 *
 * @typedef {object} PlayerStats  all in samples
 * @property {number} received
 * @property {number} rendered handed to the audio device since the start: what could be heard
 * @property {number} dropped lost because the ring was full
 * @property {number} cleared thrown away by interruptions
 * @property {number} silent played as silence because nothing waited
 * @property {number} buffered still waiting
 * @property {number} capacity
 * @property {number} sampleRate
 * @property {number} frame the audio clock now
 * @property {number} startFrame the audio clock when the player began
 * @property {ResponseBook[]} responses the same books for each response
 */

const WORKLET = new URL("../worklets/player.js", import.meta.url);

/** What may wait while the browser has not let the sound begin: one minute. */
const MOST_UNSTARTED = 60 * OUTPUT_RATE;

/** Plays PCM16 and knows exactly how much of it was played. */
export class Player extends EventTarget {
  /**
   * @param {{probe?: boolean}} [options] `probe`: report the level of every render quantum
   * @returns {Promise<Player>}
   */
  static async create({ probe = false } = {}) {
    const context = new AudioContext({ sampleRate: OUTPUT_RATE, latencyHint: "interactive" });
    await context.audioWorklet.addModule(WORKLET);
    return new Player(context, probe);
  }

  /**
   * Use `Player.create()`.
   *
   * @param {AudioContext} context with the worklet module loaded
   * @param {boolean} probe
   */
  constructor(context, probe) {
    super();
    this.context = context;
    this.node = new AudioWorkletNode(context, "fullduplex-player", {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: { probe },
    });
    this.volume = new GainNode(context);
    this.node.connect(this.volume).connect(context.destination);
    this.node.port.onmessage = (message) => this.#hear(message.data);
    /** Whether samples of the agent are sounding now. */
    this.isPlaying = false;
    /** @type {Map<number, (stats: PlayerStats) => void>} */
    this.waiting = new Map();
    this.nextId = 1;
    /** @type {Map<number, Resampler>} by rate, for audio that is not at ours */
    this.resamplers = new Map();
    /** Samples pushed since the browser last held the sound back. */
    this.unstarted = 0;
    /** Samples refused because the browser held the sound back for too long. */
    this.refused = 0;
    void this.resume();
  }

  /** Let the sound begin; browsers hold it back until the user has done something. */
  async resume() {
    if (this.context.state === "suspended") await this.context.resume();
  }

  /**
   * Queue samples for playing.
   *
   * @param {Int16Array<ArrayBuffer>} pcm mono; handed over: do not use it afterwards
   * @param {number} response the response it belongs to, for the books
   * @param {number} [rate] samples per second, when not 24,000
   */
  push(pcm, response, rate = OUTPUT_RATE) {
    const samples = rate === OUTPUT_RATE ? pcm : this.#resample(pcm, rate);
    this.unstarted = this.context.state === "running" ? 0 : this.unstarted + samples.length;
    if (this.unstarted > MOST_UNSTARTED) {
      this.refused += samples.length;
      this.skip(samples.length, response);
      return;
    }
    const { latency } = this;
    this.node.port.postMessage({ command: "push", pcm: samples, response, latency }, [samples.buffer]);
  }

  /**
   * Tell the books of samples that will never be played, so that what comes after them keeps its place.
   *
   * @param {number} count
   * @param {number} response
   */
  skip(count, response) {
    if (count > 0) this.node.port.postMessage({ command: "skip", count, response });
  }

  /**
   * Fall silent at once and forget what waits; a `cleared` event tells how far it had come.
   *
   * @param {number} response the one that is interrupted
   */
  clear(response) {
    this.node.port.postMessage({ command: "endOfAudio", response, latency: this.latency });
    this.resamplers.clear();
  }

  /** Seconds from rendering to the speaker, as far as the browser knows. */
  get latency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  /**
   * When a frame leaves the speaker.
   *
   * @param {number} frame of the audio clock
   * @returns {number} ms on the clock of performance.now()
   */
  timeOf(frame) {
    const { contextTime = 0, performanceTime = 0 } = this.context.getOutputTimestamp?.() ?? {};
    const at = frame / this.context.sampleRate;
    if (performanceTime > 0) return performanceTime + (at - contextTime) * 1_000;
    return performance.now() + (at - this.context.currentTime + this.latency) * 1_000;
  }

  /** @param {boolean} muted the books go on as if it were heard */
  setMuted(muted) {
    this.volume.gain.value = muted ? 0 : 1;
  }

  /** @returns {Promise<PlayerStats>} the books, as of the audio thread's next look at its messages */
  stats() {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.node.port.postMessage({ command: "stats", id });
    });
  }

  /** Stop for good and free the audio device. */
  async close() {
    this.node.disconnect();
    this.node.port.close();
    await this.context.close();
  }

  /** @param {any} message */
  #hear(message) {
    if (message.type === "stats") {
      this.waiting.get(message.id)?.(message.stats);
      this.waiting.delete(message.id);
      return;
    }
    if (message.type === "playing") this.isPlaying = message.playing;
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  /** @param {Int16Array} pcm @param {number} rate */
  #resample(pcm, rate) {
    let resampler = this.resamplers.get(rate);
    if (!resampler) {
      resampler = new Resampler(rate, OUTPUT_RATE);
      this.resamplers.set(rate, resampler);
    }
    return floatToInt16(resampler.push(int16ToFloat(pcm)));
  }
}
