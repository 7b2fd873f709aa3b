"""Drives a `LiveSession` by hand in virtual time: messages in, what it answered out."""

from __future__ import annotations

import base64
import json
from typing import Any

from fullduplex.mock_live import MockOptions, Reactor, Script, echo_reactor
from fullduplex.mock_live.handshake import Endpoint
from fullduplex.mock_live.records import Connection
from fullduplex.mock_live.script import Cursor, Item
from fullduplex.mock_live.session import LiveSession
from fullduplex.mock_live.stage import Abort, CloseFrame, World
from fullduplex.testing import tagged_audio

Json = dict[str, Any]
NATIVE = "gemini-2.5-flash-native-audio-preview-12-2025"
HALF = "gemini-live-2.5-flash"
THREE = "gemini-3.1-flash-live-preview"
SILENCE_20MS = bytes(640)


class Drive:
    """One session. `say(...)`-like helpers return the messages that they brought forth."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        backend: str = "gemini",
        reactor: Reactor = echo_reactor,
        options: MockOptions | None = None,
        world: World | None = None,
        cursor: Cursor | None = None,
        story_resumes: bool = False,
    ) -> None:
        self.world = world or World(options or MockOptions())
        self.now = 0.0
        version = "v1beta1" if backend == "vertex" else "v1beta"
        endpoint = Endpoint("vertex" if backend == "vertex" else "gemini", version, False, "key", "key", "/", {})
        self.connection = Connection(1, "/", {}, {}, endpoint.backend, version, 0.0)
        cursor = cursor or (script.cursor() if script else None)
        self.session = LiveSession(self.connection, endpoint, self.world, reactor, cursor, story_resumes=story_resumes)
        self.closed: CloseFrame | None = None
        self.aborted = False

    def send(self, message: Json | str) -> list[Any]:
        """One client frame."""
        self.session.receive(message if isinstance(message, str) else json.dumps(message), self.now)
        return self._drain()

    def setup(self, model: str = NATIVE, modality: str = "AUDIO", **fields: Any) -> list[Any]:
        """A setup with these fields; both transcriptions unless `transcribe=False`."""
        body: Json = {"model": f"models/{model}", "generationConfig": {"responseModalities": [modality]}}
        if fields.pop("transcribe", True):
            body |= {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
        return self.send({"setup": body | fields})

    def ask(self, text: str) -> list[Any]:
        """A typed turn as client content."""
        turns = [{"role": "user", "parts": [{"text": text}]}]
        return self.send({"client_content": {"turns": turns, "turnComplete": True}})

    def realtime(self, **field: Any) -> list[Any]:
        """A realtime input."""
        return self.send({"realtime_input": field})

    def audio(self, pcm: bytes, rate: int = 16_000) -> list[Any]:
        """A piece of microphone audio."""
        return self.realtime(
            audio={"data": base64.urlsafe_b64encode(pcm).decode(), "mime_type": f"audio/pcm;rate={rate}"}
        )

    def speech(self, slices: int = 10) -> list[Any]:
        """Loud audio, 20 ms a slice."""
        return self.audio(tagged_audio.encode(0, slices, 16_000))

    def silence(self, slices: int) -> list[Any]:
        """Silent audio, 20 ms a slice."""
        return self.audio(SILENCE_20MS * slices)

    def respond(self, call_id: str | None, response: Any, **fields: Any) -> list[Any]:
        """A tool response."""
        body = {"id": call_id, "response": response, **fields}
        return self.send({"tool_response": {"functionResponses": [body]}})

    def push(self, *items: Item) -> list[Any]:
        """Steps from the test."""
        self.session.push(items, self.now)
        return self._drain()

    def wait(self, seconds: float) -> list[Any]:
        """Lets time pass, stopping wherever the session wants to be woken."""
        end = self.now + seconds
        found: list[Any] = []
        while (at := self.session.wakeup) is not None and at <= end:
            self.now = max(at, self.now)
            self.session.tick(self.now)
            found += self._drain()
        self.now = end
        self.session.tick(end)
        return found + self._drain()

    def _drain(self) -> list[Any]:
        found: list[Any] = []
        for output in self.session.take_outputs():
            if isinstance(output, CloseFrame):
                self.closed = output
            elif isinstance(output, Abort):
                self.aborted = True
            else:
                found.append(_read(output.data.decode()))
        return found


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def kinds(messages: list[Any]) -> list[str]:
    """What each message is, in short: `audio`, `text`, `thought`, `in:…`, `out:…`, `turnComplete`, `toolCall`, …"""
    return [_kind(message) for message in messages]


def _kind(message: Any) -> str:
    if not isinstance(message, dict):
        return f"malformed:{message}"
    content = message.get("serverContent")
    if content is None:
        return str(next(iter(message)))
    if "modelTurn" in content:
        part = content["modelTurn"]["parts"][0]
        return "audio" if "inlineData" in part else f"{'thought' if part.get('thought') else 'text'}:{part['text']}"
    for field, short in (
        ("inputTranscription", "in"),
        ("outputTranscription", "out"),
        ("interimInputTranscription", "interim"),
    ):
        if field in content:
            return f"{short}:{content[field].get('text', '')}{'!' if content[field].get('finished') else ''}"
    return str(next(iter(content)))


def pcm_of(messages: list[Any]) -> bytes:
    """All audio of these messages."""
    found = b""
    for message in messages:
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", []):
            if "inlineData" in part:
                found += base64.b64decode(part["inlineData"]["data"], validate=True)
    return found
