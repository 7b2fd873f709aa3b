/**
 * Turns the stream of Events into a conversation that can be shown: bubbles, tool chips, requests, notes. Pure: it takes
 * events and the time and returns changes, which ui/message_list.js draws. It gives each event to who knows its kind:
 * speech.js the transcripts, texts.js the text, tool_calls.js the tools, requests.js what is asked of a person.
 */

import { AnswerLatency } from "./answer_latency.js";
import { noteHeard } from "./heard.js";
import { ItemList } from "./item_list.js";
import { Requests, isRequest } from "./requests.js";
import { Speech } from "./speech.js";
import { Texts, message } from "./texts.js";
import { TRANSFER, ToolCalls, failed, isUnderWay } from "./tool_calls.js";

/**
 * @typedef {import("./types.js").LiveEvent} LiveEvent
 * @typedef {import("./types.js").Part} Part
 * @typedef {import("./types.js").FunctionResponse} FunctionResponse
 * @typedef {import("./items.js").Change} Change
 * @typedef {import("./items.js").RequestItem} RequestItem
 */

/** The error of a session that another tab has taken over: no error to a person. */
export const TAKEN_OVER = "session_busy";

export class Conversation {
  constructor() {
    this.list = new ItemList();
    this.speech = new Speech(this.list);
    this.texts = new Texts(this.list);
    this.tools = new ToolCalls(this.list);
    this.requests = new Requests(this.list);
    this.latency = new AnswerLatency(this.list);
    /** Whether the agent owes something: the page shows a typing indicator. */
    this.awaitingAgent = false;
  }

  /** What is shown, in order. */
  get items() {
    return this.list.items;
  }

  /** @param {string} text what the user typed and sent */
  addTyped(text) {
    this.speech.start.hasInput = true;
    this.awaitingAgent = true;
    this.list.add(message(this.list, "user", "user", text, this.speech.turn));
    return this.list.takeChanges();
  }

  /** @param {string} url of a picture that the user sent */
  addImage(url) {
    this.speech.start.hasInput = true;
    this.list.add({ kind: "image", key: this.list.freshKey(), role: "user", url });
    return this.list.takeChanges();
  }

  /**
   * A line that nobody said. What is told again with nothing but such lines in between is counted, not repeated: a
   * server, or a model, that is away must not fill the page.
   *
   * @param {string} text
   * @param {"info" | "error"} [level]
   * @param {string} [action] label of a button beside it
   */
  addNote(text, level = "info", action) {
    this.#note(text, level, action);
    return this.list.takeChanges();
  }

