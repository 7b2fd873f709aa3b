/**
 * The spoken side of a conversation: which bubble a transcription belongs to. Pure; time comes in as an argument.
 *
 * Transcripts may come late, cumulative, or never finished, and a turn may not be completed (transcripts.js has the text
 * side of that). The rules:
 * - an unfinished transcript goes on in its bubble, for a while even when the agent has begun to answer meanwhile;
 * - the user's words that arrive just after the answer to them began are put in front of it;
 * - after a finished transcript, an interruption, a handover, or the next thing the user said, a new bubble begins.
 */

import { cleanCjkSpacing } from "./cjk.js";
import { message } from "./texts.js";
import { TranscriptAssembler } from "./transcripts.js";

/**
 * @typedef {import("./items.js").Item} Item
 * @typedef {import("./items.js").MessageItem} MessageItem
 * @typedef {import("./item_list.js").ItemList} ItemList
 * @typedef {import("./types.js").Transcription} Transcription
 *
 * @typedef {object} Slot  a transcript and the bubble that shows it
 * @property {MessageItem} item
 * @property {TranscriptAssembler} transcript
 * @property {string} shownElsewhere text of this utterance that an earlier bubble already holds
 * @property {boolean} handedOver whether its agent has handed the conversation over since
 *
 * @typedef {{author: string, branch?: string}} Speaker
 *
 * @typedef {object} TurnStart
 * @property {boolean} begun whether the agent has put anything out in this turn
 * @property {number} beganAt ms
 * @property {Item | null} firstItem the first item of the agent in this turn
 * @property {boolean} hasInput whether we know what the user said in this turn
 */

/** A transcription may come this long after what it belongs to, in ms. */
const LATE_MS = 2_000;
/** An agent that was silent this long while the user spoke is giving a new answer, in ms. */
const NEW_ANSWER_MS = 1_500;

export class Speech {
  /** @param {ItemList} list */
  constructor(list) {
    this.list = list;
    /** Counts up at each turnComplete. */
    this.turn = 0;
    this.turnCompletedAt = -Infinity;
    this.lastAgentAt = -Infinity;
    /** @type {Slot | null} */
    this.userSlot = null;
    /** @type {Map<string, Slot>} by author */
    this.agentSlots = new Map();
    this.start = freshStart();
  }

  /**
   * The agent puts something out: the user's bubble is done, whatever the recogniser still adds.
   *
   * @param {number} now ms
   */
  agentSpeaks(now) {
    const newAnswer = this.userSlot?.item.streaming && now - this.lastAgentAt > NEW_ANSWER_MS;
    this.lastAgentAt = now;
    if (this.start.begun && !newAnswer) return;
    if (this.userSlot) this.list.settle(this.userSlot.item);
    this.start.begun = true;
    this.start.beganAt = now;
    this.start.firstItem = null;
  }

  /** @param {Item} item something of the agent that is shown */
  agentShows(item) {
    this.start.firstItem ??= item;
  }

  /** @param {Transcription} heard of the user @param {number} now ms */
  hearUser(heard, now) {
    const text = heard.text ?? "";
    const finished = heard.finished === true;
    const slot = this.userSlot;
    if (slot && this.#userGoesOn(slot, text, now)) {
      slot.item.turn = this.turn;
      this.#push(slot, text, finished);
    } else if (text.trim() !== "") {
      this.userSlot = this.#open("user", { author: "user" }, text, finished, this.#answerToThis(now));
    }
    this.start.hasInput = true;
  }

  /** @param {Transcription} heard of the agent @param {Speaker} speaker @param {number} now ms */
  hearAgent(heard, speaker, now) {
    const text = heard.text ?? "";
    const finished = heard.finished === true;
    const slot = this.agentSlots.get(speaker.author);
    if (slot && this.#isLate(slot, text, finished, now)) {
      if (!slot.transcript.finished) this.#push(slot, text, finished);
      return;
    }
    if (text.trim() === "" && !slot) return;
    this.agentSpeaks(now);
    if (slot && this.#agentGoesOn(slot, text, finished)) this.#push(slot, text, finished);
    else if (text.trim() !== "") this.#openAgent(speaker, text, finished, slot);
  }

  /** An agent has said what it has to say for now: it hands the conversation over. @param {string} author */
  handOver(author) {
    const slot = this.agentSlots.get(author);
    if (!slot) return;
    this.list.settle(slot.item);
    slot.handedOver = true;
  }

  /** An agent was cut off. @param {string} author */
  interrupt(author) {
    const spoken = this.list.lastAgentMessage(author) ?? this.list.lastAgentMessage();
    if (spoken && (spoken.turn === this.turn || !this.list.userSpokeAfter(spoken, { complete: true }))) {
      spoken.interrupted = true;
      spoken.streaming = false;
      this.list.update(spoken);
    }
    for (const slot of this.agentSlots.values()) this.list.settle(slot.item);
    // What the user says now is new, even if the last transcript was never finished.
    if (this.userSlot && !this.userSlot.item.streaming) this.userSlot = null;
    this.start.hasInput = true;
  }

  /** An agent's part of the turn is over, and others go on. @param {string} author */
  settle(author) {
    const slot = this.agentSlots.get(author);
    if (slot) this.list.settle(slot.item);
  }

  /** Whether somebody else still speaks. @param {string} author */
  othersSpeak(author) {
    return [...this.agentSlots.values()].some(({ item }) => item.author !== author && item.streaming);
  }

  /** @param {number} now ms */
  completeTurn(now) {
    for (const slot of this.agentSlots.values()) this.list.settle(slot.item);
    this.turn += 1;
    this.turnCompletedAt = now;
    this.start = freshStart();
  }

  /** Nothing that is being heard will go on: the connection is gone. An answer that was being given was cut off. */
  end() {
    const spoken = this.list.lastAgentMessage();
    if (spoken && this.start.begun && spoken.turn === this.turn) {
      spoken.interrupted = true;
      this.list.update(spoken);
    }
    this.turn += 1;
    this.start = freshStart();
    if (this.userSlot) this.list.settle(this.userSlot.item);
    for (const slot of this.agentSlots.values()) this.list.settle(slot.item);
    this.userSlot = null;
    this.agentSlots.clear();
  }

  /** @param {Slot} slot @param {string} text @param {number} now */
  #userGoesOn(slot, text, now) {
    if (slot.transcript.finished) return !this.start.begun && this.#sameTurnExtended(slot, text);
    if (slot.item.streaming || slot.transcript.isExtendedBy(text)) return true;
    return slot.item.turn === this.turn && now - this.start.beganAt < LATE_MS;
  }

