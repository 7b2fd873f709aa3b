/**
 * Base64 to bytes and back, tolerant on the way in: the standard and the urlsafe alphabet, padded or not, may
 * arrive in one session (Events carry urlsafe, the article's app standard). Pure: no DOM, no sockets.
 */

/**
 * Decode base64 text of either alphabet, with or without padding; ASCII white space is ignored.
 *
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>} a fresh array that starts at offset 0 of its own buffer
 * @throws {RangeError} when the text is not base64
 */
export function decodeBase64(text) {
  const standard = text.replace(/-/g, "+").replace(/_/g, "/").replace(/[=\s]+$/, "");
  let binary;
  try {
    binary = atob(standard);
  } catch {
    throw new RangeError(`not base64 (${text.length} characters)`);
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * Encode bytes in the standard alphabet, padded.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function encodeBase64(bytes) {
  const step = 0x8000; // String.fromCharCode takes its input as arguments: stay below every engine's limit
  let binary = "";
  for (let start = 0; start < bytes.length; start += step) {
    binary += String.fromCharCode(...bytes.subarray(start, start + step));
  }
  return btoa(binary);
}

/**
 * How many bytes a base64 text stands for, without decoding it.
 *
 * @param {string} text
 * @returns {number}
 */
export function base64ByteLength(text) {
  const length = text.replace(/[=\s]+$/, "").length;
  return Math.floor((length * 3) / 4);
}
