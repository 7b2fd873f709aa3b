/**
 * The microphone on the audio thread: mono float blocks in, PCM16 frames of a fixed length at 16,000 Hz out.
 * When the browser's context runs at another rate, it resamples. The page's side of it is client/recorder.js.
 *
 * Messages out: `{type: "frame", pcm: ArrayBuffer, rms, frame}`, and `{type: "level", frame, rms}` for every quantum with
 * `probe`. Frames count samples of this context's own clock.
 */

import { INPUT_RATE, floatToInt16, rms } from "../client/pcm.js";
import { Resampler } from "../client/resampler.js";
import { FrameChunker } from "./frame_chunker.js";

class RecorderProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions?: {frameMs?: number, probe?: boolean}}} options */
  constructor(options) {
    super();
    const { frameMs = 20, probe = false } = options.processorOptions ?? {};
    this.probe = probe;
    this.chunker = new FrameChunker((INPUT_RATE * frameMs) / 1_000);
    this.resampler = sampleRate === INPUT_RATE ? null : new Resampler(sampleRate, INPUT_RATE);
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const block = inputs[0]?.[0];
    if (!block) return true; // no microphone connected, or no longer
    if (this.probe) this.port.postMessage({ type: "level", frame: currentFrame, rms: rms(block) });
    const samples = this.resampler ? this.resampler.push(block) : block;
    for (const frame of this.chunker.push(samples)) {
      const pcm = floatToInt16(frame).buffer;
      this.port.postMessage({ type: "frame", pcm, rms: rms(frame), frame: currentFrame }, [pcm]);
    }
    return true;
  }
}

registerProcessor("fullduplex-recorder", RecorderProcessor);
