from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Literal, cast

import numpy as np
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fullduplex.agents import Agent, RunConfig
from fullduplex.events import Event
from fullduplex.mock_live import MockLive
from fullduplex.requests import LiveRequestQueue
from fullduplex.server import ServerSettings, create_app
from fullduplex.server.call import Call, Host
from fullduplex.server.protocols.bidi_demo import BidiDemo
from fullduplex.server.refusals import reason
from fullduplex.types import Content, Part
from tests.server.harness import (
    NATIVE_AUDIO,
    ScriptedRunner,
    audio_event,
    describe,
    echo,
    receive,
    requests_of,
    scripted,
    serving,
    text_of,
)

PATH = "/ws/alice/s1"


@pytest.fixture
async def gemini(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MockLive]:
    """A Gemini Live server that echoes, where the environment says that it is."""
    async with MockLive() as mock:
        monkeypatch.setenv("GOOGLE_API_KEY", "any-key")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        yield mock


async def test_a_slow_client_blocks_nobody_and_loses_only_audio():
    produced = asyncio.Event()

    async def talkative(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        for number in range(400):
            yield audio_event(bytes(48_000))
            yield Event(content=Content(parts=[Part(text=str(number))]))
            await asyncio.sleep(0)
        yield Event(turn_complete=True)
        produced.set()
        async for _ in requests_of(queue):
            pass

    async with scripted(talkative, downstream_audio_s=5.0) as server, server.connect(PATH) as socket:
        began = time.monotonic()
        await asyncio.wait_for(produced.wait(), 5)
        assert time.monotonic() - began < 5, "400 s of audio were taken from the engine at once"
        texts, chunks = [], 0
        while "turnComplete" not in (message := await receive(socket)):
            part = message["content"]["parts"][0]
            if "text" in part:
                texts.append(part["text"])
            else:
                chunks += 1
        assert texts == [str(number) for number in range(400)]
        assert 5 <= chunks < 400
        lost = next(iter(server.host.calls))._outbox.dropped_audio_s
        assert lost + chunks == pytest.approx(400)


@pytest.mark.spec(184)
async def test_an_interruption_does_not_stand_behind_audio_on_a_slow_link():
    chunk, audio_s = bytes(1_920), 60.0  # 40 ms each

    async def talkative(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        for _ in range(round(audio_s / 0.04)):
            yield audio_event(chunk)
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)  # as much as the network takes is on its way
        yield Event(interrupted=True)
        async for _ in requests_of(queue):
            pass

    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    async with scripted(talkative) as server:
        host, port = server.address.split(":")
        slow.connect((host, int(port)))
        async with server.connect(PATH, sock=slow, max_queue=1) as link:
            await asyncio.sleep(1.0)  # it does not read meanwhile
            waited_bytes = 0
            while "interrupted" not in (message := await receive(link)):
                waited_bytes += len(json.dumps(message))
    assert waited_bytes < 400_000, "six seconds of audio; all of it is two million bytes and more"


class SlowSocket:
    """A client that takes a frame every 20 ms and asks for the time when it has taken the first."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.asked = False
        self.first = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.first.wait()
        if self.asked:
            await asyncio.sleep(0.3)
            return {"type": "websocket.disconnect"}
        self.asked = True
        return {"type": "websocket.receive", "text": '{"type":"clock","t0":1}'}

    async def send(self, message: dict[str, str]) -> None:
        await asyncio.sleep(0.02)
        self.sent.append(json.loads(message["text"]))
        self.first.set()


async def test_the_time_does_not_stand_behind_queued_audio():
    async def talkative(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        for _ in range(100):
            yield audio_event(bytes(960))
        async for _ in requests_of(queue):
            pass

    socket = SlowSocket()
    host = Host(ScriptedRunner(talkative), ServerSettings(port=0))
    wire, config = BidiDemo(1_000), RunConfig()
    await Call(host, cast(WebSocket, socket), wire, user_id="alice", session_id="s1", run_config=config).run()
    kinds = [message.get("type", "event") for message in socket.sent]
    assert "clock" in kinds[:4]
    assert 5 < len(kinds) < 90, "most of the audio stood behind it"


async def test_the_time_is_not_told_to_a_client_that_takes_nothing_and_it_is_heard_on():
    async def deaf(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        for _ in range(300):
            yield Event(content=Content(parts=[Part(text="x" * 100_000)]))
        async for request in requests_of(queue):
            if request.content is not None:
                return

    async with scripted(deaf) as server, server.connect(PATH) as socket:
        for _ in range(3):
            await socket.send('{"type":"clock","t0":1}')
        await socket.send('{"type":"text","text":"x"}')
        await asyncio.wait_for(server.runner.ended.wait(), 3)
        socket.transport.abort()


async def test_a_client_that_takes_nothing_is_closed():
    async def flood(_: LiveRequestQueue) -> AsyncIterator[Event]:
        while True:
            yield Event(content=Content(parts=[Part(text="x" * 100_000)]))
            await asyncio.sleep(0)

    async with scripted(flood, downstream_messages=50) as server:
        async with server.connect(PATH) as socket:
            await asyncio.wait_for(server.runner.ended.wait(), 10)
            assert server.runner.queues[0].closed
            with suppress(ConnectionClosed):
                while True:
                    await asyncio.wait_for(socket.recv(), 5)
            # The close frame stands behind what the client did not read; 1006 when the server could not wait so long.
            assert socket.close_code in (1013, 1006)


async def test_the_socket_is_not_read_while_the_model_does_not_keep_up():
    go = asyncio.Event()

    async def late(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        await go.wait()
        async for request in requests_of(queue):
            yield Event(content=Content(parts=[Part(text=describe(request))]))

    async with scripted(late, upstream_high_water=100) as server, server.connect(PATH) as socket:
        sending = asyncio.create_task(_send_many(socket, 3_000))
        # Frames of 8 kB: what TCP buffers hold between two loopback ends is far less than the 24 MB.
        await asyncio.sleep(0.3)
        assert not sending.done(), "the client feels it"
        assert server.runner.queues[0].qsize() == 101
        go.set()
        for number in range(3_000):
            assert (await text_of(socket)).startswith(f"text {number} ")
        await sending


async def _send_many(socket: ClientConnection, count: int) -> None:
    for number in range(count):
        await socket.send(json.dumps({"type": "text", "text": f"{number} {'x' * 8_000}"}))


async def test_nothing_of_a_call_is_left():
    async with scripted(echo) as server:
        before = asyncio.all_tasks()
        for number in range(5):
            async with server.connect(f"/ws/alice/{number}") as socket:
                await socket.send('{"type":"text","text":"x"}')
                await text_of(socket)
        left = asyncio.all_tasks() - before
        if left:
            await asyncio.wait(left, timeout=2)
        assert asyncio.all_tasks() <= before
        assert not server.host.calls


async def test_a_client_whose_connection_breaks_ends_the_call():
    async with scripted(echo) as server:
        socket = await server.connect(PATH)
        await socket.send('{"type":"text","text":"x"}')
        await text_of(socket)
        socket.transport.abort()
        await asyncio.wait_for(server.runner.ended.wait(), 2)


@pytest.mark.parametrize("conflict", ["take_over", "refuse"])
async def test_a_second_client_on_one_session(conflict: Literal["take_over", "refuse"], gemini: MockLive):
    settings = ServerSettings(port=0, session_conflict=conflict)
    app = create_app(Agent(name="demo", model=NATIVE_AUDIO), settings)
    async with serving(app, settings) as address:
        async with connect(f"ws://{address}{PATH}") as first:
            await receive(first)
            async with connect(f"ws://{address}{PATH}") as second:
                loser, winner = (first, second) if conflict == "take_over" else (second, first)
                message = await receive(loser)
                assert "session_busy" in (message.get("errorCode"), message.get("code"))
                with pytest.raises(ConnectionClosed):
                    await receive(loser)
                assert (loser.close_code, loser.close_reason) == (4409, "session_busy")
                await winner.send('{"type":"text","text":"hello"}')
                while not (message := await receive(winner)).get("turnComplete"):
                    assert "errorCode" not in message


async def messages_within(socket: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    messages = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                messages.append(json.loads(await socket.recv()))
    return messages


@pytest.mark.spec(185)
async def test_with_detection_off_only_what_the_client_calls_speech_is_answered(gemini: MockLive):
    settings = ServerSettings(port=0)
    app = create_app(Agent(name="demo", model=NATIVE_AUDIO), settings)
    loud = (np.sin(np.arange(320) * 0.2) * 9_000).astype("<i2").tobytes()
    async with serving(app, settings) as address, connect(f"ws://{address}{PATH}?vad=off") as socket:
        for frame in [loud] * 30 + [bytes(640)] * 60:
            await socket.send(frame)
        await socket.send('{"type":"clock","t0":1}')
        while "t0" not in (message := await receive(socket)):
            assert "content" not in message
        outside = await messages_within(socket, 0.8)
        assert not any("content" in message for message in outside), "sound outside a turn is answered by nobody"
        await socket.send('{"type":"activity_start"}')
        for _ in range(30):
            await socket.send(loud)
        await socket.send('{"type":"activity_end"}')
        kinds = set()
        while not (message := await receive(socket)).get("turnComplete"):
            kinds |= set(message)
        assert "content" in kinds


async def test_a_model_that_is_not_there_is_told(gemini: MockLive):
    settings = ServerSettings(port=0)
    app = create_app(Agent(name="demo", model="gemini-1.5-flash"), settings)
    async with serving(app, settings) as address, connect(f"ws://{address}{PATH}") as socket:
        event = await receive(socket)
        assert event["errorCode"]
        assert "gemini-1.5-flash" in event["errorMessage"]
        with pytest.raises(ConnectionClosed):
            await receive(socket)
        assert (socket.close_code, socket.close_reason) == (1011, event["errorCode"])


async def test_the_server_stops_within_a_second_with_calls_open():
    async def stubborn(_: LiveRequestQueue) -> AsyncIterator[Event]:
        yield Event(turn_complete=True)
        await asyncio.Event().wait()

    async with scripted(stubborn) as server:
        sockets = [await server.connect(f"/ws/alice/{number}") for number in range(3)]
        for socket in sockets:
            await receive(socket)
        server.host.stop()  # LiveServer says so before it closes sockets
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    for socket in sockets:
        await socket.wait_closed()
        assert socket.close_code == 1012
    assert server.runner.ended.is_set()


async def test_a_session_is_made_once():
    runner = ScriptedRunner(echo)
    host = Host(runner, ServerSettings(port=0))
    await asyncio.gather(*(host.ensure_session("alice", "s1") for _ in range(5)))
    listed = await runner.session_service.list_sessions(app_name="app", user_id="alice")
    assert [session.id for session in listed.sessions] == ["s1"]


def test_a_close_reason_fits_its_frame():
    assert reason("short") == "short"
    assert len(reason("é" * 100).encode()) <= 123
    assert reason("é" * 100) == "é" * 61
