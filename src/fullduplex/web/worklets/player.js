/**
 * The player on the audio thread: plays what it is pushed, silence when it runs dry, and nothing more at once when it is
 * cleared. The books live in ring_buffer.js; the page's side of it is client/player.js.
 *
 * Messages in: `{command: "push", pcm: Int16Array, response, latency}`, `{command: "skip", count, response}`,
 * `{command: "endOfAudio", response, latency}` (clear), `{command: "stats", id}`; `latency` is the output's, in seconds.
 * Out: `level` every few quanta (every quantum with `probe`), `playing` when it changes, `progress` ten times a second of
 * this thread's own clock while anything plays, `cleared`, `stats`. Frames count samples of the audio clock since the
 * context began.
 */

import { rms } from "../client/pcm.js";
import { PlayoutBuffer } from "./ring_buffer.js";

const CAPACITY_SECONDS = 180;
const QUANTA_PER_LEVEL = 6; // 32 ms at 24 kHz: as often as a screen can show it
const PROGRESS_S = 0.1;

class PlayerProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions?: {probe?: boolean}}} options */
  constructor(options) {
    super();
    this.probe = options.processorOptions?.probe ?? false;
    this.buffer = new PlayoutBuffer(CAPACITY_SECONDS * sampleRate);
    this.startFrame = currentFrame;
    /** The frame after the last rendered one. */
    this.endFrame = currentFrame;
    this.latencyFrames = 0;
    this.progressAt = 0;
    this.quanta = 0;
    this.loudest = 0;
    this.playing = false;
    this.port.onmessage = (message) => this.#obey(message.data);
  }

  /** @param {any} message */
  #obey(message) {
    if (message.latency !== undefined) this.latencyFrames = message.latency * sampleRate;
    if (message.command === "push") {
      this.buffer.push(message.pcm, message.response);
    } else if (message.command === "skip") {
      this.buffer.skip(message.count, message.response);
    } else if (message.command === "endOfAudio") {
      this.buffer.clear();
      const { response } = message;
      this.port.postMessage({ type: "cleared", frame: this.endFrame, response, responses: this.#progress() });
    } else if (message.command === "stats") {
      this.port.postMessage({ type: "stats", id: message.id, stats: this.#stats() });
    }
  }

  #progress() {
    return this.buffer.progress(this.endFrame - this.latencyFrames);
  }

  #stats() {
    return {
      ...this.buffer.totals,
      buffered: this.buffer.buffered,
      capacity: this.buffer.ring.length,
      sampleRate,
      frame: currentFrame,
      startFrame: this.startFrame,
      responses: this.buffer.responses(),
    };
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const [left, ...others] = outputs[0];
    const rendered = this.buffer.pull(left, currentFrame);
    for (const channel of others) channel.set(left);
    this.endFrame = currentFrame + left.length;
    this.#report(rendered, rendered > 0 ? rms(left) : 0);
    if (this.endFrame >= this.progressAt) this.#tellProgress();
    return true;
  }

  #tellProgress() {
    this.progressAt = this.endFrame + PROGRESS_S * sampleRate;
    const responses = this.#progress();
    if (responses.length > 0) this.port.postMessage({ type: "progress", frame: this.endFrame, responses });
  }

  /** @param {number} rendered @param {number} level */
  #report(rendered, level) {
    const playing = rendered > 0;
    if (playing !== this.playing) {
      this.playing = playing;
      this.port.postMessage({ type: "playing", playing, frame: currentFrame });
    }
    this.quanta += 1;
    this.loudest = Math.max(this.loudest, level);
    if (this.probe || this.quanta % QUANTA_PER_LEVEL === 0) {
      this.port.postMessage({ type: "level", frame: currentFrame, rms: this.loudest, rendered });
      this.loudest = 0;
    }
  }
}

registerProcessor("fullduplex-player", PlayerProcessor);
