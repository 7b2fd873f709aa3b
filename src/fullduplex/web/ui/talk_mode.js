/**
 * How the user takes the floor: an open microphone, a button or the space bar that is held, or detection in the browser.
 */

import { byId } from "./dom.js";
import { listen } from "./voice_bar.js";

/**
 * @typedef {import("../client/live_client.js").LiveClient} LiveClient
 * @typedef {import("../client/uplink.js").MicMode} MicMode
 */

/** What has a use of its own for the space bar. Not the list of modes: it has just been used, and still has the focus. */
const USES_SPACE = "button, input, textarea, summary, a, [contenteditable]";

export class TalkMode {
  /**
   * @param {LiveClient} client
   * @param {() => void} onChange a new connection is about to be made
   */
  constructor(client, onChange) {
    this.client = client;
    this.select = byId("micMode", HTMLSelectElement);
    this.button = byId("talkButton", HTMLButtonElement);
    this.held = false;
    this.select.value = client.uplink.mode; // a browser that reloads a page restores what was chosen
    this.select.addEventListener("change", () => {
      const mode = /** @type {MicMode} */ (this.select.value);
      onChange();
      client.setMode(mode);
      this.#show();
    });
    listen(client, "mic", () => {
      this.#show();
      // The space bar is for talking now, not for the button that has just been pressed.
      if (!this.button.hidden && document.activeElement?.id === "stopAudioButton") this.button.focus();
    });
    this.#wireButton();
    this.#wireKeys();
  }

  #wireButton() {
    this.button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.button.setPointerCapture(event.pointerId);
      this.#hold();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.button.addEventListener(end, () => this.#release());
    }
    this.button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch is no wish for a menu
  }

  #wireKeys() {
    document.addEventListener("keydown", (event) => {
      if (event.key !== " " || !this.#isOurs(event)) return;
      event.preventDefault(); // not to scroll the page
      if (!event.repeat) this.#hold();
    });
    document.addEventListener("keyup", (event) => {
      if (event.key !== " " || !this.held) return;
      event.preventDefault();
      this.#release();
    });
    window.addEventListener("blur", () => this.#release()); // the release would go to another window
  }

  /** @param {KeyboardEvent} event */
  #isOurs({ target }) {
    if (this.button.hidden || document.querySelector("dialog[open]")) return false;
    return target === this.button || !(target instanceof Element && target.closest(USES_SPACE));
  }

  #hold() {
    this.client.holdToTalk();
    this.#press(true);
  }

  #release() {
    if (!this.held) return;
    this.client.releaseToTalk();
    this.#press(false);
  }

  /** @param {boolean} held */
  #press(held) {
    this.held = held;
    this.button.setAttribute("aria-pressed", String(held));
    byId("talkLabel", HTMLElement).textContent = held ? "Let go when you have spoken" : "Hold to talk";
  }

  #show() {
    this.button.hidden = !this.client.recorder || this.client.uplink.mode !== "push";
    if (this.button.hidden) this.#release();
  }
}
