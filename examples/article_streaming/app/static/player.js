/** Plays PCM16 that arrives faster than it sounds: a ring of 180 s at 24,000 Hz. `endOfAudio` silences it at once. */

const CAPACITY = 24000 * 180;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Float32Array(CAPACITY);
    this.read = 0;
    this.waiting = 0;
    this.port.onmessage = ({ data }) => {
      if (data.command === "endOfAudio") this.waiting = 0;
      else this.push(new Int16Array(data));
    };
  }

  push(samples) {
    for (const sample of samples) {
      this.ring[(this.read + this.waiting) % CAPACITY] = sample / 32768;
      if (this.waiting < CAPACITY) this.waiting++;
      else this.read = (this.read + 1) % CAPACITY; // full: the oldest goes
    }
  }

  process(_, [[channel]]) {
    for (let index = 0; index < channel.length && this.waiting > 0; index++) {
      channel[index] = this.ring[this.read];
      this.read = (this.read + 1) % CAPACITY;
      this.waiting--;
    }
    return true;
  }
}

registerProcessor("pcm-player", Player);
