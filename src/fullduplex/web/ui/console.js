/**
 * The event console: what goes over the wire, newest last, each message to be opened as JSON. Audio comes fifty times a
 * second, so what follows on each other in one direction shares one entry, hidden unless asked for.
 */

import { byId, make } from "./dom.js";
import { summarise } from "./event_summary.js";

/**
 * @typedef {import("../client/event_log.js").LogEntry} LogEntry
 * @typedef {{row: HTMLElement, entry: LogEntry, count: number, bytes: number}} AudioRun
 */

const KEPT_ENTRIES = 500;
const NEAR_END = 60;
const ARROWS = { up: "↑", down: "↓", error: "!" };
const WAYS = { up: "to the agent", down: "from the agent", error: "error" };

export class EventConsole {
  constructor() {
    this.panel = byId("eventConsole", HTMLElement);
    this.list = byId("eventList", HTMLOListElement);
    this.toggle = byId("consoleButton", HTMLButtonElement);
    const showAudio = byId("showAudioEvents", HTMLInputElement);
    /** @type {Map<string, AudioRun>} the audio entry that still grows, by direction */
    this.audioRuns = new Map();
    this.toggle.addEventListener("click", () => this.show(this.panel.hidden === true));
    byId("closeConsoleButton", HTMLButtonElement).addEventListener("click", () => this.show(false));
    byId("clearConsoleButton", HTMLButtonElement).addEventListener("click", () => this.clear());
    showAudio.addEventListener("change", () => this.list.classList.toggle("show-audio", showAudio.checked));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.show(false);
    });
  }

  /** @param {boolean} visible */
  show(visible) {
    const hadFocus = this.panel.contains(document.activeElement);
    this.panel.hidden = !visible;
    this.toggle.setAttribute("aria-expanded", String(visible));
    if (visible) this.list.scrollTop = this.list.scrollHeight;
    else if (hadFocus) this.toggle.focus();
  }

  clear() {
    this.list.replaceChildren();
    this.audioRuns.clear();
  }

  /** @param {LogEntry} entry */
  add(entry) {
    if (entry.audio && this.#growsRun(entry)) return;
    if (!entry.audio) this.audioRuns.clear();
    const atEnd = !this.panel.hidden && this.#isAtEnd();
    const row = this.#row(entry);
    this.list.append(row);
    while (this.list.childElementCount > KEPT_ENTRIES) this.list.firstElementChild?.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #isAtEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END;
  }

  /** Add to the audio entry of the same direction, when nothing but audio came since. @param {LogEntry} entry */
  #growsRun(entry) {
    const run = this.audioRuns.get(entry.direction);
    if (!run) return false;
    run.count += 1;
    run.bytes += entry.bytes;
    run.entry.message = entry.message;
    if (!this.panel.hidden && this.list.classList.contains("show-audio")) {
      const what = run.row.querySelector(".what");
      if (what) what.textContent = `Audio ×${run.count}, ${run.bytes.toLocaleString("en")} bytes`;
    }
    return true;
  }

  /** @param {LogEntry} entry @returns {HTMLElement} */
  #row(entry) {
    const { emoji, label, author } = summarise(entry);
    const row = make("li", `${entry.audio ? "is-audio " : ""}item`);
    const details = make("details", `entry ${entry.direction}`);
    const summary = make("summary");
    const way = make("span", "way", ARROWS[entry.direction]);
    way.title = WAYS[entry.direction];
    const time = make("time", "", clockTime(entry.at));
    summary.append(way, make("span", "", emoji), make("span", "what", label), make("span", "badge", author), time);
    details.append(summary);
    const shown = { ...entry };
    details.addEventListener("toggle", () => {
      details.querySelector("pre")?.remove();
      if (details.open) details.append(make("pre", "", JSON.stringify(shown.message, null, 2)));
    });
    row.append(details);
    if (entry.audio) this.audioRuns.set(entry.direction, { row, entry: shown, count: 1, bytes: entry.bytes });
    return row;
  }
}

/** @param {number} at ms on the clock of performance.now() */
function clockTime(at) {
  const date = new Date(performance.timeOrigin + at);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
