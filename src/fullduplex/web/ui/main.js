/**
 * The page: puts the client, the conversation and the parts of the page together, and does nothing else itself.
 *
 * `window.fullduplex` is a handle for tests and the curious: `client`, `conversation`, and live views of `player`,
 * `recorder`, `probe` and `events` (LogEntry list with arrival times on the clock of performance.now()).
 * Address parameters: `raw_mic=1` no voice processing by the browser, `frame_ms=40` length of microphone frames,
 * `probe=1` record output and microphone levels, `speech_level=0.05`, `silence_ms=2000` what counts as speech and as its
 * end, `user=…`, `session=…` ids of one's own.
 */

import { Conversation, TAKEN_OVER } from "../client/conversation.js";
import { isRoutine } from "../client/event_log.js";
import { forgetSession, sessionId, socketUrl, userId } from "../client/identity.js";
import { describeRefusal } from "../client/items.js";
import { keepRequests, keptRequests } from "../client/kept_requests.js";
import { LiveClient } from "../client/live_client.js";
import { CONFIRMATION } from "../client/requests.js";
import { fetchInfo, showAbout } from "./about.js";
import { CameraDialog } from "./camera.js";
import { EventConsole } from "./console.js";
import { consoleLines } from "./console_lines.js";
import { byId } from "./dom.js";
import { MessageList } from "./message_list.js";
import { StopButton } from "./stop_button.js";
import { TalkMode } from "./talk_mode.js";
import { VoiceBar, listen } from "./voice_bar.js";

const query = new URLSearchParams(location.search);
const client = new LiveClient({
  url: pageSocketUrl(),
  rawMic: query.get("raw_mic") === "1",
  frameMs: Number(query.get("frame_ms")) || 20,
  binary: query.get("downlink") === "binary",
  probe: query.get("probe") === "1",
  voice: {
    threshold: Number(query.get("speech_level")) || undefined,
    silenceMs: Number(query.get("silence_ms")) || undefined,
  },
});
let conversation = new Conversation();
/** @type {string | undefined} where the server has its sessions */
let place;

const app = byId("app", HTMLElement);
const status = byId("connectionStatus", HTMLElement);
const form = byId("messageForm", HTMLFormElement);
const input = byId("message", HTMLTextAreaElement);
const sendButton = byId("sendButton", HTMLButtonElement);
const muteButton = byId("muteButton", HTMLButtonElement);
const scroller = byId("scroller", HTMLElement);
const messages = new MessageList(byId("messages", HTMLElement), scroller, () => client.connect(), decide);
const eventConsole = new EventConsole();
const voiceBar = new VoiceBar(client, (problem) => draw(conversation.addNote(problem, "error")));
new StopButton(client);
new TalkMode(client, () => draw(conversation.connectionLost())); // what was under way on the old connection ends
const camera = new CameraDialog((picture) => void sendPicture(picture));

function pageSession() {
  return query.get("session") ?? sessionId();
}

function pageSocketUrl() {
  return socketUrl(location, query.get("user") ?? userId(), pageSession());
}

/** @param {import("../client/items.js").Change[]} changes */
function draw(changes) {
  if (conversation.items.some((item) => item.kind !== "note")) app.classList.add("has-talk");
  messages.draw(changes, conversation.awaitingAgent);
  voiceBar.setAwaiting(conversation.awaitingAgent);
  if (changes.some(({ item }) => item.kind === "request")) keepRequests(pageSession(), conversation.requests.unsettled);
}

/** @param {string} text */
function sendText(text) {
  void client.startPlayer(); // a gesture brought us here: the answer may be spoken
  if (client.sendText(text)) draw(conversation.addTyped(text));
}

/** @param {number} key of a request @param {import("./request_card.js").Decision} decision */
function decide(key, decision) {
  const request = conversation.items.find((item) => item.key === key);
  if (request?.kind !== "request" || request.state !== "open") return;
  if (client.sendToolResponse(request.callId, CONFIRMATION, decision)) {
    draw(conversation.decide(request, decision.confirmed));
  } else {
    draw(conversation.addNote("There is no connection: your answer was not sent.", "error"));
  }
}

/** @param {Blob} picture */
async function sendPicture(picture) {
  const bytes = new Uint8Array(await picture.arrayBuffer());
  if (client.sendImage(bytes, picture.type)) draw(conversation.addImage(URL.createObjectURL(picture)));
  else draw(conversation.addNote("There is no connection: the picture was not sent.", "error"));
}

