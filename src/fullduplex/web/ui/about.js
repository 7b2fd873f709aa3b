/**
 * What answers: asks the server which engine runs, says so plainly, and offers things to try.
 */

import { byId, make } from "./dom.js";

/** @typedef {import("../client/types.js").ServerInfo} ServerInfo */

/** @returns {Promise<ServerInfo | null>} null when the server does not say */
export async function fetchInfo() {
  try {
    const answer = await fetch("/api/info");
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {ServerInfo} info */
function showEngine(info) {
  const box = byId("engine", HTMLElement);
  const line = byId("engineLine", HTMLElement);
  if (info.offline) {
    box.append(make("strong", "", "Offline demo"), make("span", "", `Engine: ${info.engine}.`));
    const tools = (info.tools ?? []).map(readable).join(", ");
    if (tools) box.append(make("span", "", `All it can do is use its tools: ${tools}.`));
    line.textContent = `Offline demo · ${info.engine}`;
  } else {
    box.append("You talk with ", make("strong", "", info.agent), ` on ${info.engine}.`);
    line.textContent = info.engine;
  }
  line.title = `${info.agent} · model ${info.model} · Fullduplex ${info.version}`;
  box.hidden = false;
}

/** @param {string} tool */
function readable(tool) {
  return tool.replaceAll("_", " ");
}

/**
 * @param {(text: string) => void} onExample called with the words of an example that was chosen
 * @returns {Promise<ServerInfo | null>}
 */
export async function showAbout(onExample) {
  const info = await fetchInfo();
  if (!info) return null;
  showEngine(info);
  const examples = byId("examples", HTMLElement);
  for (const text of info.examples ?? []) {
    const button = make("button", "example", text);
    button.type = "button";
    button.addEventListener("click", () => onExample(text));
    examples.append(button);
  }
  examples.hidden = examples.childElementCount === 0;
  return info;
}
