"""The network in memory behaves as the real one does: late, in order, full at some time, and silent when it is dead."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from fullduplex.errors import ConnectionLost, ModelError
from fullduplex.mock_live import MockOptions, close, echo_reactor, go_away
from fullduplex.models.base import ConnectRequest, LiveConnection
from fullduplex.types.config import LiveConnectConfig, Modality
from fullduplex.types.content import Blob, Content, Part
from fullduplex.types.live import LiveServerMessage
from tests.live.kit import virtual

from .memory import MemoryGemini, MemoryServer
from .network import UNSENT_BYTES, Network

ONE_WAY_S = 0.05


@dataclass
class Talk:
    """A server, a connection to it, what that has said and when, and the task that listens."""

    server: MemoryServer
    connection: LiveConnection
    heard: list[tuple[float, str]]
    listener: asyncio.Task[None]

    @property
    def words(self) -> str:
        """The text of the answers so far."""
        return "".join(text for _, text in self.heard if text not in ("setup", "end", "go_away"))


Test = Callable[[Talk], Awaitable[None]]


def now() -> float:
    return asyncio.get_running_loop().time()


def kind(message: LiveServerMessage) -> str:
    if message.server_content is not None and message.server_content.model_turn is not None:
        return "".join(part.text or "" for part in message.server_content.model_turn.parts or [])
    if message.server_content is not None and message.server_content.turn_complete:
        return "end"
    return "go_away" if message.go_away is not None else "setup" if message.setup_complete is not None else ""


def connected(test: Test) -> Callable[[], None]:
    """Runs a test with a server, an open connection, and what it says with the times at which it came."""

    @virtual
    async def run() -> None:
        network = Network(random.Random(1), latency_s=ONE_WAY_S, jitter_s=0.0)
        server = MemoryServer(echo_reactor, MockOptions(), network=network)
        model = MemoryGemini("gemini-live-2.5-flash", server)
        config = LiveConnectConfig(response_modalities=[Modality.TEXT])
        async with model.connect(ConnectRequest(model=model.model, config=config)) as connection:
            heard: list[tuple[float, str]] = []
            listener = asyncio.create_task(
                connection.listen(lambda message: heard.append((round(now(), 3), kind(message))))
            )
            await test(Talk(server, connection, heard, listener))
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError, ModelError):
                await listener

    def test_run() -> None:
        run()

    test_run.__name__, test_run.__doc__ = test.__name__, test.__doc__
    return test_run


def say(text: str) -> Content:
    return Content(role="user", parts=[Part(text=text)])


@connected
async def test_an_answer_takes_a_round_trip(talk: Talk) -> None:
    asked = now()
    await talk.connection.send_content(say("hello"))
    await asyncio.sleep(1)
    assert talk.words == "You said: hello"
    assert talk.heard[1][0] == pytest.approx(asked + 2 * ONE_WAY_S)
    assert asked == pytest.approx(4 * ONE_WAY_S + 2 * ONE_WAY_S)  # TCP and WebSocket, then the setup


@connected
async def test_a_stall_holds_both_ways_and_loses_nothing(talk: Talk) -> None:
    talk.server.stall()
    await talk.connection.send_content(say("hello"))
    await asyncio.sleep(14)
    assert talk.words == ""
    talk.server.go_on()
    await asyncio.sleep(1)
    assert talk.words == "You said: hello"


@connected
async def test_a_stalled_line_takes_so_much_and_no_more(talk: Talk) -> None:
    talk.server.stall()
    blob = Blob(data=bytes(3200), mime_type="audio/pcm;rate=16000")
    taken = 0
    while talk.connection.offer_realtime(blob):
        taken += 1
    assert UNSENT_BYTES // 4400 <= taken <= UNSENT_BYTES // 4000 + 2
    waiting = asyncio.create_task(talk.connection.send_realtime(blob))
    await asyncio.sleep(1)
    assert not waiting.done()
    talk.server.go_on()
    await waiting
    assert talk.connection.offer_realtime(blob)


@connected
async def test_a_cut_loses_what_is_under_way(talk: Talk) -> None:
    await talk.connection.send_content(say("hello"))
    await asyncio.sleep(ONE_WAY_S * 1.5)  # it is there, and the answer is on its way
    talk.server.lines[0].cut()
    with pytest.raises(ConnectionLost) as lost:
        await talk.connection.send_content(say("anybody?"))
    assert (lost.value.close_code, lost.value.recoverable) == (1006, True)
    assert talk.words == ""
    assert not talk.server.open_lines


@connected
async def test_nobody_is_told_of_a_black_hole_until_the_keepalive_finds_out(talk: Talk) -> None:
    began = now()
    talk.server.lines[0].swallow()
    with pytest.raises(ModelError):
        await talk.listener
    assert 15 <= now() - began <= 30.5


@connected
async def test_an_idle_connection_lives(talk: Talk) -> None:
    await asyncio.sleep(300)
    await talk.connection.send_content(say("hello"))
    await asyncio.sleep(1)
    assert talk.words == "You said: hello"


@connected
async def test_the_server_says_goodbye_with_its_code(talk: Talk) -> None:
    talk.server.lines[0].push(go_away(2.0))
    await asyncio.sleep(1)
    assert talk.heard[-1][1] == "go_away"
    talk.server.lines[0].push(close(1011, "broken"))
    await asyncio.sleep(1)
    with pytest.raises(ConnectionLost) as lost:
        await talk.connection.send_content(say("hello"))
    assert lost.value.close_code == 1011


@virtual
async def test_a_server_that_refuses_cannot_be_reached() -> None:
    server = MemoryServer(echo_reactor, MockOptions(), network=Network(refusing=True))
    model = MemoryGemini("gemini-live-2.5-flash", server)
    with pytest.raises(ConnectionLost) as refused:
        async with model.connect(ConnectRequest(model=model.model)):
            pass
    assert (refused.value.code, len(server.attempts), server.lines) == ("unreachable", 1, [])
