"""For tests of a live run over a real socket: a Mock Live, a run against it, and what both have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fullduplex import Event, RunConfig, types
from fullduplex.mock_live import (
    MockLive,
    Script,
)
from fullduplex.mock_live.records import Connection
from fullduplex.models import Gemini
from fullduplex.testing import tagged_audio
from tests.live.kit import Call, user

MODEL = "gemini-live-2.5-flash"
THIRD = "gemini-3.1-flash-live-preview"
NATIVE = "gemini-2.5-flash-native-audio-preview-12-2025"
TEXT = RunConfig(response_modalities=["TEXT"])
RESUMING = RunConfig(response_modalities=["TEXT"], session_resumption={})
SPEAKING = RunConfig(session_resumption={})


@asynccontextmanager
async def talk(
    script: Any = None, *, model: str = MODEL, mock: dict[str, Any] | None = None, **call: Any
) -> AsyncIterator[tuple[MockLive, Call]]:
    """A run against a Mock Live that plays `script`; at its end the errors of both are raised."""
    async with MockLive(Script(script or []), **mock or {}) as server, asyncio.timeout(30):
        run = await Call.start(model=Gemini(model, api_key="k", base_url=server.url), **{"run_config": TEXT, **call})
        try:
            yield server, run
            if not run.reader.done():
                await run.end()
        finally:
            run.queue.close()
            await asyncio.wait([run.reader])


def turns_over(call: Call, count: int) -> Callable[[Event], bool]:
    """Whether so many turns are complete."""
    return lambda _: sum(bool(event.turn_complete) for event in call.events) >= count


async def ask(call: Call, words: str) -> str:
    """Types `words` and returns the agent's answer."""
    done, seen = sum(bool(event.turn_complete) for event in call.events), len(call.events)
    call.queue.send_content(user(words))
    await call.until(turns_over(call, done + 1))
    return " ".join(texts(call.events[seen:]))


def texts(events: list[Event]) -> list[str]:
    """What the agent has written, and what it has said, by its finished transcripts."""
    found: list[str | None] = []
    for event in events:
        if event.partial or event.author == "user":
            continue
        found.append(event.content.text if event.content is not None else None)
        found.append(event.output_transcription.text if event.output_transcription is not None else None)
    return [one for one in found if one]


def talk_of(connection: Connection) -> list[tuple[str, str]]:
    """What the model on this connection remembers, in words."""
    turns = ((turn.get("role", ""), turn.get("parts") or []) for turn in connection.contents)
    return [(role, "".join(part.get("text", "") for part in parts)) for role, parts in turns]


def memory(server: MockLive) -> list[tuple[str, str]]:
    """What the model remembers on its newest connection."""
    return talk_of(server.connections[-1])


async def connected(server: MockLive, number: int) -> Connection:
    """The connection with this number, as soon as it is set up."""
    await server.wait_for(lambda mock: len(mock.connections) >= number and mock.connections[number - 1].ready)
    return server.connections[number - 1]


def speech(first: int, count: int) -> list[types.Blob]:
    """Tagged speech in chunks of 40 ms (two slices): slices `first` to `first + 2 * count - 1`."""
    chunks = (tagged_audio.encode(first + 2 * number, 2, 16_000) for number in range(count))
    return [types.Blob(data=chunk, mime_type="audio/pcm;rate=16000") for chunk in chunks]


def slices(connection: Connection) -> list[int]:
    """The numbers of the tagged slices that a connection was sent."""
    return [number for number in tagged_audio.decode(connection.audio, 16_000) if number != tagged_audio.UNREADABLE]


def audio_ms(events: list[Event]) -> float:
    """The length of the agent's audio in `events`, at 24 kHz."""
    contents = [event.content for event in events if event.content is not None and event.author != "user"]
    blobs = [part.inline_data for content in contents for part in content.parts or []]
    return sum(len(blob.data or b"") for blob in blobs if blob is not None) / 48


def model_said(words: str) -> types.Content:
    return types.Content(role="model", parts=[types.Part(text=words)])
