/**
 * Cuts a stream of samples into frames of one size, whatever size the blocks come in. Pure.
 */

export class FrameChunker {
  /** @param {number} size samples in a frame */
  constructor(size) {
    this.frame = new Float32Array(size);
    this.filled = 0;
  }

  /**
   * @param {Float32Array} block
   * @returns {Float32Array[]} the frames that this block completes, each a fresh array
   */
  push(block) {
    const frames = [];
    let from = 0;
    while (from < block.length) {
      const count = Math.min(block.length - from, this.frame.length - this.filled);
      this.frame.set(block.subarray(from, from + count), this.filled);
      this.filled += count;
      from += count;
      if (this.filled === this.frame.length) {
        frames.push(this.frame.slice());
        this.filled = 0;
      }
    }
    return frames;
  }
}
