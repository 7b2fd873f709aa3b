/**
 * A small page for the demo: types, shows text and transcripts as they stream, lists the events. For voice see the page
 * of `fullduplex web`, which speaks the same protocol.
 */

const RECONNECT_MS = 5000;

const messages = document.getElementById("messages");
const events = document.getElementById("console");
const input = document.getElementById("message");
const status = document.getElementById("connectionStatus");
const session = `session-${Math.random().toString(36).slice(2)}`;

let socket;
let streaming; // the paragraph that grows now

function show(text, className) {
  const line = document.createElement("p");
  line.textContent = text;
  line.className = className;
  messages.append(line);
  messages.scrollTop = messages.scrollHeight;
  return line;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/demo-user/${session}`);
  socket.onopen = () => setConnected(true);
  socket.onclose = () => {
    setConnected(false);
    setTimeout(connect, RECONNECT_MS);
  };
  socket.onmessage = ({ data }) => receive(JSON.parse(data));
}

function setConnected(connected) {
  status.textContent = connected ? "Connected" : "Disconnected";
  document.getElementById("sendButton").disabled = !connected;
}

function receive(event) {
  const part = event.content?.parts?.[0];
  if (!part?.inlineData) events.textContent += `${JSON.stringify(event)}\n`;
  const text = part?.text ?? event.outputTranscription?.text;
  if (text && event.partial) {
    streaming ??= show("", "agent");
    streaming.textContent += text;
  }
  if (event.turnComplete || event.interrupted) streaming = undefined;
}

document.getElementById("messageForm").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  show(text, "user");
  socket.send(JSON.stringify({ type: "text", text }));
  input.value = "";
});

connect();
