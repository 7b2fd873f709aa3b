/**
 * The player's ring of samples, with exact books: for each response how many samples came in, were played, were dropped
 * because the ring was full, or were thrown away by an interruption. Pure, so that it is tested without a sound card.
 *
 * For every response, always: received = rendered + dropped + cleared + what still waits.
 *
 * A *position* counts samples of a response from its beginning, those included that were dropped before it: what was
 * dropped was not rendered, and what is rendered after it still has its true place among the words.
 */

import { RenderHistory } from "./render_history.js";

/** Responses whose books are kept; older ones remain in the totals only. */
const KEPT_RESPONSES = 64;

/** A sample beyond this, of full scale, is no silence. */
const AUDIBLE = 0.01;

/**
 * @typedef {object} ResponseBook
 * @property {number} response the number the client gave it
 * @property {number} received samples
 * @property {number} rendered samples handed to the audio device: what could be heard
 * @property {number} dropped samples lost because the ring was full
 * @property {number} cleared samples thrown away by `clear()`
 * @property {number | null} firstFrame audio-clock frame at which its first sample was rendered
 * @property {number | null} lastFrame audio-clock frame after its last rendered sample
 * @property {number | null} audibleFrame audio-clock frame at which its first sample that is no silence was rendered
 * @property {number} position after its last rendered sample
 *
 * @typedef {object} Progress  how far a response has come
 * @property {number} response
 * @property {number} position of what had left the speaker
 * @property {number | null} audibleFrame
 * @property {boolean} cut whether a `clear()` took some of it away
 *
 * @typedef {{book: ResponseBook, at: number, count: number}} Run  samples of a response; `at`: the position of the first
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
    /** @type {Run[]} what waits, oldest first */
    this.runs = [];
    this.history = new RenderHistory();
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
    // More than the whole ring at once: its own beginning could never be played.
    const skipped = Math.max(0, pcm.length - capacity);
    this.skip(skipped, response);
    const fresh = skipped > 0 ? pcm.subarray(skipped) : pcm;
    const at = book.received;
    book.received += fresh.length;
    this.totals.received += fresh.length;
    this.#take(Math.max(0, this.buffered + fresh.length - capacity), "dropped");

    let writeAt = (this.readAt + this.buffered) % capacity;
    for (let i = 0; i < fresh.length; i += 1) {
      this.ring[writeAt] = fresh[i] / 32_768;
      writeAt = writeAt + 1 === capacity ? 0 : writeAt + 1;
    }
    this.buffered += fresh.length;
    const tail = this.runs.at(-1);
    if (tail && tail.book === book && tail.at + tail.count === at) tail.count += fresh.length;
    else if (fresh.length > 0) this.runs.push({ book, at, count: fresh.length });
  }

  /**
   * Enter samples in the books that will never be played here; what is pushed next comes after them.
   *
   * @param {number} count
   * @param {number} response
   */
  skip(count, response) {
    for (const books of [this.#book(response), this.totals]) {
      books.received += count;
      books.dropped += count;
    }
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
    this.history.forget(frame);
    return count;
  }

  /** Throw away all that waits: the agent was interrupted. */
  clear() {
    this.#take(this.buffered, "cleared");
  }

  /**
   * How far the responses have come that were rendered of late or wait, oldest first.
   *
   * @param {number} frame audio-clock frame that leaves the speaker now: what is rendered, less output latency
   * @returns {Progress[]}
   */
  progress(frame) {
    const books = new Set([...this.history.books, ...this.runs.map(({ book }) => book)]);
    return Array.from(books, (book) => ({
      response: book.response,
      position: this.history.positionAt(book, frame),
      audibleFrame: book.audibleFrame,
      cut: book.cleared > 0,
    }));
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
      if (column === "rendered") this.#note(run, taken, frame + (count - left), count - left);
      run.at += taken;
      run.count -= taken;
      left -= taken;
      if (run.count === 0) this.runs.shift();
    }
    this.totals[column] += count;
    this.buffered -= count;
    this.readAt = (this.readAt + count) % this.ring.length;
  }

  /**
   * Enter when samples are rendered.
   *
   * @param {Run} run
   * @param {number} count of its samples, from its first on
   * @param {number} frame
   * @param {number} ahead how far behind `readAt` they stand in the ring
   */
  #note({ book, at }, count, frame, ahead) {
    book.firstFrame ??= frame;
    book.lastFrame = frame + count;
    book.position = at + count;
    book.audibleFrame ??= this.#firstAudible(this.readAt + ahead, count, frame);
    this.history.add(book, at, count, frame);
  }

  /** @param {number} from @param {number} count @param {number} frame of the first @returns {number | null} */
  #firstAudible(from, count, frame) {
    for (let i = 0; i < count; i += 1) {
      if (Math.abs(this.ring[(from + i) % this.ring.length]) > AUDIBLE) return frame + i;
    }
    return null;
  }

  /** @param {number} response @returns {ResponseBook} */
  #book(response) {
    let book = this.books.get(response);
    if (!book) {
      const none = { received: 0, rendered: 0, dropped: 0, cleared: 0, position: 0 };
      book = { response, ...none, firstFrame: null, lastFrame: null, audibleFrame: null };
      this.books.set(response, book);
      const oldest = this.books.keys().next().value;
      if (this.books.size > KEPT_RESPONSES && oldest !== undefined) this.books.delete(oldest);
    }
    return book;
  }
}
