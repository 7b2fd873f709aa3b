/**
 * The agent's voice on this side of the wire: gives what arrives to the player under the number of its response, silences
 * it, and tells the server what was heard.
 *
 * Events: `playing` (detail: boolean), `level` (detail: number, RMS), `report` (detail: PlayoutMessage), `sound` (detail:
 * {id, at}: the first sound of a response left the speaker at `at`, ms on the clock of performance.now()).
 */

import { EarlyAudio } from "./early_audio.js";
import { OUTPUT_RATE } from "./pcm.js";
import { Player } from "./player.js";
import { Playout } from "./playout.js";

/**
 * @typedef {import("./downlink.js").AudioChunk} AudioChunk
 * @typedef {import("./player.js").ProgressReport} ProgressReport
 * @typedef {import("./probe.js").Probe} Probe
 */

export class Speaker extends EventTarget {
  /** @param {Probe | null} probe */
  constructor(probe) {
    super();
    this.probe = probe;
    /** @type {Player | null} null until a gesture of the user allows sound */
    this.player = null;
    /** @type {EarlyAudio | null} takes the orders of the player while it is being made */
    this.early = null;
    /** @type {Promise<Player> | null} */
    this.starting = null;
    this.muted = false;
    this.playout = new Playout();
    /** Number of the response whose audio comes now: counts up at each end of turn and interruption. */
    this.response = 1;
    /** Number of the response that the user has silenced: what still comes of it is not played. */
    this.silenced = 0;
    /** Bytes of the agent's audio that came before a gesture of the user allowed sound, and were lost. */
    this.unheardBytes = 0;
    /** The same of the present response, in samples of the player. */
    this.unheard = 0;
  }

  /** Who takes orders now; null until a gesture of the user allows sound. */
  get output() {
    return this.player ?? this.early;
  }

  /** Make the agent audible; again is harmless. @returns {Promise<Player>} */
  start() {
    this.starting ??= this.#makePlayer();
    return this.starting;
  }

  async close() {
    const player = await this.starting?.catch(() => null);
    await player?.close();
    this.player = null;
    this.starting = null;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    this.player?.setMuted(muted);
  }

  /**
   * Audio of the present response has come.
   *
   * @param {AudioChunk[]} chunks
   * @param {string} id of the event that carried it
   */
  play(chunks, id) {
    for (const { pcm, rate } of chunks) {
      this.playout.begin(this.response, id);
      const samples = Math.round((pcm.length * OUTPUT_RATE) / rate);
      if (!this.output) {
        this.unheardBytes += pcm.byteLength;
        this.unheard += samples;
      } else if (this.response === this.silenced) this.output.skip(samples, this.response);
      else this.output.push(pcm, this.response, rate);
    }
  }

  /** The server has cut the present response off. */
  interrupted() {
    this.output?.clear(this.response);
    this.next();
  }

  /** The user wants silence: now, and for what still comes of the present response. */
  silence() {
    this.output?.clear(this.response);
    if (this.playout.has(this.response)) this.silenced = this.response;
  }

  /** What comes now is another response. */
  next() {
    this.response += 1;
    this.unheard = 0;
  }

  /** The run is gone: what of it still plays interests nobody. */
  forget() {
    if (this.playout.has(this.response)) this.next();
    this.playout.forget();
  }

  async #makePlayer() {
    const early = new EarlyAudio();
    early.skip(this.unheard, this.response);
    this.early = early;
    const player = await Player.create({ probe: this.probe !== null }).catch((error) => {
      this.unheardBytes += 2 * early.kept;
      this.early = this.starting = null; // the next gesture tries again
      throw error;
    });
    player.setMuted(this.muted);
    player.addEventListener("playing", (event) => this.#emit("playing", detailOf(event).playing));
    player.addEventListener("level", (event) => this.#emit("level", detailOf(event).rms));
    player.addEventListener("progress", (event) => this.#tell(player, detailOf(event)));
    player.addEventListener("cleared", (event) => this.#tell(player, detailOf(event)));
    this.probe?.watchPlayer(player);
    early.handOver(player);
    this.early = null;
    this.player = player;
    return player;
  }

  /** @param {Player} player @param {ProgressReport} progress */
  #tell(player, { responses, response }) {
    const timeOf = (/** @type {number} */ frame) => player.timeOf(frame);
    const sounds = this.playout.firstSounds(responses, timeOf, performance.now());
    for (const sound of sounds) this.#emit("sound", sound);
    const reports =
      response === undefined ? this.playout.progress(responses) : this.playout.cleared(responses, response);
    for (const report of reports) this.#emit("report", report);
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
