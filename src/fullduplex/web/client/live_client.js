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
 * `agentlevel` (number), `signal` (boolean: whether the server is heard from, while the connection is open),
 * `undelivered` (string[]: typed messages that a lost connection may have taken with it).
 */

import { Downlink } from "./downlink.js";
import { EventLog, describeSent, withoutMedia } from "./event_log.js";
import { withDetection, withDownlink } from "./identity.js";
import { Lifeline } from "./lifeline.js";
import { Microphone } from "./microphone.js";
import { Probe } from "./probe.js";
import { LiveSocket } from "./socket.js";
import { Speaker } from "./speaker.js";
import { Timekeeper } from "./timekeeper.js";
import { Uplink } from "./uplink.js";

/**
 * @typedef {import("./uplink.js").MicMode} MicMode
 *
 * @typedef {object} ClientOptions
 * @property {string} url the WebSocket's
 * @property {boolean} [rawMic] switch the browser's own voice processing off
 * @property {number} [frameMs] length of a microphone frame, in ms
 * @property {boolean} [binary] ask for media as binary frames (else as base64 within the JSON, a third more bytes)
 * @property {boolean} [probe] record the level of every render quantum (client.probe)
 * @property {boolean} [gate] find the user's speech here, and send nothing else (see speech_gate.js)
 * @property {import("./speech_gate.js").GateOptions} [voice] what counts as speech
 */

