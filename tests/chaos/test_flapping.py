"""A server that lets us in and throws us out at once is not hammered, and is given up with one clear error."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner
from fullduplex.errors import ModelError
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.mock_live import MockLive, MockOptions, Script, drop, echo_reactor, go_away, unprompted
from fullduplex.models.base import LiveModel
from fullduplex.models.gemini import Gemini
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.proxy import FaultyProxy
from fullduplex.turns.reconnect import ReconnectPolicy
from tests.live.kit import clocked, leftovers, virtual

from .memory import MemoryGemini, MemoryServer
from .network import Line

MODEL = "gemini-2.5-flash-native-audio-preview-12-2025"
MOST_IN_5_S = 10


@dataclass
class Run:
    """A run that goes on by itself: its events, and how it ended."""

    queue: LiveRequestQueue = field(default_factory=LiveRequestQueue)
    events: list[Event] = field(default_factory=list)
    error: Exception | None = None

    async def live(self, model: LiveModel, settings: LiveSettings | None = None) -> None:
        """From the first connection to the end."""
        store = InMemorySessionService()
        await store.create_session(app_name="app", user_id="u", session_id="s")
        agent = Agent(name="guide", model=model)
        runner = Runner(app_name="app", agent=agent, session_service=store, engine=clocked(settings))
        try:
            async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=self.queue):
                self.events.append(event)
        except ModelError as error:
            self.error = error

    @property
    def errors(self) -> list[Event]:
        """The events that tell of an error."""
        return [event for event in self.events if event.error_code]


def most_in_5_s(times: Sequence[float]) -> int:
    """The most attempts in any five seconds."""
    return max((sum(begin <= at <= begin + 5.0 for at in times) for begin in times), default=0)


def ended_with_one_error(run: Run) -> None:
    """One event says that it is over, it is the last, and it is the error that was raised."""
    final = [event for event in run.errors if event.recoverable is False]
    assert len(final) == 1
    assert run.events[-1] is final[0]
    assert all(event.recoverable is True for event in run.errors[:-1])
    assert isinstance(run.error, ModelError)
    assert run.error.code == final[0].error_code


@pytest.mark.spec(142)
@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.3], ids=["in the handshake", "in the setup", "just after it"])
def test_a_flapping_server_is_given_up(after_s: float) -> None:
    @virtual
    async def run_it() -> None:
        loop = asyncio.get_running_loop()

        def greet(line: Line) -> None:
            loop.call_later(after_s, line.cut)

        server = MemoryServer(echo_reactor, MockOptions(), greet=greet)
        run = Run()
        await run.live(MemoryGemini(MODEL, server))
        assert len(server.attempts) > 3
        assert most_in_5_s(server.attempts) <= MOST_IN_5_S
        assert loop.time() < 120
        ended_with_one_error(run)

    run_it()


@pytest.mark.spec(142)
@virtual
async def test_a_server_that_sends_us_away_at_once_is_given_up() -> None:
    loop = asyncio.get_running_loop()

    def greet(line: Line) -> None:
        loop.call_later(0.2, lambda: line.push(go_away(0.5)))

    server = MemoryServer(echo_reactor, MockOptions(), greet=greet)
    run = Run()
    await run.live(MemoryGemini(MODEL, server))
    assert most_in_5_s(server.attempts) <= MOST_IN_5_S
    ended_with_one_error(run)


@pytest.mark.spec(142)
@virtual
async def test_a_server_that_refuses_is_asked_more_and_more_seldom() -> None:
    server = MemoryServer(echo_reactor, MockOptions())
    server.network.refusing = True
    run = Run()
    await run.live(MemoryGemini(MODEL, server))
    gaps = [later - earlier for earlier, later in itertools.pairwise(server.attempts)]
    assert gaps[0] < 0.5
    assert gaps[-1] > 2.0
    assert most_in_5_s(server.attempts) <= MOST_IN_5_S
    ended_with_one_error(run)


async def hammered(how: str) -> None:
    """Five seconds with a server that drops us when we are set up, or a network that refuses us; then a short trial."""
    script = Script([unprompted(drop()) for _ in range(100)])
    async with MockLive(script) as mock, FaultyProxy("127.0.0.1", mock.port) as proxy:
        proxy.refuse(how == "refused")
        model = Gemini(MODEL, api_key="k", base_url=proxy.url)
        patient, impatient = Run(), Run()
        going_on = asyncio.create_task(patient.live(model))
        await asyncio.sleep(5.0)
        attempts = len(proxy.connected_at) + len(proxy.refused_at)
        assert 3 < attempts <= MOST_IN_5_S
        patient.queue.close()
        await asyncio.wait_for(going_on, 5.0)
        await impatient.live(model, LiveSettings(reconnect=ReconnectPolicy(budget=2)))
        ended_with_one_error(impatient)
        assert len(proxy.connected_at) + len(proxy.refused_at) == attempts + 3


@pytest.mark.spec(142)
async def test_a_flapping_server_is_not_hammered_over_real_sockets() -> None:
    before = leftovers()
    await asyncio.gather(hammered("dropped"), hammered("refused"))
    assert leftovers() == before
