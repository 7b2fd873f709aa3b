/**
 * The latency of a turn in words: how long the answer took, and where the time went. Pure.
 */

/** @typedef {import("./types.js").TurnLatency} TurnLatency */

/** @type {[keyof TurnLatency, string][]} the moments in their order, each with the stretch that ends with it */
const STRETCHES = [
  ["speechEndAt", ""],
  ["serverInAt", "to the server"],
  ["modelOutAt", "to the model"],
  ["firstByteAt", "until the model's first audio"],
  ["serverOutAt", "through the server"],
  ["firstAudibleAt", "to your ears"],
];

/** @param {TurnLatency} latency @returns {string | null} null when nobody knows */
export function latencyInWords({ totalMs }) {
  return totalMs === undefined ? null : `answered in ${duration(totalMs)}`;
}

/**
 * Where the time went. A moment that nobody knew is left out, and its stretch counts to the next one.
 *
 * @param {TurnLatency} latency
 * @returns {string}
 */
export function latencyParts(latency) {
  const parts = [];
  let before = null;
  for (const [moment, stretch] of STRETCHES) {
    const at = latency[moment];
    if (typeof at !== "number") continue;
    if (before !== null) parts.push(`${duration((at - before) * 1_000)} ${stretch}`);
    before = at;
  }
  if (latency.leadingSilenceMs) parts.push(`with ${duration(latency.leadingSilenceMs)} of silence before the first word`);
  return parts.join(", ");
}

/** @param {number} ms */
function duration(ms) {
  return ms < 9_999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
