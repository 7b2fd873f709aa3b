/**
 * Turns the stream of Events into a conversation that can be shown: bubbles that grow, transcripts in their place, tool
 * chips, notes. Pure: it takes events and the time and returns changes; ui/bubbles.js draws them, speech.js knows where
 * transcripts belong.
 */

import { noteHeard } from "./heard.js";
import { ItemList } from "./item_list.js";
import { stateOfResponse } from "./items.js";
import { Speech } from "./speech.js";

/**
 * @typedef {import("./types.js").LiveEvent} LiveEvent
 * @typedef {import("./types.js").Part} Part
 * @typedef {import("./items.js").MessageItem} MessageItem
 * @typedef {import("./items.js").ToolItem} ToolItem
 * @typedef {import("./items.js").Change} Change
 */

/** The error of a session that another tab has taken over: no error to a person. */
export const TAKEN_OVER = "session_busy";

export class Conversation {
  constructor() {
    this.list = new ItemList();
    this.speech = new Speech(this.list);
    /** Whether the agent owes something: the page shows a typing indicator. */
    this.awaitingAgent = false;
    /** @type {Map<string, MessageItem>} text bubbles that still grow, by author and kind */
    this.texts = new Map();
    /** @type {{of: import("./types.js").TurnLatency, turn: number} | null} of an answer that has no bubble yet */
    this.latency = null;
    /** The response that is coming: the event with its first audio, and the turn it is in. */
    this.response = { id: "", turn: 0, goesOn: false };
  }

  /** What is shown, in order. */
  get items() {
    return this.list.items;
  }

  /** @param {string} text what the user typed and sent */
  addTyped(text) {
    this.speech.start.hasInput = true;
    this.awaitingAgent = true;
    this.list.add(this.#message("user", "user", "typed", text, false, false));
    return this.list.takeChanges();
  }

  /** @param {string} url of a picture that the user sent */
  addImage(url) {
    this.speech.start.hasInput = true;
    this.list.add({ kind: "image", key: this.list.freshKey(), role: "user", url });
    return this.list.takeChanges();
  }

  /**
   * A line of the page itself. What is said again with nothing but such lines in between is counted, not repeated: a
   * server that is away must not fill the page.
   *
   * @param {string} text
   * @param {"info" | "error"} [level]
   * @param {string} [action] label of a button beside it
   */
  addNote(text, level = "info", action) {
    const same = this.list.trailingNotes().find((note) => note.text === text && note.level === level);
    if (same) {
      same.count += 1;
      same.action = action;
      this.list.moveToEnd(same);
    } else {
      this.list.add({ kind: "note", key: this.list.freshKey(), level, text, count: 1, action });
    }
    return this.list.takeChanges();
  }

  /** What notes offered to do is done or no longer needed: their buttons go. */
  dropActions() {
    for (const item of this.items) {
      if (item.kind !== "note" || !item.action) continue;
      item.action = undefined;
      this.list.update(item);
    }
    return this.list.takeChanges();
  }

  /**
   * The connection is gone: nothing that streams now will be continued.
   *
   * @returns {Change[]}
   */
  connectionLost() {
    this.awaitingAgent = false;
    this.#closeTexts();
    this.speech.end();
    return this.list.takeChanges();
  }

  /**
   * @param {LiveEvent} event
   * @param {number} now in ms, on any one clock
   * @returns {Change[]} what to draw, in order
   */
  apply(event, now) {
    const author = event.author || "agent";
    const fromUser = author === "user" || event.content?.role === "user";
    if (event.errorCode || event.errorMessage) this.#error(event);
    if (event.inputTranscription) this.#hearUser(event.inputTranscription, now);
    for (const part of event.content?.parts ?? []) {
      const isAnswer = part.functionResponse !== undefined || part.codeExecutionResult !== undefined;
      if (isAnswer) this.#toolAnswered(part);
      else if (!fromUser) this.#agentPart(part, event, author, now); // the user's own words are on the page already
    }
    if (event.outputTranscription) this.#hearAgent(event.outputTranscription, author, now);
    if (event.interrupted) this.#interrupt();
    if (event.heard) this.#wasHeard(event.heard.text ?? "");
    this.#follow(event);
    if (event.latency) this.latency = { of: event.latency, turn: this.#turnOf(event.latency.responseId) };
    this.#showLatency();
    if (event.turnComplete) {
      if (event.turnCompleteReason && this.awaitingAgent) this.#unanswered(event.turnCompleteReason);
      this.#completeTurn(now);
    }
    return this.list.takeChanges();
  }

  /** @param {LiveEvent} event */
  #error(event) {
    if (event.errorCode === TAKEN_OVER) return; // the page says it in its own words
    const code = event.errorCode ? ` [${event.errorCode}]` : "";
    const text = `${event.errorMessage ?? "The model reported an error."}${code}`;
    this.awaitingAgent = false;
    this.list.add({ kind: "note", key: this.list.freshKey(), level: "error", text, count: 1 });
  }

  /** @param {string} reason why the model ended its turn, in its own word */
  #unanswered(reason) {
    const text = `The model gave no answer to that (${reason.toLowerCase().replaceAll("_", " ")}).`;
    this.list.add({ kind: "note", key: this.list.freshKey(), level: "error", text, count: 1 });
  }

