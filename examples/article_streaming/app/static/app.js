/** The page of the streaming example: types or speaks to /ws/{id}, shows and plays what comes back. */

const RECONNECT_MS = 5000;

const messages = document.getElementById("messages");
const input = document.getElementById("message");
const sendButton = document.getElementById("sendButton");
const startAudioButton = document.getElementById("startAudioButton");
const id = Math.floor(Math.random() * 1e9);

let isAudio = false;
let socket;
let player; // AudioWorkletNode, once audio was started
let answer; // the paragraph that streams now

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
  const mine = new WebSocket(`${scheme}//${location.host}/ws/${id}?is_audio=${isAudio}`);
  socket = mine;
  mine.onopen = () => {
    show("Connection opened", "status");
    sendButton.disabled = false;
  };
  mine.onmessage = ({ data }) => receive(JSON.parse(data));
  mine.onclose = () => {
    if (socket !== mine) return;
    sendButton.disabled = true;
    show("Connection closed", "status");
    setTimeout(connect, RECONNECT_MS);
  };
}

function receive(message) {
  console.log("[AGENT TO CLIENT]", message.mime_type === "audio/pcm" ? "audio" : message);
  if ("turn_complete" in message) {
    if (message.interrupted) player?.port.postMessage({ command: "endOfAudio" });
    if (message.turn_complete) answer = undefined;
  } else if (message.mime_type === "audio/pcm") {
    const bytes = Uint8Array.from(atob(message.data), (character) => character.charCodeAt(0));
    player?.port.postMessage(bytes.buffer, [bytes.buffer]);
  } else if (message.mime_type === "text/plain") {
    answer ??= show("", "agent");
    answer.textContent += message.data;
    messages.scrollTop = messages.scrollHeight;
  }
}

function send(mime_type, data) {
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ mime_type, data }));
}

document.getElementById("messageForm").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  show(text, "user");
  send("text/plain", text);
  console.log("[CLIENT TO AGENT]", text);
  input.value = "";
});

startAudioButton.addEventListener("click", async () => {
  startAudioButton.disabled = true;
  await startAudio();
  isAudio = true;
  const before = socket;
  connect(); // the old connection answers by text alone
  before.close();
});

async function startAudio() {
  const output = new AudioContext({ sampleRate: 24000 });
  await output.audioWorklet.addModule("/static/player.js");
  player = new AudioWorkletNode(output, "pcm-player", { outputChannelCount: [1] });
  player.connect(output.destination);

  const recording = new AudioContext({ sampleRate: 16000 });
  await recording.audioWorklet.addModule("/static/recorder.js");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true } });
  const recorder = new AudioWorkletNode(recording, "pcm-recorder");
  recording.createMediaStreamSource(stream).connect(recorder);
  recorder.port.onmessage = ({ data }) => {
    if (!isAudio) return;
    send("audio/pcm", btoa(String.fromCharCode(...new Uint8Array(data))));
    console.log(`[CLIENT TO AGENT] audio/pcm: ${data.byteLength} bytes`);
  };
}

connect();
