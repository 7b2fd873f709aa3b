/**
 * One transcript being heard: deltas in, the best text so far out. Pure.
 *
 * The server promises deltas (`finished: false`) and then the whole text (`finished: true`). Recognisers upstream of it
 * have been seen to do otherwise, so this class also puts up with cumulative partials (each holds all the text so far),
 * repeated ones, and a `finished` without text. Which transcript an event belongs to is decided in conversation.js.
 */

// Below this a partial that begins with the text so far is more likely a repeated word ("no no") than a new version.
const SHORTEST_PREFIX = 4;

/** Text of one utterance while it is being recognised. */
export class TranscriptAssembler {
  constructor() {
    /** The text so far. */
    this.text = "";
    /** Whether the recogniser has said that this is the final text. */
    this.finished = false;
  }

  /**
   * Whether `text` holds what we have and more: a newer version of the whole, not a delta.
   *
   * @param {string} text
   * @returns {boolean}
   */
  isExtendedBy(text) {
    const known = this.text.trim();
    return known.length >= SHORTEST_PREFIX && text.trim().startsWith(known);
  }

  /**
   * Take one transcription message.
   *
   * @param {string} text a delta, or the whole text when `finished`
   * @param {boolean} finished
   * @returns {boolean} whether anything changed
   */
  push(text, finished) {
    const before = this.text;
    const wasFinished = this.finished;
    if (finished) {
      if (text.trim() !== "") this.text = text;
      this.finished = true;
    } else if (this.isExtendedBy(text)) {
      this.text = text;
    } else {
      this.text += text;
    }
    return this.text !== before || this.finished !== wasFinished;
  }
}