/** Talks with an agent. */
export class LiveClient extends EventTarget {
  /** @param {ClientOptions} options */
  constructor({ url, rawMic = false, frameMs = 20, binary = false, probe = false, gate = false, voice = {} }) {
    super();
    this.binary = binary;
    this.socket = new LiveSocket(url);
    this.downlink = new Downlink();
    this.log = new EventLog();
    this.probe = probe ? new Probe() : null;
    this.speaker = new Speaker(this.probe);
    this.timekeeper = new Timekeeper(this.socket);
    this.lifeline = new Lifeline(this.socket, this.timekeeper);
    this.uplink = new Uplink(this.socket, gate ? "gate" : "open", voice);
    this.microphone = new Microphone(this.uplink, { raw: rawMic, frameMs, probe }, this.probe);
    /** Typed messages that the server may not have read: it answers the question for its clock that followed each. */
    this.unread = /** @type {{text: string, at: number}[]} */ ([]);
    this.setUrl(url);
    const from = this.#listen.bind(this);
    from(this.socket, "status", (status) => this.#status(status));
    from(this.socket, "frame", (frame) => this.#receive(frame));
    from(this.socket, "sent", (sent) => this.#logged("up", describeSent(sent)));
    from(this.lifeline, "signal", (signal) => this.#emit("signal", signal));
    from(this.speaker, "playing", (playing) => this.#emit("playing", playing));
    from(this.speaker, "level", (rms) => this.#emit("agentlevel", rms));
    from(this.microphone, "level", (rms) => this.#emit("miclevel", rms));
    from(this.microphone, "on", (on) => this.#emit("mic", on));
    from(this.speaker, "report", (report) => this.socket.sendMessage(report));
    from(this.speaker, "sound", (sound) => this.#tellTimes(sound));
  }

  /** The agent's voice; null until a gesture of the user allows sound. */
  get player() {
    return this.speaker.player;
  }

  /** What the microphone records with; null while it is off. */
  get recorder() {
    return this.microphone.recorder;
  }

  /** Whether the agent is inaudible. */
  get muted() {
    return this.speaker.muted;
  }

  /** Bytes of the agent's audio that came before a gesture of the user allowed sound, and were lost. */
  get unheardBytes() {
    return this.speaker.unheardBytes;
  }

  /** @param {string} url for the next connection */
  setUrl(url) {
    const detecting = withDetection(url, this.uplink.mode === "open" ? "server" : "off");
    this.socket.url = withDownlink(detecting, this.binary);
  }

  /**
   * Choose what of the microphone goes up. The server's voice detection belongs to a connection, so a new one is made.
   *
   * @param {MicMode} mode
   */
  setMode(mode) {
    if (mode === this.uplink.mode) return;
    this.uplink.setMode(mode);
    this.setUrl(this.socket.url);
    if (!["connecting", "open", "waiting"].includes(this.socket.state)) return;
    this.speaker.silence();
    this.socket.close();
    this.connect();
  }

  /** Connect and stay connected. */
  connect() {
    this.socket.open();
  }

  /** Let go of everything: microphone, sound and connection. */
  async close() {
    await this.stopMicrophone();
    this.socket.close();
    await this.speaker.close();
  }

  /** @param {string} text @returns {boolean} false when there is no connection */
  sendText(text) {
    this.uplink.forgetSpeech();
    if (!this.socket.sendText(text)) return false;
    this.unread.push({ text, at: performance.now() });
    this.timekeeper.ask();
    return true;
  }

  /** @param {Uint8Array} bytes of an encoded picture @param {string} [mimeType] */
  sendImage(bytes, mimeType = "image/jpeg") {
    return this.socket.sendImage(bytes, mimeType);
  }

  /**
   * Answer a call that an event told of.
   *
   * @param {string} id of the call
   * @param {string} name of the call
   * @param {Record<string, unknown>} response
   * @returns {boolean} false when there is no connection
   */
  sendToolResponse(id, name, response) {
    return this.socket.sendMessage({ type: "tool_response", id, name, response });
  }

  /** Make the agent audible. Call it from a gesture of the user; again is harmless. */
  startPlayer() {
    return this.speaker.start();
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
    await this.microphone.start();
  }

  /** Switch the microphone off and tell the agent so. */
  stopMicrophone() {
    return this.microphone.stop();
  }

  /** @param {boolean} muted whether the agent is inaudible */
  setMuted(muted) {
    this.speaker.setMuted(muted);
  }

  /** Silence the agent at once, and let it know. */
  interrupt() {
    this.speaker.silence();
    this.socket.sendInterrupt();
  }

  /** In the mode `push`, with the microphone on: the user speaks from now on. */
  holdToTalk() {
    if (this.recorder && this.uplink.mode === "push") this.uplink.hold();
  }

  /** The user has spoken. */
  releaseToTalk() {
    this.uplink.release(performance.now());
  }

  /** @param {import("./socket.js").SocketStatus} status */
  #status(status) {
    if (status.state === "connecting" || status.state === "open") this.lifeline.start();
    else this.lifeline.stop();
    if (status.state === "open") {
      this.timekeeper.start();
      this.uplink.reconnected();
    } else {
      this.timekeeper.stop();
      this.downlink.forget();
      this.speaker.forget();
    }
    if (["elsewhere", "failed"].includes(status.state)) void this.stopMicrophone(); // nobody here listens now
    this.#emit("status", status);
    if (status.state === "open") return;
    const lost = this.unread.map(({ text }) => text);
    this.unread = [];
    if (lost.length > 0 && ["waiting", "failed"].includes(status.state)) this.#emit("undelivered", lost);
  }

  /**
   * What is heard comes first: audio to the player and an interruption to the player, then everybody else.
   *
   * @param {string | ArrayBuffer} frame
   */
  #receive(frame) {
    this.lifeline.hear();
    const { event, refusal, clock, audio, problem } = this.downlink.decode(frame);
    if (event?.interrupted) this.speaker.interrupted();
    this.speaker.play(audio, event?.id ?? "");
    if (event?.turnComplete) this.speaker.next();
    if (clock) this.#hearClock(clock);
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

  /** @param {import("./clock.js").Answer} answer what was sent before its question has been read */
  #hearClock(answer) {
    this.timekeeper.hear(answer);
    this.unread = this.unread.filter(({ at }) => at > answer.t0);
  }

  /** @param {{id: string, at: number}} sound the first of a response */
  #tellTimes({ id, at }) {
    const times = this.timekeeper.turnTimes(id, at, this.uplink.takeSpeechBefore(at));
    if (times) this.socket.sendMessage(times);
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

  /** @param {EventTarget} source @param {string} name @param {(detail: any) => void} handle */
  #listen(source, name, handle) {
    source.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
  }
}
