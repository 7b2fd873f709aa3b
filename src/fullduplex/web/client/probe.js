/**
 * Measuring what is really heard and spoken, for tests (`?probe=1`): the level of every render quantum of the player and
 * of the microphone, on one clock. Costs a message per quantum; the page does not use it otherwise.
 *
 * An audio thread counts frames, not time. A report cannot arrive before its quantum was rendered, so the smallest
 * (arrival − frame time) is the offset between the two clocks, give or take the quickest message. A device that was kept
 * waiting leaves frames out, and from then on the offset is greater: so of each report, its own and the later ones count.
 */

/**
 * @typedef {object} Level
 * @property {number} at when the quantum was rendered, ms on the clock of performance.now()
 * @property {number} frame of the audio clock
 * @property {number} rms 0 … 1
 *
 * @typedef {{frame: number, rms: number, arrived: number}} RawLevel
 */

const KEPT_LEVELS = 120_000; // over ten minutes at 24 kHz

/** The levels of one audio clock. */
export class LevelTrack {
  /** @param {number} sampleRate */
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    /** @type {RawLevel[]} */
    this.raw = [];
  }

  /** @param {{frame: number, rms: number}} report */
  add({ frame, rms }) {
    this.raw.push({ frame, rms, arrived: performance.now() });
    if (this.raw.length > KEPT_LEVELS) this.raw.splice(0, KEPT_LEVELS / 10);
  }

  /**
   * The levels of a stretch of time, oldest first.
   *
   * @param {number} [since] ms
   * @returns {Level[]}
   */
  levels(since = -Infinity) {
    const levels = [];
    for (const level of this.#backwards()) {
      if (level.at < since) break;
      levels.push(level);
    }
    return levels.reverse();
  }

  /**
   * When it first became loud after `since`.
   *
   * @param {number} since ms
   * @param {number} threshold rms
   * @returns {number | null} ms
   */
  firstLoud(since, threshold) {
    return this.levels(since).find(({ rms }) => rms > threshold)?.at ?? null;
  }

  /**
   * The last loud quantum before `until`.
   *
   * @param {number} until ms
   * @param {number} threshold rms
   * @returns {number | null} ms
   */
  lastLoud(until, threshold) {
    for (const { at, rms } of this.#backwards()) if (at <= until && rms > threshold) return at;
    return null;
  }

  /** @returns {Generator<Level, void>} newest first */
  *#backwards() {
    let offset = Infinity;
    for (let i = this.raw.length - 1; i >= 0; i -= 1) {
      const { frame, rms, arrived } = this.raw[i];
      const time = (frame / this.sampleRate) * 1_000;
      offset = Math.min(offset, arrived - time);
      yield { at: offset + time, frame, rms };
    }
  }
}

/** The player's and the microphone's tracks; a new microphone begins a new track. */
export class Probe {
  constructor() {
    /** @type {LevelTrack | null} */
    this.output = null;
    /** @type {LevelTrack | null} */
    this.input = null;
  }

  /** @param {import("./player.js").Player} player */
  watchPlayer(player) {
    this.output = this.#watch(player);
  }

  /** @param {import("./recorder.js").Recorder} recorder */
  watchMicrophone(recorder) {
    this.input = this.#watch(recorder);
  }

  /** @param {EventTarget & {context: AudioContext}} source */
  #watch(source) {
    const track = new LevelTrack(source.context.sampleRate);
    source.addEventListener("level", (event) => track.add(/** @type {CustomEvent} */ (event).detail));
    return track;
  }
}
