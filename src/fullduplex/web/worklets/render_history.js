/**
 * What was handed to the audio device of late, and when: so that one can say how much of it has left the speaker, which
 * is later than it was rendered by the output latency. Pure.
 */

/**
 * @typedef {import("./ring_buffer.js").ResponseBook} ResponseBook
 * @typedef {import("./ring_buffer.js").Run} Run
 * @typedef {Run & {frame: number}} Rendering  a run that was rendered from `frame` on without a gap
 */

/** How long it is remembered, in samples: longer than any output latency (1 s at 24 kHz). */
const REMEMBERED = 24_000;

export class RenderHistory {
  constructor() {
    /** @type {Rendering[]} oldest first */
    this.renderings = [];
  }

  /** The responses that were rendered of late, oldest first. */
  get books() {
    return this.renderings.map(({ book }) => book);
  }

  /**
   * @param {ResponseBook} book
   * @param {number} at position of the first sample
   * @param {number} count
   * @param {number} frame audio-clock frame of the first sample
   */
  add(book, at, count, frame) {
    const last = this.renderings.at(-1);
    const goesOn = last?.book === book && last.frame + last.count === frame && last.at + last.count === at;
    if (goesOn) last.count += count;
    else this.renderings.push({ book, at, count, frame });
  }

  /** Time has gone on. @param {number} frame of now */
  forget(frame) {
    while (this.renderings.length > 0 && this.renderings[0].frame + this.renderings[0].count < frame - REMEMBERED) {
      this.renderings.shift();
    }
  }

  /**
   * The position of a response up to which its samples were rendered before `frame`.
   *
   * @param {ResponseBook} book
   * @param {number} frame
   */
  positionAt(book, frame) {
    const own = this.renderings.filter((rendering) => rendering.book === book);
    const last = own.findLast((rendering) => rendering.frame < frame);
    if (last) return last.at + Math.min(last.count, frame - last.frame);
    if (own.length === 0) return book.position;
    return own[0].frame === book.firstFrame ? 0 : own[0].at; // before that, more was rendered and has been forgotten
  }
}