  /** @param {Slot} slot @param {string} text */
  #sameTurnExtended(slot, text) {
    return slot.item.turn === this.turn && slot.transcript.isExtendedBy(text);
  }

  /** The answer that began before we were told what it answers, if that was just now. @param {number} now */
  #answerToThis(now) {
    const { firstItem, beganAt, hasInput } = this.start;
    return firstItem && !hasInput && now - beganAt < LATE_MS ? firstItem : undefined;
  }

  /**
   * Whether this belongs to a turn that is over already.
   *
   * @param {Slot} slot
   * @param {string} text
   * @param {boolean} finished
   * @param {number} now
   */
  #isLate(slot, text, finished, now) {
    if (slot.item.turn === this.turn || this.start.begun || now - this.turnCompletedAt > LATE_MS) return false;
    if (this.list.userSpokeAfter(slot.item, { complete: false })) return false;
    // What is said whole after an answer was cut off is said in its place.
    if (slot.item.interrupted && finished && !isContinuedBy(slot, text)) return false;
    return !slot.transcript.finished || (finished && text.trim() === slot.transcript.text.trim());
  }

  /** @param {Slot} slot @param {string} text @param {boolean} finished */
  #agentGoesOn(slot, text, finished) {
    if (slot.item.turn !== this.turn || slot.transcript.finished || slot.item.interrupted) return false;
    if (slot.handedOver) return finished && isContinuedBy(slot, text);
    return !this.list.userSpokeAfter(slot.item, { complete: true }) || slot.transcript.isExtendedBy(text);
  }

  /**
   * A new bubble for the agent. When its last one was cut by something the user said without interrupting, the final
   * transcript will repeat the text of that one: remember how much is shown there.
   *
   * @param {Speaker} speaker
   * @param {string} text
   * @param {boolean} finished
   * @param {Slot | undefined} last
   */
  #openAgent(speaker, text, finished, last) {
    const isCut =
      last && last.item.turn === this.turn && !last.transcript.finished && !last.item.interrupted && !last.handedOver;
    const shown = isCut ? last.shownElsewhere + last.transcript.text : "";
    if (isCut) this.list.settle(last.item);
    const rest = shown !== "" && text.startsWith(shown) ? text.slice(shown.length) : text;
    if (rest.trim() === "") return;
    const slot = this.#open("agent", speaker, rest, finished, undefined);
    slot.shownElsewhere = shown;
    this.agentSlots.set(speaker.author, slot);
    this.agentShows(slot.item);
  }

  /**
   * @param {"user" | "agent"} role
   * @param {Speaker} speaker
   * @param {string} text
   * @param {boolean} finished
   * @param {Item | undefined} before
   * @returns {Slot}
   */
  #open(role, { author, branch }, text, finished, before) {
    const transcript = new TranscriptAssembler();
    transcript.push(text, finished);
    const shown = cleanCjkSpacing(text.trimStart());
    /** @type {MessageItem} */
    const item = {
      ...message(this.list, role, author, shown, this.turn),
      branch,
      source: "transcript",
      streaming: !finished && before === undefined,
    };
    this.list.add(item, before);
    return { item, transcript, shownElsewhere: "", handedOver: false };
  }

  /** @param {Slot} slot @param {string} text @param {boolean} finished */
  #push(slot, text, finished) {
    const known = slot.shownElsewhere;
    const rest = known !== "" && finished && text.startsWith(known) ? text.slice(known.length) : text;
    if (!slot.transcript.push(rest, finished)) return;
    slot.item.text = cleanCjkSpacing(slot.transcript.text.trimStart());
    if (finished) slot.item.streaming = false;
    this.list.update(slot.item);
  }
}

/** @returns {TurnStart} */
function freshStart() {
  return { begun: false, beganAt: 0, firstItem: null, hasInput: false };
}

/** Whether `text` is the whole of what a slot shows the beginning of. @param {Slot} slot @param {string} text */
function isContinuedBy(slot, text) {
  return text.trim().startsWith(slot.transcript.text.trim());
}
