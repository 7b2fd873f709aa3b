"""The end of a run at every step of its loop: whatever is in flight, nothing is left and the session is sound.

One scenario (a question, two tools, an answer with transcripts, an interruption, a lost connection, the next one) is
played again and again, and each time something ends it one step later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner
from fullduplex.errors import ConnectionLost, FullduplexError
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.models.base import ConnectRequest
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.clock import VirtualTimeLoop
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import ToolContext
from tests.live.kit import (
    INTERRUPTED,
    TURN_COMPLETE,
    audio,
    calls,
    clocked,
    heard,
    leftovers,
    said,
    short,
    text,
    user,
)


class CountingLoop(VirtualTimeLoop):
    """Calls `hooks[n]` at the beginning of its step number n."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.hooks: dict[int, Callable[[], object]] = {}

    def _run_once(self) -> None:
        self.steps += 1
        if hook := self.hooks.pop(self.steps, None):
            self.call_soon(hook)
        super()._run_once()


class SlowConnection(ScriptedConnection):
    """Takes a step before it takes a turn, and a few to close."""

    async def send_content(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        await super().send_content(*args, **kwargs)

    async def close(self) -> None:
        await asyncio.sleep(0)
        await super().close()
        await asyncio.sleep(0)


class SlowModel(ScriptedModel):
    """Takes time to connect and to leave, and counts who is still in."""

    connection_type = SlowConnection
    inside = 0

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        await asyncio.sleep(0.01)
        async with super().connect(request) as connection:
            self.inside += 1
            try:
                yield connection
            finally:
                self.inside -= 1
                await asyncio.sleep(0)


class SlowStore(InMemorySessionService):
    """Takes a few steps for an event."""

    async def append_event(self, session: Any, event: Event) -> Event:
        await asyncio.sleep(0)
        stored = await super().append_event(session, event)
        await asyncio.sleep(0)
        return stored


async def quick(tool_context: ToolContext) -> str:
    await asyncio.sleep(0)
    tool_context.state["quick"] = True
    return "quick"


async def slow() -> str:
    await asyncio.sleep(0.3)
    return "slow"


class Scene:
    """The scenario, and what can be done to it."""

    def __init__(self) -> None:
        self.model = SlowModel()
        self.runner = Runner(
            app_name="app",
            agent=Agent(name="guide", model=self.model, tools=[quick, slow]),
            session_service=SlowStore(),
            engine=clocked(LiveSettings(tool_deadline_s=1.0, store_deadline_s=1.0)),
        )
        self.queue = LiveRequestQueue()
        self.typed: list[str] = []
        self.shown: list[Event] = []
        self.app: asyncio.Task[None] | None = None
        self.cancelled = False

    async def play(self) -> None:
        await self.runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
        self.app = asyncio.create_task(self._app(), name="app")
        backend = asyncio.create_task(self._backend(), name="backend")
        await asyncio.wait([self.app])
        backend.cancel()
        await asyncio.wait([backend])

    async def _app(self) -> None:
        self._type("weather?")
        run = self.runner.run_live(user_id="u", session_id="s", live_request_queue=self.queue)
        async for event in run:
            self.shown.append(event)
            if event.interrupted and event.content is None:
                self._type("and tomorrow?")
            if event.content is not None and event.content.text == "Sun.":
                self.queue.close()

    def _type(self, words: str) -> None:
        if not self.queue.closed:
            self.queue.send_content(user(words))
            self.typed.append(words)

    async def _backend(self) -> None:
        first = await self.model.opened(1)
        await first.wait_sent(1)
        tools = calls(("c1", "quick"), ("c2", "slow"))
        for message in (heard("weather?", finished=True), tools, text("Let me"), audio()):
            first.say(message)
            await asyncio.sleep(0)
        await first.wait_sent(2)
        for message in (said("It "), audio(), said("rains"), INTERRUPTED, TURN_COMPLETE):
            first.say(message)
            await asyncio.sleep(0)
        await first.wait_sent(3)
        first.say(text("half an an"))
        first.lose()
        second = await self.model.opened(2)
        second.say(text("Sun."))
        second.say(TURN_COMPLETE)

    # what ends it

    def cancel(self) -> None:
        if self.app is not None and self.app.cancel():
            self.cancelled = True

    def close_queue(self) -> None:
        self.queue.close()

    def close_runner(self) -> None:
        self._helper = asyncio.ensure_future(self.runner.close())

    def lose(self) -> None:
        for connection in self.model.connections[-1:]:
            connection.lose(1011, recoverable=False)


def play(hooks: Callable[[Scene], dict[int, Callable[[], object]]]) -> tuple[Scene, int]:
    """Plays the scenario with `hooks` and checks what is left; also how many steps it took."""
    steps = 0
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        scene = Scene()

        async def main() -> None:
            nonlocal steps
            loop.steps = 0
            loop.hooks = hooks(scene)
            async with asyncio.timeout(100):
                await scene.play()
            steps = loop.steps
            if helper := getattr(scene, "_helper", None):
                await helper
            await asyncio.sleep(5)  # a second cancellation lets the run finish on its own, which takes a moment
            assert leftovers() == []
            await check(scene)

        runner.run(main())
    return scene, steps


async def check(scene: Scene) -> None:
    assert scene.model.inside == 0
    assert all(connection.closed for connection in scene.model.connections)
    assert len(scene.runner._leases) == 0
    session = await scene.runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
    assert session is not None
    saved = session.events
    ids = [event.id for event in saved]
    assert len(set(ids)) == len(ids)
    assert not any(event.partial for event in saved)
    # What the app was shown and is to be kept is kept, in the order in which it was shown.
    worth = [event.id for event in scene.shown if event.id in ids]
    assert worth == [one for one in ids if one in worth]
    for event in scene.shown:
        if event.turn_complete or (event.content and not event.partial and event.content.text):
            assert event.id in ids, short(event)
    # The user's words are kept once each, whether the model was sent them or not; but for a run that did not begin.
    words = [event.content.text for event in saved if event.author == "user" and event.content is not None]
    sent = [value.text for one in scene.model.connections for kind, value in one.sent if kind == "content"]
    assert sorted(words) == sorted(set(words))
    assert set(sent) <= set(words) <= set(scene.typed)
    assert words == scene.typed or not scene.shown
    # Tools are answered once at most, and what they did to the state is there if their answer is.
    answered = [response.id for event in saved for response in event.get_function_responses()]
    assert len(set(answered)) == len(answered)
    assert ("quick" in session.state) is ("c1" in answered)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def length() -> int:
    """How many steps the scenario takes when it is left alone."""
    scene, steps = play(lambda _: {})
    assert scene.app is not None
    assert scene.app.exception() is None
    assert [short(event) for event in scene.shown if event.setup_complete is None] == [
        "P-in:weather?",
        "M-in:weather?",
        "call-c1 call-c2",
        "P:Let me",
        "M:Let me",
        "audio",
        "answer-c1 answer-c2 state{'quick': True}",
        "P-out:It ",
        "audio",
        "P-out:rains",
        "M-out:It rains",
        "interrupted",
        "end",
        "P:half an an",
        "M:half an an!",
        "error-connection_lost",
        "P:Sun.",
        "M:Sun.",
        "end",
    ]
    assert len(scene.model.connections) == 2
    return steps


@pytest.mark.spec(149)
def test_the_app_is_cancelled_at_any_step(length: int) -> None:
    for step in range(1, length + 1):
        scene, _ = play(lambda scene, step=step: {step: scene.cancel})
        assert scene.app is not None
        assert scene.app.cancelled() is scene.cancelled, step


@pytest.mark.spec(149)
def test_the_app_is_cancelled_twice_at_any_two_steps(length: int) -> None:
    for step in range(1, length + 1, 2):
        for later in (1, 2, 3, 5, 8):
            play(lambda scene, step=step, later=later: {step: scene.cancel, step + later: scene.cancel})


@pytest.mark.spec(34, 149)
def test_the_queue_is_closed_at_any_step(length: int) -> None:
    for step in range(1, length + 1):
        scene, _ = play(lambda scene, step=step: {step: scene.close_queue})
        assert scene.app is not None
        assert scene.app.exception() is None, step


@pytest.mark.spec(149)
def test_the_runner_is_closed_at_any_step(length: int) -> None:
    for step in range(1, length + 1):
        scene, _ = play(lambda scene, step=step: {step: scene.close_runner})
        assert scene.app is not None
        assert scene.app.exception() is None, step


@pytest.mark.spec(149)
def test_the_backend_fails_for_good_at_any_step(length: int) -> None:
    for step in range(1, length + 1):
        scene, _ = play(lambda scene, step=step: {step: scene.lose})
        assert scene.app is not None
        assert scene.app.exception() is None or isinstance(scene.app.exception(), ConnectionLost), step


@pytest.mark.spec(149)
def test_it_is_cancelled_while_it_ends_by_itself(length: int) -> None:
    for first in ("close_queue", "close_runner", "lose"):
        for step in range(1, length + 1, 3):
            for later in range(1, 20, 3):
                play(
                    lambda scene, first=first, step=step, later=later: {
                        step: getattr(scene, first),
                        step + later: scene.cancel,
                    }
                )


def test_two_ends_at_once(length: int) -> None:
    """In the same step of the loop: the task groups of run and connection are torn down together."""
    for step in range(1, length + 1):

        def both(scene: Scene, step: int = step) -> dict[int, Callable[[], object]]:
            return {step: lambda: (scene.lose(), scene.close_queue(), scene.close_runner())}

        scene, _ = play(both)
        assert scene.app is not None
        error = scene.app.exception()
        assert error is None or isinstance(error, FullduplexError), step