  /** @param {import("./types.js").Transcription} heard @param {number} now */
  #hearUser(heard, now) {
    this.speech.hearUser(heard, now);
    if (heard.finished && !this.speech.start.begun) this.awaitingAgent = true;
  }

  /** @param {import("./types.js").Transcription} heard @param {string} author @param {number} now */
  #hearAgent(heard, author, now) {
    this.speech.hearAgent(heard, author, now);
    this.awaitingAgent = false;
  }

  /**
   * @param {Part} part
   * @param {LiveEvent} event
   * @param {string} author
   * @param {number} now
   */
  #agentPart(part, event, author, now) {
    this.speech.agentSpeaks(now);
    this.awaitingAgent = false;
    if (part.functionCall) {
      this.#toolCalled(part.functionCall.id, part.functionCall.name, part.functionCall.args ?? {});
    } else if (part.executableCode) {
      this.#toolCalled(undefined, "run code", { code: part.executableCode.code });
    } else if (part.text) {
      this.#text(part.text, part.thought === true, event.partial === true, author);
    }
  }

  /**
   * @param {string} text a delta when `partial`, else the whole text of this segment
   * @param {boolean} thought
   * @param {boolean} partial
   * @param {string} author
   */
  #text(text, thought, partial, author) {
    const slot = `${author} ${thought}`;
    let item = this.texts.get(slot);
    if (item) {
      item.text = partial ? item.text + text : text;
      item.streaming = partial;
      this.list.update(item);
    } else {
      item = this.#message("agent", author, "text", text, partial, thought);
      this.list.add(item);
    }
    if (partial) this.texts.set(slot, item);
    else this.texts.delete(slot);
    this.speech.agentShows(item);
  }

  /** @param {string | undefined} callId @param {string} name @param {unknown} args */
  #toolCalled(callId, name, args) {
    const item = this.#tool(callId, name, args);
    this.list.add(item);
    this.speech.agentShows(item);
    this.awaitingAgent = true;
  }

  /** @param {Part} part with a tool's answer */
  #toolAnswered(part) {
    const { id, name, response } = part.functionResponse ?? {
      id: undefined,
      name: "run code",
      response: part.codeExecutionResult?.output ?? part.codeExecutionResult?.outcome,
    };
    let item = this.items.findLast(
      /** @returns {known is ToolItem} */
      (known) => known.kind === "tool" && (id ? known.callId === id : known.name === name),
    );
    if (!item) {
      // The call was before our time: a reload in the middle of it.
      item = this.#tool(id, name, undefined);
      this.list.add(item);
    }
    item.response = response;
    item.state = stateOfResponse(response);
    this.list.update(item);
  }

  #interrupt() {
    this.awaitingAgent = false;
    this.speech.interrupt();
    this.#closeTexts();
  }

  /** Of an answer that was cut, the user heard this much. @param {string} heard */
  #wasHeard(heard) {
    const cut = this.#agentMessages().findLast((item) => item.interrupted);
    if (!cut) return;
    const { turn, author, source } = cut;
    const bubbles = this.#agentMessages().filter(
      (item) => item.turn === turn && item.author === author && item.source === source && item.key <= cut.key,
    );
    noteHeard(bubbles, heard);
    for (const bubble of bubbles) this.list.update(bubble);
  }

  /** @param {LiveEvent} event */
  #follow(event) {
    if (!this.response.goesOn && event.content?.parts?.some((part) => part.inlineData)) {
      this.response = { id: event.id ?? "", turn: this.speech.turn, goesOn: true };
    }
    if (event.interrupted || event.turnComplete) this.response.goesOn = false;
  }

  /** @param {string | undefined} responseId of the latest response, whose turn may be over already */
  #turnOf(responseId) {
    return responseId === this.response.id ? this.response.turn : this.speech.turn;
  }

  /** The time that an answer took stands at its bubble, once there is one. */
  #showLatency() {
    if (!this.latency) return;
    const { of, turn } = this.latency;
    const item = this.#agentMessages().findLast((message) => message.turn === turn);
    if (!item || item.interrupted || item.latency) return;
    item.latency = of;
    this.latency = null;
    this.list.update(item);
  }

  #agentMessages() {
    return this.items.filter(
      /** @returns {item is MessageItem} */
      (item) => item.kind === "message" && item.role === "agent" && !item.thought,
    );
  }

  /** @param {number} now */
  #completeTurn(now) {
    this.awaitingAgent = false;
    this.#closeTexts();
    this.speech.completeTurn(now);
  }

  #closeTexts() {
    for (const item of this.texts.values()) this.list.settle(item);
    this.texts.clear();
  }

  /** @param {string | undefined} callId @param {string} name @param {unknown} args @returns {ToolItem} */
  #tool(callId, name, args) {
    return { kind: "tool", key: this.list.freshKey(), name, callId, args, response: undefined, state: "running" };
  }

  /**
   * @param {"user" | "agent"} role
   * @param {string} author
   * @param {"typed" | "text"} source
   * @param {string} text
   * @param {boolean} streaming
   * @param {boolean} thought
   * @returns {MessageItem}
   */
  #message(role, author, source, text, streaming, thought) {
    const turn = this.speech.turn;
    const key = this.list.freshKey();
    return { kind: "message", key, role, author, source, text, streaming, thought, interrupted: false, turn };
  }
}
