/**
 * 16-bit PCM and float samples: the few conversions that the worklets and the client share. Pure.
 */

/** Samples per second that go up (mono, 16-bit, little endian). */
export const INPUT_RATE = 16_000;

/** Samples per second that come down (mono, 16-bit, little endian). */
export const OUTPUT_RATE = 24_000;

/**
 * @param {Float32Array} samples in [-1, 1]; values beyond are clipped
 * @returns {Int16Array<ArrayBuffer>}
 */
export function floatToInt16(samples) {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    pcm[i] = Math.round(Math.max(-1, Math.min(1, samples[i])) * 32_767);
  }
  return pcm;
}

/**
 * @param {Int16Array} pcm
 * @returns {Float32Array<ArrayBuffer>} in [-1, 1)
 */
export function int16ToFloat(pcm) {
  const samples = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i += 1) samples[i] = pcm[i] / 32_768;
  return samples;
}

/**
 * View bytes as 16-bit samples. A trailing odd byte cannot be a sample and is left out.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Int16Array<ArrayBuffer>}
 */
export function bytesToInt16(bytes) {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Int16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}

/**
 * Root mean square of float samples: 0 is silence, 1 a full-scale square wave.
 *
 * @param {Float32Array} samples
 * @returns {number}
 */
export function rms(samples) {
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) sum += samples[i] * samples[i];
  return samples.length === 0 ? 0 : Math.sqrt(sum / samples.length);
}

/**
 * How long (ms) a frame of the microphone goes on after its last piece of 2 ms that is as loud as `level`.
 *
 * @param {ArrayBuffer} pcm 16-bit samples
 * @param {number} level RMS
 * @returns {number}
 */
export function quietTailMs(pcm, level) {
  const samples = int16ToFloat(new Int16Array(pcm));
  const piece = INPUT_RATE / 500;
  let end = samples.length;
  while (end > piece && rms(samples.subarray(end - piece, end)) < level) end -= piece;
  return ((samples.length - end) / INPUT_RATE) * 1_000;
}

/**
 * The sample rate that a mime type such as `audio/pcm;rate=24000` names.
 *
 * @param {string} mimeType
 * @param {number} [fallback] for a mime type that names none
 * @returns {number} samples per second
 */
export function rateOf(mimeType, fallback = OUTPUT_RATE) {
  const match = /;\s*rate=(\d+)/i.exec(mimeType);
  return match ? Number(match[1]) : fallback;
}
