"""What the developer's code, or the store, holds up: neither the runner's close nor a cancelled app waits for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner
from fullduplex.errors import SessionBusy
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService, Session
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.testing.scripted_text_model import ScriptedTextModel
from fullduplex.tools import BaseToolset
from tests.live.kit import TURN_COMPLETE, calls, clocked, leftovers, settle, text, user, virtual

HOOK_S = 3.0
STORE_S = LiveSettings().store_deadline_s
ENDING_S = 30.0


class Scene:
    """A runner in which what is named in `hangs` never comes back; what is `stubborn` not even when it is cancelled."""

    def __init__(self, *hangs: str, stubborn: bool = False, conflict: Any = "refuse") -> None:
        self.hangs = hangs
        self.stubborn = stubborn
        self.trace: list[str] = []
        self.released = asyncio.Event()
        self.model = ScriptedModel()
        self.text_model = ScriptedTextModel("Hello.", "Hello.")
        self.toolset = _Toolset(self)
        self.agent = Agent(
            name="guide",
            model=self.model,
            instruction=self._instruction,
            tools=[self.toolset],
            before_agent_callback=lambda callback_context: self.at("before agent"),
            after_agent_callback=lambda callback_context: self.at("after agent"),
        )
        self.runner = Runner(
            app_name="app",
            agent=self.agent,
            session_service=_Store(self),
            plugins=[_plugin(self, "first"), _plugin(self, "second")],
            plugin_close_timeout=HOOK_S,
            live_conflict=conflict,
            auto_create_session=True,
            engine=clocked(),
        )
        self.queue = LiveRequestQueue()
        self.events: list[Event] = []

    async def at(self, place: str) -> None:
        """Called from everywhere: here it hangs."""
        self.trace.append(place)
        while place in self.hangs and not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise

    async def _instruction(self, _: Any) -> str:
        await self.at("instruction")
        return "Be kind."

    def live(self) -> AsyncGenerator[Event, None]:
        return self.runner.run_live(user_id="u", session_id="s", live_request_queue=self.queue)

    async def _app(self) -> None:
        async with aclosing(self.live()) as events:
            async for event in events:
                self.events.append(event)

    async def start(self) -> asyncio.Task[None]:
        """A call, in the middle of an answer if it gets so far."""
        app = asyncio.create_task(self._app(), name="app")
        await settle()
        for connection in self.model.connections:
            connection.say(text("One"))
            connection.say(TURN_COMPLETE)
            connection.say(text("Two"))
        await settle()
        return app

    async def check(self) -> None:
        """Nothing is left, and all is closed that the runner has, each once."""
        assert leftovers() == []
        assert all(connection.closed for connection in self.model.connections)
        assert len(self.runner._leases) == 0
        if "closed" not in self.trace:
            await self.runner.close()
        for what in ("close toolset", "close first", "close second"):
            assert self.trace.count(what) == 1
        assert leftovers() == []


class _Toolset(BaseToolset):
    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    async def get_tools(self, readonly_context: Any = None) -> list[Any]:
        await self._scene.at("get tools")
        return []

    async def close(self) -> None:
        await self._scene.at("close toolset")


class _Store(InMemorySessionService):
    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    async def get_session(self, **key: Any) -> Session | None:
        await self._scene.at("load")
        return await super().get_session(**key)

    async def append_event(self, session: Session, event: Event) -> Event:
        await self._scene.at("append")
        return await super().append_event(session, event)


def _plugin(scene: Scene, name: str) -> BasePlugin:
    class Plugin(BasePlugin):
        async def before_run_callback(self, **_: Any) -> None:
            await scene.at("before run")

        async def after_run_callback(self, **_: Any) -> None:
            await scene.at("after run")

        async def on_run_error_callback(self, **_: Any) -> None:
            await scene.at("run error")

        async def on_agent_error_callback(self, **_: Any) -> None:
            await scene.at("agent error")

        async def close(self) -> None:
            await scene.at(f"close {name}")

    return Plugin(name)


def now() -> float:
    return asyncio.get_running_loop().time()


# -- the runner is closed ---------------------------------------------------------------------------------------

CLOSES = [
    ("load", 0.0),
    ("before run", 0.0),
    ("before agent", 0.0),
    ("instruction", 0.0),
    ("get tools", 0.0),
    ("append", STORE_S),
    ("after agent", HOOK_S),
    ("close toolset", HOOK_S),
    ("close first", HOOK_S),
]


@pytest.mark.parametrize(("place", "most_s"), CLOSES)
@virtual
async def test_the_runner_closes_whatever_hangs(place: str, most_s: float) -> None:
    scene = Scene(place)
    app = await scene.start()
    began = now()
    await scene.runner.close()
    assert now() - began == pytest.approx(most_s, abs=0.05)
    await app
    assert place in scene.trace
    assert not any(event.error_code for event in scene.events)
    scene.trace.append("closed")
    await scene.check()


@pytest.mark.parametrize("place", ["load", "before run"])
@virtual
async def test_a_run_that_is_closed_before_it_begins_has_ended_and_not_failed(place: str) -> None:
    scene = Scene(place)
    app = await scene.start()
    await scene.runner.close()
    await app
    assert scene.events == []
    assert "run error" not in scene.trace
    assert scene.trace.count("after run") == (2 if place == "before run" else 0)


@virtual
async def test_a_run_that_does_not_let_itself_be_stopped_is_left_behind(caplog: Any) -> None:
    scene = Scene("instruction", stubborn=True)
    app = await scene.start()
    began = now()
    with caplog.at_level(logging.ERROR):
        await scene.runner.close()
    assert now() - began == pytest.approx(ENDING_S, abs=0.05)
    assert "the live run of session s does not end within 30 s" in caplog.text
    assert "close toolset" in scene.trace
    scene.released.set()
    await app
    scene.trace.append("closed")
    await scene.check()


@pytest.mark.parametrize("place", ["close toolset", "close first"])
@virtual
async def test_what_does_not_let_itself_be_stopped_while_it_closes_is_named(place: str, caplog: Any) -> None:
    scene = Scene(place, stubborn=True)
    began = now()
    with caplog.at_level(logging.ERROR):
        await scene.runner.close()
    assert now() - began == pytest.approx(HOOK_S + 1.0, abs=0.05)
    name = "toolset _Toolset" if place == "close toolset" else "plugin first"
    assert f"close of {name} does not stop when it is cancelled" in caplog.text
    assert f"close of {name} did not end within 3 s" in caplog.text
    scene.released.set()
    await settle()
    scene.trace.append("closed")
    await scene.check()


@virtual
async def test_a_toolset_that_fails_to_close_keeps_nothing_else_open(caplog: Any) -> None:
    scene = Scene()

    async def jammed() -> None:
        raise RuntimeError("jammed")

    closed = []
    scene.toolset.close = jammed  # type: ignore[method-assign]
    scene.runner._text_engine.close = lambda: _note(closed)  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        await scene.runner.close()
    assert "toolset _Toolset did not close" in caplog.text
    assert "jammed" in caplog.text
    assert closed == ["text models"]
    assert [one for one in scene.trace if one.startswith("close")] == ["close first", "close second"]


async def _note(closed: list[str]) -> None:
    closed.append("text models")


# -- the app is cancelled ---------------------------------------------------------------------------------------

CANCELS = [
    ("load", 0.0),
    ("before run", 0.0),
    ("before agent", 0.0),
    ("instruction", 0.0),
    ("get tools", 0.0),
    ("append", STORE_S),
    ("after agent", HOOK_S),
    ("after run", 2 * HOOK_S),
]


@pytest.mark.parametrize(("place", "most_s"), CANCELS)
@virtual
async def test_a_cancelled_app_is_let_go_whatever_hangs(place: str, most_s: float, caplog: Any) -> None:
    scene = Scene(place)
    app = await scene.start()
    began = now()
    app.cancel()
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([app])
    assert app.cancelled()
    assert now() - began == pytest.approx(most_s, abs=0.05)
    assert place in scene.trace
    if place in ("after agent", "after run"):
        assert "did not end within 3 s" in caplog.text
    await scene.check()


@virtual
async def test_an_app_that_leaves_its_loop_is_let_go_too() -> None:
    scene = Scene("after run", "after agent")
    began = now()
    async with aclosing(scene.live()) as events:
        async for _ in events:
            break
    assert now() - began == pytest.approx(3 * HOOK_S, abs=0.05)
    await scene.check()


@pytest.mark.parametrize("place", ["run error", "agent error"])
@virtual
async def test_a_run_that_fails_does_not_wait_for_those_who_are_told(place: str) -> None:
    scene = Scene(place)
    app = await scene.start()
    began = now()
    scene.model.connections[0].lose(1011, recoverable=False)
    await asyncio.wait([app])
    assert app.exception() is not None
    assert now() - began == pytest.approx(2 * HOOK_S, abs=0.05)
    await scene.check()


@pytest.mark.parametrize(("place", "most_s"), [("after agent", HOOK_S), ("after run", 2 * HOOK_S)])
@virtual
async def test_a_cancelled_text_run_is_let_go(place: str, most_s: float) -> None:
    scene = Scene(place)
    scene.agent.model = _Endless()

    async def read() -> None:
        async for _ in scene.runner.run_async(user_id="u", session_id="s", new_message=user("hi")):
            pass

    app = asyncio.create_task(read())
    await settle()
    began = now()
    app.cancel()
    await asyncio.wait([app])
    assert app.cancelled()
    assert now() - began == pytest.approx(most_s, abs=0.05)
    await scene.check()


class _Endless(ScriptedTextModel):
    async def generate(self, request: Any, *, stream: bool = False) -> AsyncGenerator[Any, None]:
        await asyncio.sleep(1e6)
        yield


# -- the user hangs up, or somebody else wants the session ------------------------------------------------------


@pytest.mark.parametrize(("words", "most_s"), [(0, 0.0), (1, 5.0)])
@pytest.mark.parametrize("place", ["load", "before run"])
@virtual
async def test_a_hang_up_ends_a_run_that_has_not_begun(place: str, words: int, most_s: float) -> None:
    scene = Scene(place)
    app = await scene.start()
    for _ in range(words):
        scene.queue.send_content(user("hello?"))
    began = now()
    scene.queue.close()
    await app
    assert now() - began == pytest.approx(most_s, abs=0.05)
    await scene.check()


@virtual
async def test_a_hang_up_does_not_break_off_a_run_that_has_begun() -> None:
    scene = Scene()
    app = await scene.start()
    scene.model.connections[0].say(calls(("c1", "none")))
    scene.queue.send_content(user("bye"))
    scene.queue.close()
    await app
    assert [value.text for kind, value in scene.model.connections[0].sent if kind == "content"] == ["bye"]
    await scene.check()


@pytest.mark.parametrize("place", ["load", "before run", "instruction", "append"])
@virtual
async def test_a_run_that_hangs_is_taken_over(place: str) -> None:
    scene = Scene(place, conflict="take_over")
    first = await scene.start()
    began = now()
    second = asyncio.create_task(anext(scene.live()))
    await asyncio.wait([first])
    assert isinstance(first.exception(), SessionBusy)
    assert now() - began <= STORE_S + 0.05
    scene.released.set()
    await second
    scene.trace.append("closed")
    await scene.runner.close()
    await settle()
    assert leftovers() == []


@pytest.mark.parametrize("conflict", ["refuse", "take_over"])
@virtual
async def test_who_wants_the_session_of_a_run_that_does_not_end_is_told_so(conflict: str, caplog: Any) -> None:
    scene = Scene("instruction", stubborn=True, conflict=conflict)
    first = await scene.start()
    scene.queue.close()
    began = now()
    queue = LiveRequestQueue()
    with caplog.at_level(logging.ERROR), pytest.raises(SessionBusy) as raised:
        await anext(scene.runner.run_live(user_id="u", session_id="s", live_request_queue=queue))
    assert raised.value.code == "session_busy"
    assert now() - began == pytest.approx(ENDING_S, abs=0.05)
    scene.released.set()
    await asyncio.wait([first])
    await scene.check()


# -- what follows an answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close the queue", "close the runner", "cancel"])
@virtual
async def test_a_judgement_that_hangs_breaks_nothing_when_the_run_ends(end: str) -> None:
    scene = Scene("judge")

    async def judge(callback_context: Any, llm_response: Any) -> None:
        await scene.at("judge")

    scene.agent.after_model_callback = judge
    app = await scene.start()
    assert "judge" in scene.trace
    if end == "close the queue":
        scene.queue.close()
    elif end == "cancel":
        app.cancel()
    else:
        await scene.runner.close()
        scene.trace.append("closed")
    await asyncio.wait([app])
    assert app.cancelled() or app.exception() is None
    await scene.check()
    session = await scene.runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
    assert session is not None
    assert [event.content.text for event in session.events if event.content] == ["One", "Two"]