  /** @param {string} text @param {"info" | "error"} level @param {string} [action] */
  #note(text, level, action) {
    const same = this.list.trailingNotes().find((note) => note.text === text && note.level === level);
    if (same) {
      same.count += 1;
      same.action = action;
      this.list.moveToEnd(same);
    } else {
      this.list.add({ kind: "note", key: this.list.freshKey(), level, text, count: 1, action });
    }
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
    this.texts.close();
    this.speech.end();
    this.tools.end();
    for (const request of this.requests.reopen()) this.tools.approval(request.tool.id, "waiting");
    return this.list.takeChanges();
  }

  /** What was asked of the user before a reload. @param {import("./requests.js").KeptRequest[]} kept */
  restore(kept) {
    this.requests.restore(kept);
    return this.list.takeChanges();
  }

  /**
   * The user approves a call, or does not.
   *
   * @param {RequestItem} request that is open
   * @param {boolean} approved
   */
  decide(request, approved) {
    this.requests.decide(request, approved);
    this.tools.approval(request.tool.id, "running");
    this.awaitingAgent = true;
    return this.list.takeChanges();
  }

  /**
   * @param {LiveEvent} event
   * @param {number} now in ms, on any one clock
   * @returns {Change[]} what to draw, in order
   */
  apply(event, now) {
    const author = event.author || "agent";
    if (event.errorCode || event.errorMessage) this.#error(event);
    if (event.inputTranscription) this.#hearUser(event.inputTranscription, now);
    for (const part of event.content?.parts ?? []) this.#part(part, event, author, now);
    if (event.toolCallCancellation) this.#takenBack(event.toolCallCancellation.ids ?? []);
    if (event.outputTranscription) {
      this.speech.hearAgent(event.outputTranscription, { author, branch: event.branch }, now);
      this.awaitingAgent = false;
    }
    if (event.actions?.transferToAgent) this.#handOver(author, event.actions.transferToAgent);
    if (event.interrupted) this.#interrupt(author);
    if (event.heard) this.#wasHeard(event.heard.text ?? "");
    this.latency.follow(event, this.speech.turn);
    if (event.turnComplete) {
      if (event.turnCompleteReason && this.awaitingAgent) this.#unanswered(event.turnCompleteReason);
      this.#completeTurn(author, now);
    }
    return this.list.takeChanges();
  }

  /** @param {LiveEvent} event */
  #error(event) {
    if (event.errorCode === TAKEN_OVER) return; // the page says it in its own words
    this.awaitingAgent = false;
    if (event.errorCode === "invalid_content") {
      const request = this.requests.refused(event.errorMessage ?? "");
      if (request) return this.tools.takenBack([request.tool.id ?? ""]);
    }
    const code = event.errorCode ? ` [${event.errorCode}]` : "";
    this.#note(`${event.errorMessage ?? "The model reported an error."}${code}`, "error");
  }

  /** @param {string} reason why the model ended its turn, in its own word */
  #unanswered(reason) {
    this.#note(`The model gave no answer to that (${reason.toLowerCase().replaceAll("_", " ")}).`, "error");
  }

  /** @param {import("./types.js").Transcription} heard @param {number} now */
  #hearUser(heard, now) {
    this.speech.hearUser(heard, now);
    if (heard.finished && !this.speech.start.begun) this.awaitingAgent = true;
  }

  /**
   * @param {Part} part
   * @param {LiveEvent} event
   * @param {string} author
   * @param {number} now
   */
  #part(part, event, author, now) {
    const { functionCall: call, functionResponse: answer, codeExecutionResult: result } = part;
    if (answer) this.#answered({ willContinue: event.partial || undefined, ...answer }, author);
    else if (result) this.#answered({ name: "run code", response: result.output ?? result.outcome }, author);
    else if (call && isRequest(call)) this.#asked(call, author);
    else if (author !== "user" && event.content?.role !== "user") {
      // The user's own words are on the page already.
      this.#agentPart(part, event, author, now);
    }
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
      const { id } = part.functionCall;
      this.#called(part.functionCall, author, id !== undefined && event.longRunningToolIds?.includes(id) === true);
    } else if (part.executableCode) {
      this.#called({ name: "run code", args: { code: part.executableCode.code } }, author, false);
    } else if (part.text) {
      const { text, thought = false } = part;
      const segment = { author, branch: event.branch, text, partial: event.partial === true, thought };
      this.speech.agentShows(this.texts.push(segment, this.speech.turn));
    }
  }

  /** @param {import("./types.js").FunctionCall} call @param {string} author @param {boolean} longRunning */
  #called(call, author, longRunning) {
    this.awaitingAgent = true;
    if (call.name === TRANSFER) return;
    this.speech.agentShows(this.tools.called(call, author, longRunning));
  }

  /** @param {FunctionResponse} answer @param {string} author */
  #answered(answer, author) {
    if (isRequest(answer)) {
      const request = this.requests.answered(answer);
      if (request) this.tools.approval(request.tool.id, "running");
      return;
    }
    if (answer.name === TRANSFER && !failed(answer.response)) return;
    const item = this.tools.answered(answer, author);
    if (item.callId && !isUnderWay(item)) this.requests.ended([item.callId]);
  }

  /** @param {import("./types.js").FunctionCall} call @param {string} author */
  #asked(call, author) {
    const request = this.requests.asked(call, author);
    this.tools.approval(request.tool.id, "waiting");
    this.awaitingAgent = false;
  }

  /** @param {string[]} ids of calls that nobody waits for any more */
  #takenBack(ids) {
    this.tools.takenBack(ids);
    this.requests.ended(ids);
  }

  /** @param {string} from @param {string} to */
  #handOver(from, to) {
    this.texts.close(from);
    this.speech.handOver(from);
    this.tools.handedOver(from);
    this.list.add({ kind: "handover", key: this.list.freshKey(), from, to });
    this.awaitingAgent = true;
  }

  /** @param {string} author */
  #interrupt(author) {
    this.awaitingAgent = false;
    this.speech.interrupt(author);
    this.texts.close(author);
  }

  /** Of an answer that was cut, the user heard this much. @param {string} heard */
  #wasHeard(heard) {
    const spoken = this.list.agentMessages();
    const cut = spoken.findLast((item) => item.interrupted);
    if (!cut) return;
    const { turn, author, source } = cut;
    const bubbles = spoken.filter(
      (item) => item.turn === turn && item.author === author && item.source === source && item.key <= cut.key,
    );
    noteHeard(bubbles, heard);
    for (const bubble of bubbles) this.list.update(bubble);
  }

  /** Of agents that work at the same time, each has an end of its own. @param {string} author @param {number} now */
  #completeTurn(author, now) {
    this.awaitingAgent = false;
    this.texts.close(author);
    this.speech.settle(author);
    if (this.texts.othersWrite(author) || this.speech.othersSpeak(author)) return;
    this.speech.completeTurn(now);
  }
}
