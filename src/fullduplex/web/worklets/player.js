/**
 * The player on the audio thread: plays what it is pushed, silence when it runs dry, and nothing more at once when it is
 * cleared. The books live in ring_buffer.js; the page's side of it is client/player.js.
 *
 * Messages in: `{command: "push", pcm: Int16Array, response}`, `{command: "endOfAudio"}` (clear),
 * `{command: "stats", id}`. Out: `level` every few quanta (every quantum with `probe`), `playing` when it changes,
 * `cleared`, `stats`. Frames count samples of the audio clock since the context began.
 */

import { rms } from "../client/pcm.js";
import { PlayoutBuffer } from "./ring_buffer.js";

const CAPACITY_SECONDS = 180;
const QUANTA_PER_LEVEL = 6; // 32 ms at 24 kHz: as often as a screen can show it

class PlayerProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions?: {probe?: boolean}}} options */
  constructor(options) {
    super();
    this.probe = options.processorOptions?.probe ?? false;
    this.buffer = new PlayoutBuffer(CAPACITY_SECONDS * sampleRate);
    this.startFrame = currentFrame;
    this.quanta = 0;
    this.loudest = 0;
    this.playing = false;
    this.port.onmessage = (message) => this.#obey(message.data);
  }

  /** @param {any} message */
  #obey(message) {
    if (message.command === "push") {
      this.buffer.push(message.pcm, message.response);
    } else if (message.command === "endOfAudio") {
      this.buffer.clear();
      this.port.postMessage({ type: "cleared", frame: currentFrame });
    } else if (message.command === "stats") {
      this.port.postMessage({ type: "stats", id: message.id, stats: this.#stats() });
    }
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
    this.#report(rendered, rendered > 0 ? rms(left) : 0);
    return true;
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
