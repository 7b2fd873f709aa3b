/**
 * The user's microphone: asks for it, runs the recorder worklet, hands out PCM16 frames at 16,000 Hz mono.
 *
 * Events: `frame` (detail: {pcm: ArrayBuffer, rms}), `level` (only with `probe`; detail: {frame, rms}), `ended` (the
 * device went away).
 */

import { INPUT_RATE } from "./pcm.js";

/**
 * @typedef {object} RecorderOptions
 * @property {boolean} [raw] switch the browser's echo cancelling, noise suppression and gain control off
 * @property {number} [frameMs] length of a frame, in ms
 * @property {boolean} [probe] report the level of every render quantum
 */

const WORKLET = new URL("../worklets/recorder.js", import.meta.url);

/**
 * The context of the microphone before, asleep: for the next one nothing is loaded from a server that may be away.
 *
 * @type {AudioContext | null}
 */
let spare = null;

/** A running microphone. Make one with `Recorder.start()`; a stopped one is not started again. */
export class Recorder extends EventTarget {
  /**
   * @param {RecorderOptions} [options]
   * @returns {Promise<Recorder>}
   * @throws {DOMException} when the user or the system refuses
   */
  static async start({ raw = false, frameMs = 20, probe = false } = {}) {
    if (!navigator.mediaDevices) {
      throw new DOMException("Browsers give the microphone to pages on https or localhost only.", "SecurityError");
    }
    // The worklet is made ready while the user is asked, so that the first word is not lost to its loading.
    const preparing = spare ? Promise.resolve(spare) : prepareContext(INPUT_RATE);
    spare = null;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: !raw, noiseSuppression: !raw, autoGainControl: !raw },
      });
    } catch (error) {
      void preparing.then(putAway);
      throw error;
    }
    try {
      const { context, source } = await connect(await preparing, stream);
      return new Recorder(stream, context, source, { frameMs, probe });
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      throw error;
    }
  }

  /**
   * Use `Recorder.start()`.
   *
   * @param {MediaStream} stream
   * @param {AudioContext} context with the worklet module loaded
   * @param {MediaStreamAudioSourceNode} source
   * @param {{frameMs: number, probe: boolean}} processorOptions
   */
  constructor(stream, context, source, processorOptions) {
    super();
    this.stream = stream;
    this.context = context;
    this.source = source;
    this.node = new AudioWorkletNode(context, "fullduplex-recorder", {
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions,
    });
    this.node.port.onmessage = (message) => this.#emit(message.data.type, message.data);
    source.connect(this.node);
    for (const track of stream.getAudioTracks()) track.onended = () => this.#emit("ended", null);
  }

  /** What the browser really gave us, for the curious. */
  get settings() {
    return this.stream.getAudioTracks()[0]?.getSettings() ?? {};
  }

  /** Let the microphone go. */
  async stop() {
    for (const track of this.stream.getTracks()) track.stop();
    this.source.disconnect();
    this.node.disconnect();
    this.node.port.close();
    await putAway(this.context);
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * @param {number} [sampleRate] the device's own when missing
 * @returns {Promise<AudioContext>} with the recorder worklet loaded
 */
async function prepareContext(sampleRate) {
  const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
  await context.audioWorklet.addModule(WORKLET);
  return context;
}

/** Nobody needs the context now. @param {AudioContext} context */
async function putAway(context) {
  if (context.state === "closed") return;
  await context.suspend();
  if (spare || context.sampleRate !== INPUT_RATE) await context.close();
  else spare = context;
}

/**
 * Put the microphone into the context. Some browsers refuse to join a microphone to a context of another rate; there the
 * context takes the device's rate, and the worklet resamples.
 *
 * @param {AudioContext} context
 * @param {MediaStream} stream
 */
async function connect(context, stream) {
  let source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch {
    await context.close();
    context = await prepareContext();
    source = context.createMediaStreamSource(stream);
  }
  if (context.state === "suspended") void context.resume();
  return { context, source };
}
