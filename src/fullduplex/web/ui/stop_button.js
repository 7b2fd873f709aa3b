/**
 * The button, and the Escape key, that make the agent stop speaking. They outlast a moment of silence: where audio comes
 * late the player runs dry between two words, and who presses the key then means the rest of the answer.
 */

import { byId } from "./dom.js";
import { listen } from "./voice_bar.js";

/** @typedef {import("../client/live_client.js").LiveClient} LiveClient */

const LINGER_MS = 500;

export class StopButton {
  /** @param {LiveClient} client */
  constructor(client) {
    this.client = client;
    this.button = byId("stopAgentButton", HTMLButtonElement);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.button.addEventListener("click", () => this.#stop());
    listen(client, "playing", (playing) => this.#follow(playing));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.button.hidden || event.isComposing || isForOther(event)) return;
      this.#stop();
    });
  }

  /** @param {boolean} playing */
  #follow(playing) {
    clearTimeout(this.timer);
    if (playing) this.#show(true);
    else this.timer = setTimeout(() => this.#show(false), LINGER_MS);
  }

  #stop() {
    this.client.interrupt();
    this.#show(false);
  }

  /** @param {boolean} shown */
  #show(shown) {
    const hadFocus = document.activeElement === this.button;
    this.button.hidden = !shown;
    if (hadFocus && !shown) byId("message", HTMLTextAreaElement).focus();
  }
}

/** Whether the key closes something else that is open. @param {KeyboardEvent} event */
function isForOther({ target }) {
  if (document.querySelector("dialog[open]")) return true;
  return target instanceof Element && target.closest(".console") !== null;
}
