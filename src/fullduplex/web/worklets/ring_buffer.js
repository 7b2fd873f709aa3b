/**
 * The player's ring of samples, with exact books: for each response how many samples came in, were played, were dropped
 * because the ring was full, or were thrown away by an interruption. Pure, so that it is tested without a sound card.
 *
 * For every response, always: received = rendered + dropped + cleared + what still waits.
 */

/** Responses whose books are kept; older ones remain in the totals only. */
const KEPT_RESPONSES = 64;

/**
 * @typedef {object} ResponseBook
 * @property {number} response the number the client gave it
 * @property {number} received samples
 * @property {number} rendered samples handed to the audio device: what could be heard
 * @property {number} dropped samples lost because the ring was full
 * @property {number} cleared samples thrown away by `clear()`
 * @property {number | null} firstFrame audio-clock frame at which its first sample was rendered
 * @property {number | null} lastFrame audio-clock frame after its last rendered sample
 */

/** A ring buffer of float samples that remembers which response each sample belongs to. */
export class PlayoutBuffer {
  /** @param {number} capacity in samples */
  constructor(capacity) {
    this.ring = new Float32Array(capacity);
    this.readAt = 0;
    /** Samples that wait to be played. */
    this.buffered = 0;
    this.totals = { received: 0, rendered: 0, dropped: 0, cleared: 0, silent: 0 };
    /** @type {Map<number, ResponseBook>} */
    this.books = new Map();
    /** @type {{book: ResponseBook, count: number}[]} waiting samples by response, oldest first */
    this.runs = [];
  }

  /**
   * Append samples. When the ring is full, the oldest make room.
   *
   * @param {Int16Array} pcm
   * @param {number} response
   */
  push(pcm, response) {
    const capacity = this.ring.length;
    const book = this.#book(response);
    book.received += pcm.length;
    this.totals.received += pcm.length;
    // More than the whole ring at once: its own beginning could never be played.
    const skipped = Math.max(0, pcm.length - capacity);
    book.dropped += skipped;
    this.totals.dropped += skipped;
    const fresh = skipped > 0 ? pcm.subarray(skipped) : pcm;
    this.#take(Math.max(0, this.buffered + fresh.length - capacity), "dropped");

    let writeAt = (this.readAt + this.buffered) % capacity;
    for (let i = 0; i < fresh.length; i += 1) {
      this.ring[writeAt] = fresh[i] / 32_768;
      writeAt = writeAt + 1 === capacity ? 0 : writeAt + 1;
    }
    this.buffered += fresh.length;
    const tail = this.runs.at(-1);
    if (tail && tail.book === book) tail.count += fresh.length;
    else if (fresh.length > 0) this.runs.push({ book, count: fresh.length });
  }

  /**
   * Fill `output` with what is next; where nothing waits, with silence.
   *
   * @param {Float32Array} output
   * @param {number} frame audio-clock frame of the first output sample
   * @returns {number} how many samples were not silence
   */
  pull(output, frame) {
    const count = Math.min(output.length, this.buffered);
    let from = this.readAt;
    for (let i = 0; i < count; i += 1) {
      output[i] = this.ring[from];
      from = from + 1 === this.ring.length ? 0 : from + 1;
    }
    output.fill(0, count);
    this.totals.silent += output.length - count;
    this.#take(count, "rendered", frame);
    return count;
  }

  /** Throw away all that waits: the agent was interrupted. */
  clear() {
    this.#take(this.buffered, "cleared");
  }

  /** @returns {ResponseBook[]} copies, oldest response first */
  responses() {
    return Array.from(this.books.values(), (book) => ({ ...book }));
  }

  /**
   * Take the oldest samples out and enter them in the books.
   *
   * @param {number} count
   * @param {"rendered" | "dropped" | "cleared"} column
   * @param {number} [frame]
   */
  #take(count, column, frame = 0) {
    let left = count;
    while (left > 0) {
      const run = this.runs[0];
      const taken = Math.min(left, run.count);
      run.book[column] += taken;
      if (column === "rendered") {
        run.book.firstFrame ??= frame + (count - left);
        run.book.lastFrame = frame + (count - left) + taken;
      }
      run.count -= taken;
      left -= taken;
      if (run.count === 0) this.runs.shift();
    }
    this.totals[column] += count;
    this.buffered -= count;
    this.readAt = (this.readAt + count) % this.ring.length;
  }

  /** @param {number} response @returns {ResponseBook} */
  #book(response) {
    let book = this.books.get(response);
    if (!book) {
      book = { response, received: 0, rendered: 0, dropped: 0, cleared: 0, firstFrame: null, lastFrame: null };
      this.books.set(response, book);
      const oldest = this.books.keys().next().value;
      if (this.books.size > KEPT_RESPONSES && oldest !== undefined) this.books.delete(oldest);
    }
    return book;
  }
}
