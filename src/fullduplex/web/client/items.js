/**
 * What a conversation consists of when it is shown: items, and the changes that lead from one state to the next. Types
 * and tiny constructors only.
 *
 * @typedef {object} MessageItem
 * @property {"message"} kind
 * @property {number} key
 * @property {"user" | "agent"} role
 * @property {string} author
 * @property {string} [branch] of agents that work at the same time
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
 * @property {string} author
 * @property {string} name
 * @property {string | undefined} callId
 * @property {unknown} args
 * @property {unknown} response the latest one
 * @property {boolean} longRunning its first answer is not its last
 * @property {ToolState} state
 *
 * @typedef {"running" | "working" | "waiting" | "done" | "failed" | "stopped"} ToolState
 *   running: the agent waits for its answer; working: it goes on beside the conversation; waiting: for a person's approval
 *
 * @typedef {object} RequestItem  what a tool wants of a person before it runs
 * @property {"request"} kind
 * @property {number} key
 * @property {"confirmation" | "credential"} asks
 * @property {string} callId of the request itself
 * @property {string} author
 * @property {import("./types.js").FunctionCall} tool the call that waits
 * @property {string} hint
 * @property {unknown} payload what the answer is to hold besides, as a pattern; nothing when null
 * @property {"open" | "approved" | "denied" | "withdrawn"} state
 * @property {boolean} settled whether the server has said that it knows
 *
 * @typedef {object} HandoverItem
 * @property {"handover"} kind
 * @property {number} key
 * @property {string} from
 * @property {string} to
 *
 * @typedef {object} NoteItem
 * @property {"note"} kind
 * @property {number} key
 * @property {"info" | "error"} level
 * @property {string} text
 * @property {number} count how often since the last thing that was said
 * @property {string} [action] label of a button: what can be done about it
 *
 * @typedef {MessageItem | ImageItem | ToolItem | RequestItem | HandoverItem | NoteItem} Item
 *
 * @typedef {object} Change
 * @property {"add" | "update"} type
 * @property {Item} item for `add` perhaps one that is shown already: then it moves
 * @property {number} [beforeKey] for `add`: the item that it goes in front of; at the end when missing
 */

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
