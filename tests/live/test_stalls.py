"""The model takes nothing for a while and the user talks on: what waits is bounded, and what goes on is fresh.

The bounds alone are tested in `tests/requests/test_queue.py` and `tests/turns/test_media_queue.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import tracemalloc
from typing import Any

import pytest

from fullduplex import RunConfig, types
from fullduplex.mock_live import MockLive, MockOptions, Script, say, silent_reactor
from fullduplex.models import Gemini
from fullduplex.models.base import ConnectRequest
from fullduplex.testing import tagged_audio
from fullduplex.testing.proxy import FaultyProxy
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.types.live import ActivityEnd, ActivityStart, Signal
from tests.chaos.memory import MemoryGemini, MemoryServer
from tests.live.kit import TURN_COMPLETE, Call, settle, text, user, virtual

CHUNK_S = 0.04
STALL_S = 60.0
FRESH_S = 0.5
CHUNKS = int(STALL_S / CHUNK_S)
MANUAL = RunConfig(
    realtime_input_config={"automatic_activity_detection": {"disabled": True}}, response_modalities=["TEXT"]
)


class Stalling(ScriptedConnection):
    """Takes nothing while its `network` is stalled: senders wait, as they do for a socket that is full."""

    network: asyncio.Event

    def __init__(self, request: ConnectRequest) -> None:
        super().__init__(request)
        self.network = asyncio.Event()
        self.network.set()
        self.sent_at: list[float] = []

    async def ready(self) -> None:
        """See `LiveConnection`."""
        await self.network.wait()

    async def send_realtime(self, blob: types.Blob) -> None:
        """See `LiveConnection`."""
        await self.network.wait()
        await super().send_realtime(blob)

    async def send_activity(self, signal: Signal) -> None:
        """See `LiveConnection`."""
        await self.network.wait()
        await super().send_activity(signal)

    async def send_content(self, content: types.Content, *, turn_complete: bool = True) -> None:
        """See `LiveConnection`."""
        await self.network.wait()
        await super().send_content(content, turn_complete=turn_complete)


class StallingModel(ScriptedModel):
    """A model whose network may stall."""

    connection_type = Stalling


def chunk(number: int) -> types.Blob:
    """The user's chunk with this number: 40 ms of tagged speech."""
    return types.Blob(data=tagged_audio.encode(2 * number, 2, 16_000), mime_type="audio/pcm;rate=16000")


def number_of(blob: types.Blob) -> int:
    return tagged_audio.decode(blob.data or b"", 16_000)[0] // 2


def numbers(connection: ScriptedConnection) -> list[int]:
    """Which chunks a connection was sent."""
    return [number_of(value) for kind, value in connection.sent if kind == "realtime"]


async def stalled_call(model: StallingModel | None = None) -> tuple[Call, Any]:
    """A call whose user has begun to speak when the network stalls."""
    call = await Call.start(model=model or StallingModel(), run_config=MANUAL)
    connection = await call.connection()
    await settle()
    call.queue.send_activity_start()
    call.queue.send_realtime(chunk(0))
    await connection.wait_sent(2)
    connection.network.clear()
    return call, connection


@pytest.mark.spec(41)
@virtual
async def test_after_a_minute_of_stall_the_model_hears_the_present_and_the_end_of_the_utterance() -> None:
    call, connection = await stalled_call()
    for number in range(1, CHUNKS):
        call.queue.send_realtime(chunk(number))
        await asyncio.sleep(CHUNK_S)
    call.queue.send_activity_end()
    stats = call.queue.stats()
    assert stats.audio_s <= 5.0
    connection.network.set()
    await settle()
    arrived = numbers(connection)[1:]
    oldest_s = (CHUNKS - arrived[0]) * CHUNK_S
    assert len(arrived) == CHUNKS - 1 - call.queue.stats().dropped_audio_chunks, "every chunk is counted"
    assert arrived == sorted(arrived)
    assert oldest_s <= FRESH_S + CHUNK_S, "older audio belongs to a conversation that is over"
    signals = [type(value) for kind, value in connection.sent if kind == "activity"]
    assert signals == [ActivityStart, ActivityEnd]
    assert connection.sent[-1][0] == "activity", "the end comes after what was said"
    await call.end()


@pytest.mark.spec(41)
@virtual
async def test_nothing_that_was_typed_or_signalled_is_dropped_in_a_stall() -> None:
    call, connection = await stalled_call()
    for number in range(1, CHUNKS):
        call.queue.send_realtime(chunk(number))
        if number % 250 == 0:
            call.queue.send_activity_end()
            call.queue.send_content(user(f"note {number}"))
            call.queue.send_activity_start()
        await asyncio.sleep(CHUNK_S)
    connection.network.set()
    await settle()
    assert [value.text for kind, value in connection.sent if kind == "content"] == [
        f"note {number}" for number in range(250, CHUNKS, 250)
    ]
    signals = [type(value) for kind, value in connection.sent if kind == "activity"]
    assert signals == [ActivityStart, *[ActivityEnd, ActivityStart] * 5]
    await call.end()


