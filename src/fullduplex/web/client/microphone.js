/**
 * The microphone while it is on: a recorder, whose frames go to the uplink.
 *
 * Events: `level` (detail: number, RMS of each frame), `on` (detail: boolean).
 */

import { Recorder } from "./recorder.js";

/**
 * @typedef {import("./recorder.js").RecorderOptions} RecorderOptions
 * @typedef {import("./uplink.js").Uplink} Uplink
 */

export class Microphone extends EventTarget {
  /**
   * @param {Uplink} uplink
   * @param {RecorderOptions} options
   * @param {import("./probe.js").Probe | null} probe
   */
  constructor(uplink, options, probe) {
    super();
    this.uplink = uplink;
    this.options = options;
    this.probe = probe;
    /** @type {Recorder | null} null while it is off */
    this.recorder = null;
  }

  /** @throws {DOMException} when the user or the system refuses */
  async start() {
    const recorder = await Recorder.start(this.options);
    this.recorder = recorder;
    this.probe?.watchMicrophone(recorder);
    this.uplink.begin(recorder.context.sampleRate);
    recorder.addEventListener("frame", (event) => {
      const frame = /** @type {CustomEvent} */ (event).detail;
      this.#emit("level", frame.rms);
      this.uplink.hear(frame, performance.now());
    });
    recorder.addEventListener("ended", () => void this.stop());
    this.#emit("on", true);
  }

  async stop() {
    const recorder = this.recorder;
    if (!recorder) return;
    this.recorder = null;
    await recorder.stop();
    this.uplink.end();
    this.#emit("level", 0);
    this.#emit("on", false);
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
