/**
 * A streaming resampler (windowed sinc, linear phase) for the browsers and backends that will not give us the rate we
 * ask for: a microphone context that only runs at 48 kHz, an agent that speaks at 22.05 kHz. Pure.
 * Not used when the rates already agree.
 */

const ZERO_CROSSINGS = 16;

/**
 * Blackman-windowed sinc at `x` input samples from the centre.
 *
 * @param {number} x
 * @param {number} cutoff as a fraction of the input's Nyquist frequency
 * @param {number} half half the window's width, in input samples
 */
function kernel(x, cutoff, half) {
  if (Math.abs(x) >= half) return 0;
  const phase = Math.PI * cutoff * x;
  const sinc = x === 0 ? 1 : Math.sin(phase) / phase;
  const place = (x / half + 1) / 2;
  const window = 0.42 - 0.5 * Math.cos(2 * Math.PI * place) + 0.08 * Math.cos(4 * Math.PI * place);
  return cutoff * sinc * window;
}

/** Turns a stream of samples at one rate into a stream at another, block by block, without seams. */
export class Resampler {
  /**
   * @param {number} fromRate samples per second in
   * @param {number} toRate samples per second out
   */
  constructor(fromRate, toRate) {
    this.step = fromRate / toRate;
    // Downwards, the filter must remove what the lower rate cannot carry; 0.94 leaves room for its slope.
    this.cutoff = Math.min(1, toRate / fromRate) * 0.94;
    this.half = Math.ceil(ZERO_CROSSINGS / this.cutoff);
    /** @type {Float32Array} the input still needed, beginning half a window before the next output sample */
    this.pending = new Float32Array(this.half);
    /** Where the next output sample lies in `pending`, in input samples. */
    this.position = this.half;
  }

  /**
   * @param {Float32Array} block
   * @returns {Float32Array<ArrayBuffer>} the output samples that this block completes
   */
  push(block) {
    const input = new Float32Array(this.pending.length + block.length);
    input.set(this.pending);
    input.set(block, this.pending.length);
    const ready = Math.max(0, Math.ceil((input.length - this.half - this.position) / this.step));
    const output = new Float32Array(ready);
    for (let i = 0; i < ready; i += 1) {
      output[i] = this.#at(input, this.position);
      this.position += this.step;
    }
    const consumed = Math.max(0, Math.floor(this.position) - this.half);
    this.pending = input.slice(consumed);
    this.position -= consumed;
    return output;
  }

  /**
   * @param {Float32Array} input
   * @param {number} position
   */
  #at(input, position) {
    const first = Math.max(0, Math.ceil(position - this.half));
    const last = Math.min(input.length - 1, Math.floor(position + this.half));
    let sum = 0;
    for (let i = first; i <= last; i += 1) sum += input[i] * kernel(i - position, this.cutoff, this.half);
    return sum;
  }
}