@pytest.mark.spec(41)
@virtual
async def test_a_stall_keeps_no_more_than_a_few_seconds_in_memory() -> None:
    call, connection = await stalled_call()
    for number in range(1, 250):
        call.queue.send_realtime(chunk(number))
        await asyncio.sleep(CHUNK_S)
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for number in range(250, 10 * CHUNKS):
        call.queue.send_realtime(types.Blob(data=bytes(1280), mime_type="audio/pcm;rate=16000"))
        assert call.queue.stats().audio_s <= 5.0 + 1e-6
        if number % 25 == 0:
            await asyncio.sleep(25 * CHUNK_S)
    grown = tracemalloc.take_snapshot().compare_to(before, "filename")
    tracemalloc.stop()
    assert sum(one.size_diff for one in grown) < 500_000, "ten minutes are 19 MB"
    connection.network.set()
    await call.end()


@pytest.mark.spec(41)
@virtual
async def test_what_a_stall_drops_is_told_to_the_app_once_and_counted_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "fullduplex"):
        call, connection = await stalled_call()
        for number in range(1, CHUNKS):
            call.queue.send_realtime(chunk(number))
        await settle()
        connection.network.set()
        await settle()
    told = [record.getMessage() for record in caplog.records if "keep" in record.getMessage()]
    assert len(told) == 2, "when it begins, and when it is over"
    assert f" {call.queue.stats().dropped_audio_chunks} chunks" in told[1]
    assert [event.recoverable for event in call.events if event.error_code == "input_dropped"] == [True]
    await call.end()


@pytest.mark.spec(41)
@virtual
async def test_the_model_is_heard_while_it_takes_nothing() -> None:
    call, connection = await stalled_call()
    for number in range(1, 100):
        call.queue.send_realtime(chunk(number))
    await call.play(text("I cannot hear you."), TURN_COMPLETE)
    assert call.short == ["P:I cannot hear you.", "M:I cannot hear you.", "end"]
    connection.network.set()
    await call.end()


@pytest.mark.spec(41)
async def test_a_stalled_network_loses_the_past_alone_over_real_sockets() -> None:
    """The user's minutes are sent faster than they last, because the buffers between us and the model are large."""
    chunks = 3000
    async with (
        MockLive(Script([[say("Yes?")]])) as server,
        FaultyProxy("127.0.0.1", server.port) as proxy,
        asyncio.timeout(30),
    ):
        model = Gemini("gemini-live-2.5-flash", api_key="k", base_url=proxy.url)
        call = await Call.start(model=model, run_config=MANUAL)
        call.queue.send_activity_start()
        await server.wait_for(lambda mock: mock.connections and mock.connections[0].count("activityStart"))
        proxy.stall()
        for number in range(chunks):
            call.queue.send_realtime(chunk(number))
            if number % 10 == 0:
                await asyncio.sleep(0.001)
        call.queue.send_activity_end()
        assert call.queue.stats().audio_s <= 5.0
        proxy.go_on()
        await call.until(lambda event: event.turn_complete)
        (connection,) = server.connections
        arrived = [number // 2 for number in tagged_audio.decode(connection.audio, 16_000)[::2]]
        dropped = call.queue.stats().dropped_audio_chunks
        assert dropped > 0
        assert len(arrived) == chunks - dropped
        assert arrived == sorted(arrived)
        # The system's buffers may grow under way, so that there are gaps before the last; what follows that is fresh.
        resumed = max(one for before, one in itertools.pairwise([-1, *arrived]) if one != before + 1)
        assert (chunks - resumed) * CHUNK_S <= FRESH_S + CHUNK_S
        assert connection.kinds[-1] == "activityEnd"
        told = [event.error_code for event in call.events if event.error_code]
        assert set(told) - {"audio_rate_mismatch"} == {"input_dropped"}  # a slow machine notices
        await call.end()


@pytest.mark.spec(41, 143)
@virtual
async def test_a_stall_that_costs_the_connection_loses_neither_the_beginning_nor_the_present() -> None:
    """Of what was said meanwhile, the model hears what had left when the stall began, and then the present."""
    server = MemoryServer(silent_reactor, MockOptions())
    call = await Call.start(model=MemoryGemini("gemini-live-2.5-flash", server), run_config=MANUAL)  # type: ignore[arg-type]
    await asyncio.sleep(1)
    call.queue.send_activity_start()
    stalled, released, chunks = 25, 25 + CHUNKS, 100 + CHUNKS
    for number in range(chunks):
        if number == stalled:
            server.stall()
        elif number == released:
            server.go_on()
        call.queue.send_realtime(chunk(number))
        await asyncio.sleep(CHUNK_S)
    call.queue.send_activity_end()
    await asyncio.sleep(1)
    first, second = server.connections
    assert not first.is_open, "nobody answered a ping"
    arrived = [number // 2 for number in tagged_audio.decode(second.audio, 16_000)[::2]]
    left = next(number for number, one in enumerate(arrived) if one != number)
    assert left >= stalled
    assert (released - arrived[left]) * CHUNK_S <= FRESH_S + CHUNK_S
    assert arrived[left:] == list(range(arrived[left], chunks))
    assert [one for one in second.kinds if "activity" in one] == ["activityStart", "activityEnd"]
    await call.end()
