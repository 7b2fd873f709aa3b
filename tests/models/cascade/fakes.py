"""Stand-ins for speech engines, and a client that talks with a connection: for tests without sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fullduplex import demo
from fullduplex.models.base import ConnectRequest, LiveConnection
from fullduplex.models.cascade.engines import Engines
from fullduplex.models.cascade.hearing import Heard
from fullduplex.models.cascade.live import Cascade
from fullduplex.types import Content, FunctionCall, FunctionResponse, LiveConnectConfig, Part, Tool
from fullduplex.types.live import LiveServerMessage
from tests.models.cascade.declarations import DEMO_DECLARATIONS

TOOLS = {function.__name__: function for function in demo.DEMO_TOOLS}
DEMO = [Tool(function_declarations=DEMO_DECLARATIONS)]


class FakeSynthesizer:
    """Speaks at once: 60 ms of sound for each letter."""

    name = "fake"

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.voices: list[str] = []

    def knows(self, voice: str) -> bool:
        """It has two."""
        return voice in ("slt", "rms")

    async def speak(self, text: str, voice: str) -> bytes:
        """A constant sound."""
        self.voices.append(voice)
        if self.failure is not None:
            raise self.failure
        return b"\x10\x20" * (len(text) * 24 * 60)

    async def aclose(self) -> None:
        """Nothing to free."""


class FakeDetector:
    """A frame is speech when it is not silent."""

    async def judge(self, frames: list[bytes]) -> list[bool]:
        """By the first sample."""
        return [frame[:2] != b"\x00\x00" for frame in frames]

    def reset(self) -> None:
        """Holds nothing."""


class FakeRecognizer:
    """Hears what the test says that it hears; an exception in the list is raised."""

    def __init__(self) -> None:
        self.texts: list[str | Exception] = []
        self.audio: list[bytes] = []
        self.gate: asyncio.Event | None = None

    async def prepare(self) -> None:
        """Nothing to load."""

    def open(self) -> FakeUtterance:
        """Begins an utterance."""
        self.audio.append(b"")
        return FakeUtterance(self, len(self.audio) - 1)


class FakeUtterance:
    """One utterance of a `FakeRecognizer`."""

    def __init__(self, recognizer: FakeRecognizer, index: int) -> None:
        self._recognizer = recognizer
        self._index = index

    def feed(self, pcm: bytes) -> None:
        """Keeps the audio."""
        self._recognizer.audio[self._index] += pcm

    async def finish(self) -> Heard:
        """The next text."""
        if self._recognizer.gate is not None:
            await self._recognizer.gate.wait()
        text = self._recognizer.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return Heard(text)

    def abort(self) -> None:
        """Nothing to free."""


class FakeEngines(Engines):
    """Engines made of the fakes above."""

    def __init__(self) -> None:
        super().__init__()
        self.voice = FakeSynthesizer()
        self.ears = FakeRecognizer()

    def synthesizer(self) -> Any:
        """The fake."""
        return self.voice

    def detector(self, start_probability: float = 0.5) -> Any:
        """The fake."""
        return FakeDetector()

    def recognizer(self, router: Any) -> Any:
        """The fake."""
        return self.ears


class Client:
    """Talks with a connection: runs the demo's tools unless told not to, and keeps all that comes down."""

    def __init__(self, connection: LiveConnection, *, run_tools: bool = True) -> None:
        self.connection = connection
        self.run_tools = run_tools
        self.messages: list[LiveServerMessage] = []
        self.times: list[float] = []
        self.failure: Exception | None = None
        self._arrived = asyncio.Condition()

    async def read(self) -> None:
        """Reads until the connection ends."""
        now = asyncio.get_running_loop().time
        try:
            async for message in self.connection.receive():
                self.times.append(now())
                self.messages.append(message)
                if message.tool_call is not None and self.run_tools:
                    await self.answer(message.tool_call.function_calls or [])
                async with self._arrived:
                    self._arrived.notify_all()
        except Exception as error:
            self.failure = error
            async with self._arrived:
                self._arrived.notify_all()

    async def answer(self, calls: list[FunctionCall]) -> None:
        """Runs the tools and sends what they return."""
        responses = [
            FunctionResponse(id=call.id, name=call.name, response=TOOLS[call.name or ""](**(call.args or {})))
            for call in calls
        ]
        await self.connection.send_tool_response(responses)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something has come down that makes `condition` true."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: condition() or self.failure is not None)
        if self.failure is not None:
            raise self.failure

    async def until_turns(self, count: int) -> None:
        """Waits for that many completed turns."""
        await self.until(lambda: self.kinds().count("turn_complete") >= count)

    async def type(self, text: str, *, turn_complete: bool = True) -> None:
        """Sends typed text."""
        content = Content(role="user", parts=[Part(text=text)])
        await self.connection.send_content(content, turn_complete=turn_complete)

    def kinds(self) -> list[str]:
        """What came down, one word for each message, repetitions of audio, text and transcripts folded."""
        folded: list[str] = []
        for kind in map(kind_of, self.messages):
            if kind not in {"audio", "text", "said"} or kind not in folded[-2:]:
                folded.append(kind)
        return folded

    def text(self) -> str:
        """All text and transcript of the agent."""
        return "".join(piece for message in self.messages if (piece := _words(message)))

    def audio(self) -> list[bytes]:
        """The pieces of audio."""
        return [bytes(part.inline_data.data or b"") for m in self.messages for part in _parts(m) if part.inline_data]


def _parts(message: LiveServerMessage) -> list[Part]:
    content = message.server_content
    return (content.model_turn.parts or []) if content and content.model_turn else []


def _words(message: LiveServerMessage) -> str:
    content = message.server_content
    if content is not None and content.output_transcription is not None:
        return content.output_transcription.text or ""
    return "".join(part.text or "" for part in _parts(message))


def kind_of(message: LiveServerMessage) -> str:
    """One word for what a message is."""
    content = message.server_content
    if content is None:
        return next(name for name in message.__struct_fields__ if getattr(message, name) is not None)
    if content.output_transcription is not None:
        return "said"
    if content.input_transcription is not None:
        return "heard"
    if content.model_turn is not None:
        return "audio" if _parts(message)[0].inline_data is not None else "text"
    return next(name for name in content.__struct_fields__ if getattr(content, name) is not None)


@asynccontextmanager
async def talk(
    engines: Engines,
    *,
    run_tools: bool = True,
    alone: bool = True,
    tools: list[Tool] | None = None,
    history: Any = (),
    **config: Any,
) -> AsyncIterator[Client]:
    """A client on a new connection, transcripts on. `alone` on its loop, it may leave nothing running behind."""
    settings = LiveConnectConfig.model_validate(
        {"input_audio_transcription": {}, "output_audio_transcription": {}, **config}
    )
    request = ConnectRequest("local", tools=DEMO if tools is None else tools, history=list(history), config=settings)
    before = asyncio.all_tasks()
    async with Cascade(engines=engines).connect(request) as connection:
        client = Client(connection, run_tools=run_tools)
        reader = asyncio.create_task(client.read())
        yield client
    await reader
    assert not alone or asyncio.all_tasks() <= before, "the connection left tasks behind"
