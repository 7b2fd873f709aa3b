/**
 * The microphone's part of the page: start and stop, what is going on in words, the level meter and the orb.
 */

import { byId } from "./dom.js";
import { Orb } from "./orb.js";

/**
 * @typedef {import("../client/live_client.js").LiveClient} LiveClient
 * @typedef {import("./orb.js").OrbState} OrbState
 */

/** @type {Record<OrbState, string>} */
const WORDS = { off: "Microphone off", listening: "Listening", thinking: "Thinking", speaking: "Speaking" };

/** What a refusal of the microphone means, by the name of the DOMException. @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "The browser did not allow the microphone. Allow it in the address bar and try again.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "The microphone is in use by another program.",
};

export class VoiceBar {
  /**
   * @param {LiveClient} client
   * @param {(problem: string) => void} onProblem
   */
  constructor(client, onProblem) {
    this.client = client;
    this.onProblem = onProblem;
    this.bar = byId("voice", HTMLElement);
    this.text = byId("voiceText", HTMLElement);
    this.meter = byId("micLevel", HTMLElement);
    this.startButton = byId("startAudioButton", HTMLButtonElement);
    this.stopButton = byId("stopAudioButton", HTMLButtonElement);
    this.orb = new Orb([byId("welcomeOrb", HTMLCanvasElement), byId("dockOrb", HTMLCanvasElement)]);
    this.now = { connected: false, microphone: false, playing: false, awaiting: false };
    this.startButton.addEventListener("click", () => void this.#start());
    this.stopButton.addEventListener("click", () => void this.#stop());
    listen(client, "status", ({ state }) => this.#show({ connected: state === "open" }));
    listen(client, "signal", (signal) => this.#show({ connected: signal && client.socket.isOpen }));
    listen(client, "mic", (on) => this.#microphone(on));
    listen(client, "miclevel", (rms) => this.#showLevel(rms));
    listen(client, "agentlevel", (rms) => this.orb.setLevel("agent", rms));
    listen(client, "playing", (playing) => this.#show({ playing }));
  }

  /** @param {boolean} awaiting whether the agent owes an answer */
  setAwaiting(awaiting) {
    if (awaiting !== this.now.awaiting) this.#show({ awaiting });
  }

  async #start() {
    this.startButton.disabled = true;
    this.text.textContent = "Asking for the microphone";
    try {
      await this.client.startMicrophone();
    } catch (error) {
      const { name, message } = /** @type {DOMException} */ (error);
      this.onProblem(REFUSALS[name] ?? `The microphone cannot be used: ${message}`);
      this.startButton.disabled = false;
      this.#show({});
    }
  }

  async #stop() {
    this.stopButton.disabled = true;
    await this.client.stopMicrophone();
  }

  /** @param {boolean} on */
  #microphone(on) {
    const hadFocus = document.activeElement === this.startButton || document.activeElement === this.stopButton;
    this.startButton.hidden = on;
    this.startButton.disabled = on;
    this.stopButton.hidden = !on;
    this.stopButton.disabled = !on;
    if (hadFocus) (on ? this.stopButton : this.startButton).focus();
    this.bar.dataset.mic = on ? "on" : "off";
    this.#show({ microphone: on });
  }

  /** @param {number} rms */
  #showLevel(rms) {
    const level = Math.min(1, Math.sqrt(rms) * 1.9);
    this.meter.style.setProperty("--level", level.toFixed(3));
    this.meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    this.orb.setLevel("user", rms);
  }

  /** @param {OrbState} state */
  #word(state) {
    return state === "listening" && this.client.uplink.mode === "push" ? "Ready" : WORDS[state];
  }

  /** @param {Partial<{connected: boolean, microphone: boolean, playing: boolean, awaiting: boolean}>} changed */
  #show(changed) {
    Object.assign(this.now, changed);
    const { connected, microphone, playing, awaiting } = this.now;
    const heard = microphone && connected;
    const state = playing ? "speaking" : awaiting ? "thinking" : heard ? "listening" : "off";
    this.bar.dataset.state = state;
    this.text.textContent = microphone && state === "off" ? "Not connected" : this.#word(state);
    this.orb.setState(state);
    if (!playing) this.orb.setLevel("agent", 0);
  }
}

/** @param {EventTarget} source @param {string} name @param {(detail: any) => void} handle */
export function listen(source, name, handle) {
  source.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
}
