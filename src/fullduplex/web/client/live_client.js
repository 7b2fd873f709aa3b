/**
 * The JavaScript client: one socket, one player, one microphone, and the order in which things happen between them.
 * A page needs no more than this class; the page here adds only what is to be seen.
 *
 *     const client = new LiveClient({ url: "ws://localhost:8000/ws/me/s1" });
 *     client.addEventListener("event", ({ detail }) => console.log(detail));
 *     client.connect();
 *     client.sendText("what time is it in Tokyo");
 *
 * Events (all `CustomEvent`, see `detail`): `status` (SocketStatus), `event` (LiveEvent), `refusal` (ErrorAnswer),
 * `problem` (string), `log` (LogEntry), `miclevel` (number), `mic` (boolean: on or off), `playing` (boolean),
 * `agentlevel` (number).
 */

import { Downlink } from "./downlink.js";
import { EventLog, describeSent, withoutMedia } from "./event_log.js";
import { Player } from "./player.js";
import { Probe } from "./probe.js";
import { Recorder } from "./recorder.js";
import { LiveSocket } from "./socket.js";

/**
 * @typedef {object} ClientOptions
 * @property {string} url the WebSocket's
 * @property {boolean} [rawMic] switch the browser's own voice processing off
 * @property {number} [frameMs] length of a microphone frame, in ms
 * @property {boolean} [probe] record the level of every render quantum (client.probe)
 */

/** Talks with an agent. */
export class LiveClient extends EventTarget {
  /** @param {ClientOptions} options */
  constructor({ url, rawMic = false, frameMs = 20, probe = false }) {
    super();
    this.recorderOptions = { raw: rawMic, frameMs, probe };
    this.socket = new LiveSocket(url);
    this.downlink = new Downlink();
    this.log = new EventLog();
    this.probe = probe ? new Probe() : null;
    /** @type {Player | null} null until a gesture of the user allows sound */
    this.player = null;
    /** @type {Promise<Player> | null} */
    this.playerStarting = null;
    /** @type {Recorder | null} null while the microphone is off */
    this.recorder = null;
    this.muted = false;
    /** Number of the response whose audio comes now: counts up at each end of turn and interruption. */
    this.response = 1;
    /** Bytes of the agent's audio that came before a gesture of the user allowed sound, and were lost. */
    this.unheardBytes = 0;
    this.socket.addEventListener("status", (event) => this.#status(detailOf(event)));
    this.socket.addEventListener("frame", (event) => this.#receive(detailOf(event)));
    this.socket.addEventListener("sent", (event) => this.#logged("up", describeSent(detailOf(event))));
  }

  /** Connect and stay connected. */
  connect() {
    this.socket.open();
  }

  /** Let go of everything: microphone, sound and connection. */
  async close() {
    await this.stopMicrophone();
    this.socket.close();
    await this.player?.close();
    this.player = null;
    this.playerStarting = null;
  }

  /** @param {string} text @returns {boolean} false when there is no connection */
  sendText(text) {
    return this.socket.sendText(text);
  }

  /** @param {Uint8Array} bytes of an encoded picture @param {string} [mimeType] */
  sendImage(bytes, mimeType = "image/jpeg") {
    return this.socket.sendImage(bytes, mimeType);
  }

  /**
   * Make the agent audible. Call it from a gesture of the user; again is harmless.
   *
   * @returns {Promise<Player>}
   */
  startPlayer() {
    this.playerStarting ??= this.#makePlayer();
    return this.playerStarting;
  }

  /**
   * Ask for the microphone and send what it hears.
   *
   * @throws {DOMException} when the user or the system refuses
   */
  async startMicrophone() {
    if (this.recorder) return;
    if (["elsewhere", "failed"].includes(this.socket.state)) this.connect(); // who speaks here wants to go on here
    await this.startPlayer(); // first, while the gesture still counts
    const recorder = await Recorder.start(this.recorderOptions);
    this.recorder = recorder;
    this.probe?.watchMicrophone(recorder);
    recorder.addEventListener("frame", (event) => {
      const { pcm, rms } = detailOf(event);
      this.#emit("miclevel", rms);
      this.socket.sendAudio(pcm);
    });
    recorder.addEventListener("ended", () => void this.stopMicrophone());
    this.#emit("mic", true);
  }

  /** Switch the microphone off and tell the agent so. */
  async stopMicrophone() {
    const recorder = this.recorder;
    if (!recorder) return;
    this.recorder = null;
    await recorder.stop();
    this.socket.sendAudioStreamEnd();
    this.#emit("miclevel", 0);
    this.#emit("mic", false);
  }

  /** @param {boolean} muted whether the agent is inaudible */
  setMuted(muted) {
    this.muted = muted;
    this.player?.setMuted(muted);
  }

  /** @param {import("./socket.js").SocketStatus} status */
  #status(status) {
    if (["elsewhere", "failed"].includes(status.state)) void this.stopMicrophone(); // nobody here listens now
    this.#emit("status", status);
  }

  async #makePlayer() {
    const player = await Player.create({ probe: this.probe !== null });
    player.setMuted(this.muted);
    player.addEventListener("playing", (event) => this.#emit("playing", detailOf(event).playing));
    player.addEventListener("level", (event) => this.#emit("agentlevel", detailOf(event).rms));
    this.probe?.watchPlayer(player);
    this.player = player;
    return player;
  }

  /**
   * What is heard comes first: audio to the player and an interruption to the player, then everybody else.
   *
   * @param {string | ArrayBuffer} frame
   */
  #receive(frame) {
    const { event, refusal, audio, problem } = this.downlink.decode(frame);
    if (event?.interrupted) {
      this.player?.clear();
      this.response += 1;
    }
    for (const { pcm, rate } of audio) {
      if (this.player) this.player.push(pcm, this.response, rate);
      else this.unheardBytes += pcm.byteLength;
    }
    if (event?.turnComplete) this.response += 1;
    if (event?.errorCode && event.recoverable === false) this.socket.hopeless = true;
    if (event) {
      this.#logged(event.errorCode ? "error" : "down", withoutMedia(event));
      this.#emit("event", event);
    }
    if (refusal) {
      this.#logged("error", { message: refusal, audio: false, bytes: 0 });
      this.#emit("refusal", refusal);
    }
    if (problem) {
      this.#logged("error", { message: { problem }, audio: false, bytes: 0 });
      this.#emit("problem", problem);
    }
  }

  /**
   * @param {"up" | "down" | "error"} direction
   * @param {{message: any, audio: boolean, bytes: number}} what
   */
  #logged(direction, what) {
    this.#emit("log", this.log.add(direction, what, performance.now()));
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
