/** Turns what the microphone hears into PCM16, in pieces of 100 ms (at 16,000 Hz). */

const SAMPLES = 1600;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pcm = new Int16Array(SAMPLES);
    this.filled = 0;
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.pcm[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === SAMPLES) {
        this.port.postMessage(this.pcm.buffer, [this.pcm.buffer]);
        this.pcm = new Int16Array(SAMPLES);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("pcm-recorder", Recorder);
