/**
 * The lines that the article's page writes to the browser's console. Audio goes up fifty times a second: it gets one line
 * a second.
 */

const AUDIO_LINE_MS = 1_000;

/** @returns {(entry: import("../client/event_log.js").LogEntry) => void} */
export function consoleLines() {
  let bytes = 0;
  let lastLine = -Infinity;
  return (entry) => {
    if (entry.direction !== "up") {
      console.log("[AGENT TO CLIENT]", JSON.stringify(entry.message));
    } else if (!entry.audio) {
      console.log("[CLIENT TO AGENT]", JSON.stringify(entry.message));
    } else {
      bytes += entry.bytes;
      if (entry.at - lastLine < AUDIO_LINE_MS) return;
      console.log(`[CLIENT TO AGENT] audio/pcm: ${bytes} bytes`);
      bytes = 0;
      lastLine = entry.at;
    }
  };
}