/** @param {import("../client/socket.js").SocketStatus} now */
function showStatus(now) {
  const words = {
    connecting: "Connecting",
    open: "Connected",
    waiting: "Reconnecting",
    elsewhere: "In another tab",
    failed: "Stopped",
    closed: "Disconnected",
  };
  const isOpen = now.state === "open";
  status.dataset.state = now.state;
  status.textContent = words[now.state];
  allowSending(isOpen);
  if (now.state === "connecting") draw(conversation.dropActions());
  if (isOpen) {
    draw(conversation.addNote("Connection opened"));
    void lookForMemory();
  }
  if (now.state === "elsewhere") {
    draw(conversation.connectionLost());
    draw(conversation.addNote("This conversation goes on in another tab.", "info", "Continue here"));
  }
  if (now.state === "failed") {
    draw(conversation.connectionLost());
    draw(conversation.addNote("The conversation ended with an error.", "info", "Try again"));
  }
  if (now.state === "waiting") {
    draw(conversation.connectionLost());
    const reason = now.reason ? `: ${now.reason}` : "";
    draw(conversation.addNote(`Connection closed${reason}`));
  }
}

/** Says so when the server has started anew, and had its sessions in its memory only. */
async function lookForMemory() {
  const before = place;
  place = (await fetchInfo())?.sessions ?? before;
  if (before !== undefined && place !== before && conversation.items.some((item) => item.kind !== "note")) {
    draw(conversation.addNote("The server was started anew: the agent does not remember what is above."));
  }
}

/** @param {boolean} allowed whether what is typed now would arrive */
function allowSending(allowed) {
  sendButton.disabled = !allowed;
  for (const example of document.querySelectorAll(".example")) example.toggleAttribute("disabled", !allowed);
}

/** @param {boolean} signal whether the server is heard from */
function showSignal(signal) {
  if (!client.socket.isOpen) return;
  allowSending(signal);
  status.dataset.state = signal ? "open" : "faint";
  status.textContent = signal ? "Connected" : "No signal";
}

/** @param {string[]} lost what was typed and may not have arrived */
function giveBack(lost) {
  const said = "Your last message may not have arrived.";
  const text = lost.join("\n");
  if (input.value.trim() === "") {
    input.value = text;
    fitInput();
    draw(conversation.addNote(`${said} It is in the field again: press Enter to send it once more.`));
  } else {
    draw(conversation.addNote(`${said} It was: ${text}`));
  }
}

function newConversation() {
  forgetSession();
  client.speaker.silence();
  client.socket.close();
  client.setUrl(pageSocketUrl());
  conversation = new Conversation();
  messages.clear();
  eventConsole.clear();
  app.classList.remove("has-talk");
  client.connect();
  input.focus();
}

function fitInput() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

function wireClient() {
  const writeLine = consoleLines();
  listen(client, "status", showStatus);
  listen(client, "signal", showSignal);
  listen(client, "undelivered", giveBack);
  listen(client, "event", (event) => draw(conversation.apply(event, performance.now())));
  listen(client, "refusal", (refusal) => {
    if (refusal.code !== TAKEN_OVER) draw(conversation.addNote(describeRefusal(refusal), "error"));
  });
  listen(client, "problem", (problem) => draw(conversation.addNote(problem, "error")));
  listen(client, "log", (entry) => {
    if (isRoutine(entry)) return;
    writeLine(entry);
    eventConsole.add(entry);
  });
}

function wirePage() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === "" || sendButton.disabled) return;
    sendText(text);
    input.value = "";
    fitInput();
  });
  input.addEventListener("input", fitInput);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  muteButton.addEventListener("click", () => {
    client.setMuted(!client.muted);
    muteButton.setAttribute("aria-pressed", String(client.muted));
  });
  byId("newSessionButton", HTMLButtonElement).addEventListener("click", newConversation);
  byId("cameraButton", HTMLButtonElement).addEventListener("click", () => void camera.open());
  // Browsers let a page be heard only after a gesture: take the first one, so that an agent may speak first.
  for (const gesture of ["pointerdown", "keydown"]) {
    document.addEventListener(gesture, () => void client.startPlayer(), { once: true });
  }
}

Object.defineProperty(window, "fullduplex", {
  value: {
    client,
    get conversation() {
      return conversation;
    },
    get player() {
      return client.player;
    },
    get recorder() {
      return client.recorder;
    },
    get probe() {
      return client.probe;
    },
    get events() {
      return client.log.entries;
    },
  },
});

wireClient();
wirePage();
draw(conversation.restore(keptRequests(pageSession())));
client.connect();
void showAbout((text) => {
  if (client.socket.isOpen) sendText(text);
}).then(() => {
  for (const example of document.querySelectorAll(".example")) {
    example.toggleAttribute("disabled", !client.socket.isOpen);
  }
});
