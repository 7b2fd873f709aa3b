/**
 * The button, and the Escape key, that make the agent stop speaking.
 */

import { byId } from "./dom.js";
import { listen } from "./voice_bar.js";

/** @typedef {import("../client/live_client.js").LiveClient} LiveClient */

export class StopButton {
  /** @param {LiveClient} client */
  constructor(client) {
    this.client = client;
    this.button = byId("stopAgentButton", HTMLButtonElement);
    this.button.addEventListener("click", () => this.#stop());
    listen(client, "playing", (playing) => this.#show(playing));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.button.hidden || event.isComposing || isForOther(event)) return;
      this.#stop();
    });
  }

  #stop() {
    this.client.interrupt();
    this.#show(false);
  }

  /** @param {boolean} playing */
  #show(playing) {
    const hadFocus = document.activeElement === this.button;
    this.button.hidden = !playing;
    if (hadFocus && !playing) byId("message", HTMLTextAreaElement).focus();
  }
}

/** Whether the key closes something else that is open. @param {KeyboardEvent} event */
function isForOther({ target }) {
  if (document.querySelector("dialog[open]")) return true;
  return target instanceof Element && target.closest(".console") !== null;
}
