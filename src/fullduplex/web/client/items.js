/**
 * What a conversation consists of when it is shown: items, and the changes that lead from one state to the next. Types
 * and tiny constructors only.
 *
 * @typedef {object} MessageItem
 * @property {"message"} kind
 * @property {number} key
 * @property {"user" | "agent"} role
 * @property {string} author
 * @property {"typed" | "text" | "transcript"} source
 * @property {string} text
 * @property {boolean} streaming whether more text may come
 * @property {boolean} interrupted
 * @property {boolean} thought
 * @property {number} turn
 * @property {string} [heard] of an answer that was cut: the words that the user heard; it may go on in the next bubble
 * @property {import("./types.js").TurnLatency} [latency] of the answer that begins here
 *
 * @typedef {object} ImageItem
 * @property {"image"} kind
 * @property {number} key
 * @property {"user" | "agent"} role
 * @property {string} url
 *
 * @typedef {object} ToolItem
 * @property {"tool"} kind
 * @property {number} key
 * @property {string} name
 * @property {string | undefined} callId
 * @property {unknown} args
 * @property {unknown} response
 * @property {"running" | "done" | "failed"} state
 *
 * @typedef {object} NoteItem
 * @property {"note"} kind
 * @property {number} key
 * @property {"info" | "error"} level
 * @property {string} text
 * @property {number} count how often since the last thing that was said
 * @property {string} [action] label of a button: what can be done about it
 *
 * @typedef {MessageItem | ImageItem | ToolItem | NoteItem} Item
 *
 * @typedef {object} Change
 * @property {"add" | "update"} type
 * @property {Item} item for `add` perhaps one that is shown already: then it moves
 * @property {number} [beforeKey] for `add`: the item that it goes in front of; at the end when missing
 */

/**
 * The state of a tool call that was answered with `response`: an answer that holds nothing but an error is a failure.
 *
 * @param {unknown} response
 * @returns {"done" | "failed"}
 */
export function stateOfResponse(response) {
  return response !== null && typeof response === "object" && "error" in response ? "failed" : "done";
}

/**
 * An error that the server answered a frame with, in words for people.
 *
 * @param {import("./types.js").ErrorAnswer} refusal
 * @returns {string}
 */
export function describeRefusal(refusal) {
  const field = refusal.field ? ` (field “${refusal.field}”)` : "";
  const after = refusal.sessionLives === false ? "The session has ended." : "The conversation goes on.";
  return `${refusal.message}${field} [${refusal.code}] ${after}`;
}
