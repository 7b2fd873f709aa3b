/**
 * When a frame of an audio thread was, on the page's clock. The thread counts frames, and its messages come late when the
 * page is busy, but never early: the smallest (arrival − frame time) of the last seconds is the offset between the two
 * clocks. Of the last seconds only, because the clocks drift apart, and because an audio device that was kept waiting
 * leaves frames out. Pure.
 */

const WINDOW_MS = 2_000;

export class FrameClock {
  /** @param {number} sampleRate */
  constructor(sampleRate) {
    this.msPerFrame = 1_000 / sampleRate;
    this.windowBegan = -Infinity;
    this.smallest = Infinity;
    this.smallestBefore = Infinity;
  }

  /** @param {number} frame that a message tells of @param {number} arrived ms */
  see(frame, arrived) {
    if (arrived - this.windowBegan > WINDOW_MS) {
      this.smallestBefore = this.smallest;
      this.smallest = Infinity;
      this.windowBegan = arrived;
    }
    this.smallest = Math.min(this.smallest, arrived - frame * this.msPerFrame);
  }

  /** @param {number} frame @returns {number} ms on the page's clock */
  timeOf(frame) {
    return Math.min(this.smallest, this.smallestBefore) + frame * this.msPerFrame;
  }
}
