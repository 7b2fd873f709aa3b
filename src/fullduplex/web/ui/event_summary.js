/**
 * One line about each message on the wire, for the event console: an emoji for its kind, a label, and whose it is. Pure.
 */

import { latencyInWords } from "../client/latency.js";

/**
 * @typedef {import("../client/event_log.js").LogEntry} LogEntry
 * @typedef {{emoji: string, label: string, author: string}} Summary
 */

/** @type {Record<string, [string, string]>} emoji and label of what the client sends, by type */
const SENT = {
  text: ["💬", "Text"],
  image: ["🖼️", "Image"],
  audio: ["🎤", "Audio"],
  tool_response: ["📬", "Tool response"],
  activity_start: ["🟢", "Activity start"],
  activity_end: ["⚪", "Activity end"],
  audio_stream_end: ["🔇", "Audio stream end"],
  interrupt: ["✋", "Stop"],
  playout: ["🎧", "Playout"],
  turn_times: ["⏱️", "Turn times"],
};

/** @param {string} text @param {number} [most] */
function short(text, most = 80) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** @param {import("../client/types.js").Transcription} heard @param {string} who */
function heardLabel(heard, who) {
  return `${who}${heard.finished ? "" : " (partial)"}: ${short(heard.text ?? "")}`;
}

/** @param {import("../client/types.js").Heard} heard */
function heardByUser({ text, estimated }) {
  return `Cut off; the user heard${estimated ? " (estimated)" : ""}: ${short(text ?? "")}`;
}

/** @param {import("../client/types.js").UsageMetadata} usage */
function usageLabel(usage) {
  const count = (/** @type {number | undefined} */ tokens) => (tokens ?? 0).toLocaleString("en");
  const { promptTokenCount, candidatesTokenCount, totalTokenCount } = usage;
  return `Tokens: ${count(promptTokenCount)} in, ${count(candidatesTokenCount)} out, ${count(totalTokenCount)} in all`;
}

/** @param {import("../client/types.js").Part} part @param {boolean} partial @param {number} bytes @returns {[string, string]} */
function partLine(part, partial, bytes) {
  if (part.functionCall) return ["🔧", `Tool call: ${part.functionCall.name}`];
  if (part.functionResponse) return ["📬", `Tool response: ${part.functionResponse.name}`];
  if (part.executableCode) return ["🧮", `Code: ${short(part.executableCode.code)}`];
  if (part.codeExecutionResult) return ["🧾", `Code result: ${short(part.codeExecutionResult.output ?? "")}`];
  if (part.inlineData) return ["🔊", `Audio ${bytes.toLocaleString("en")} bytes`];
  if (part.fileData) return ["📁", `File: ${part.fileData.fileUri}`];
  if (part.text) return [part.thought ? "💭" : "💬", `Text${partial ? " (partial)" : ""}: ${short(part.text)}`];
  return ["📄", "Content"];
}

/** @param {import("../client/types.js").LiveEvent} event @param {number} bytes @returns {[string, string]} */
function eventLine(event, bytes) {
  if (event.errorCode || event.errorMessage) return ["❌", `${event.errorCode ?? "Error"}: ${event.errorMessage ?? ""}`];
  if (event.inputTranscription) return ["🎙️", heardLabel(event.inputTranscription, "Heard")];
  if (event.outputTranscription) return ["📝", heardLabel(event.outputTranscription, "Spoken")];
  if (event.heard) return [event.interrupted ? "✋" : "🎧", heardByUser(event.heard)];
  if (event.actions?.transferToAgent) return ["🔀", `Handover to ${event.actions.transferToAgent}`];
  if (event.toolCallCancellation) return ["🚫", "Tool calls taken back"];
  if (event.turnComplete) return event.interrupted ? ["✋", "Turn complete, interrupted"] : ["✅", "Turn complete"];
  const part = event.content?.parts?.[0];
  if (event.interrupted) return ["✋", part?.text ? `Interrupted: ${short(part.text)}` : "Interrupted"];
  if (part) return partLine(part, event.partial === true, bytes);
  if (event.latency) return ["⏱️", latencyInWords(event.latency) ?? "Latency"];
  if (event.usageMetadata) return ["📊", usageLabel(event.usageMetadata)];
  if (event.generationComplete) return ["🏁", "Generation complete"];
  if (event.goAway) return ["👋", "The model's connection will be renewed"];
  if (event.liveSessionResumptionUpdate) return ["🔖", "Session resumption handle"];
  if (event.voiceActivity) return ["👂", `Voice activity: ${event.voiceActivity.voiceActivityType ?? ""}`];
  if (event.groundingMetadata) return ["🌐", "Grounding"];
  return ["📄", "Event"];
}

/**
 * @param {LogEntry} entry
 * @returns {Summary}
 */
export function summarise({ direction, message, bytes }) {
  if (direction === "up") {
    const [emoji, kind] = SENT[message.type] ?? ["📤", String(message.type)];
    const what = message.type === "text" ? message.text : message.type === "tool_response" ? message.name : "";
    const label = what ? `${kind}: ${short(what)}` : kind;
    return { emoji, label: bytes > 0 ? `${kind} ${bytes.toLocaleString("en")} bytes` : label, author: "you" };
  }
  if (message.type === "error") return { emoji: "⚠️", label: `${message.code}: ${message.message}`, author: "server" };
  if (message.problem) return { emoji: "⚠️", label: message.problem, author: "page" };
  const [emoji, label] = eventLine(message, bytes);
  return { emoji, label, author: message.author || "server" };
}
