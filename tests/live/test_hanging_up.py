"""The user hangs up while an agent gets ready: nobody waits for that agent, and nothing is left of it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex import Agent, Runner
from fullduplex.agents import SequentialAgent
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.plugins import BasePlugin
from fullduplex.requests import LiveRequestQueue
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import BaseToolset
from tests.live.kit import TURN_COMPLETE, Call, calls, clocked, pcm, settle, text, user, virtual

DEADLINE_S = LiveSettings().send_deadline_s


class Hung:
    """What never comes back, of one kind; counts how often it was begun and how often it was told to stop."""

    def __init__(self) -> None:
        self.begun = self.stopped = 0

    async def wait(self, *_: Any, **__: Any) -> None:
        self.begun += 1
        try:
            await asyncio.sleep(1e6)
        finally:
            self.stopped += 1


class Toolset(BaseToolset):
    def __init__(self, hung: Hung | None = None) -> None:
        super().__init__()
        self._hung = hung
        self.closed = 0

    async def get_tools(self, readonly_context: Any = None) -> list[Any]:
        if self._hung is not None:
            await self._hung.wait()
        return []

    async def close(self) -> None:
        self.closed += 1


class Plugin(BasePlugin):
    def __init__(self, hung: Hung, agent: str) -> None:
        super().__init__(name="slow")
        self._hung = hung
        self._agent = agent

    async def before_agent_callback(self, *, agent: Any, callback_context: Any) -> None:
        if agent.name == self._agent:
            await self._hung.wait()


class Store(InMemorySessionService):
    """Never stores what `agent` says or does."""

    def __init__(self, hung: Hung, agent: str) -> None:
        super().__init__()
        self._hung = hung
        self._agent = agent

    async def append_event(self, session: Any, event: Event) -> Event:
        if event.author == self._agent:
            await self._hung.wait()
        return await super().append_event(session, event)


async def test_a_queue_that_is_closed_at_once_leaves_no_error(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    runner = Runner(
        app_name="app", agent=Agent(name="a", model=ScriptedModel()), session_service=InMemorySessionService()
    )
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    queue = LiveRequestQueue()
    queue.close()
    run = runner.run_live(user_id="u", session_id=session.id, live_request_queue=queue)
    assert [event async for event in run] == []
    await asyncio.sleep(0)
    assert errors == []


class Desk:
    """A call with `slow`, which never gets ready because of `what`: as the first agent, or after a handover."""

    def __init__(self, what: str, *, follows: str | None) -> None:
        self.hung = Hung()
        self.model = ScriptedModel()
        self.slow_model = ScriptedModel()
        self.toolset = Toolset(self.hung if what == "toolset" else None)
        fields: dict[str, Any] = {"instruction": "Be kind."}
        if what == "callback":
            fields["before_agent_callback"] = lambda callback_context: self.hung.wait()
        elif what == "instruction":
            fields["instruction"] = self.hung.wait
        slow = Agent(name="slow", model=self.slow_model, tools=[self.toolset], **fields)
        desk = Agent(name="desk", model=self.model, sub_agents=[slow] if follows == "transfer" else [])
        agent: Any = desk if follows == "transfer" else slow
        if follows == "sequence":
            agent = SequentialAgent(name="all", sub_agents=[desk, slow])
        self.runner = Runner(
            app_name="app",
            agent=agent,
            session_service=Store(self.hung, "desk") if what == "store" else InMemorySessionService(),
            plugins=[Plugin(self.hung, "slow")] if what == "plugin" else [],
            engine=clocked(),
        )
        self.follows = follows

    async def ring(self) -> Call:
        """The call, when it hangs."""
        call = await Call.start(runner=self.runner, model=self.model)
        if self.follows is not None:
            call.queue.send_content(user("my card was charged twice"))
            connection = await call.connection()
            await connection.wait_sent(1)
            wanted = ("c1", "transfer_to_agent", {"agent_name": "slow"})
            await call.play(
                text("One moment."), calls(wanted if self.follows == "transfer" else ("c1", "task_completed"))
            )
        await settle()
        assert self.hung.begun > self.hung.stopped
        return call

    async def hang_up(self, call: Call) -> float:
        """Hangs up; the seconds until the run was over."""
        began = asyncio.get_running_loop().time()
        await call.end()
        return asyncio.get_running_loop().time() - began

    async def check(self) -> None:
        """Nothing is left, and the toolset is closed once, by the runner's close."""
        assert self.hung.begun == self.hung.stopped > 0
        assert all(connection.closed for connection in [*self.model.connections, *self.slow_model.connections])
        assert len(self.runner._leases) == 0
        assert self.toolset.closed == 0
        await self.runner.close()
        assert self.toolset.closed == 1


WHATS = ["instruction", "toolset", "callback", "plugin"]


@pytest.mark.parametrize("what", WHATS)
@virtual
async def test_a_call_is_over_at_once_while_its_first_agent_gets_ready(what: str) -> None:
    desk = Desk(what, follows=None)
    call = await desk.ring()
    assert await desk.hang_up(call) < 0.01
    assert call.short == []
    assert desk.slow_model.connections == []
    await desk.check()


@pytest.mark.parametrize("follows", ["transfer", "sequence"])
@pytest.mark.parametrize("what", WHATS)
@virtual
async def test_a_call_is_over_at_once_while_the_next_agent_gets_ready(what: str, follows: str) -> None:
    desk = Desk(what, follows=follows)
    call = await desk.ring()
    assert await desk.hang_up(call) < 0.01
    assert await call.saved_short() == [
        "user:my card was charged twice",
        "M:One moment.",
        "call-c1",
        "answer-c1",
        "end",
    ]
    assert desk.slow_model.connections == []
    await desk.check()


@virtual
async def test_a_call_whose_store_hangs_between_two_agents_is_over_when_the_store_has_had_its_time(caplog) -> None:
    desk = Desk("store", follows="transfer")
    call = await desk.ring()
    with caplog.at_level(logging.ERROR):
        assert await desk.hang_up(call) == pytest.approx(LiveSettings().store_deadline_s, abs=0.1)
    assert "could not be written to its end" in caplog.text
    await desk.check()


@pytest.mark.parametrize("what", WHATS)
@virtual
async def test_sound_that_waits_for_the_agent_does_not_keep_the_call(what: str) -> None:
    desk = Desk(what, follows="transfer")
    call = await desk.ring()
    for _ in range(10):
        call.queue.send_realtime(pcm())
    assert await desk.hang_up(call) < 0.01
    await desk.check()


@pytest.mark.parametrize("follows", [None, "transfer"])
@pytest.mark.parametrize("what", WHATS)
@virtual
async def test_words_that_wait_for_the_agent_have_their_deadline(what: str, follows: str | None, caplog) -> None:
    desk = Desk(what, follows=follows)
    call = await desk.ring()
    call.queue.send_content(user("are you there?"))
    with caplog.at_level(logging.WARNING):
        assert await desk.hang_up(call) == pytest.approx(DEADLINE_S, abs=0.01)
    assert "closed with words unsent" in caplog.text
    await desk.check()


@virtual
async def test_words_that_wait_for_an_agent_that_does_get_ready_are_said_to_it() -> None:
    async def think(_: Any) -> str:
        await asyncio.sleep(1)
        return "Be kind."

    call = await Call.start(instruction=think)
    call.queue.send_content(user("goodbye"))
    await asyncio.sleep(0.5)
    await call.end()
    assert [value.text for kind, value in call.model.connections[0].sent if kind == "content"] == ["goodbye"]
    assert await call.saved_short() == ["user:goodbye"]


@pytest.mark.parametrize("what", WHATS)
@virtual
async def test_a_run_on_a_closed_queue_does_not_wait_for_long(what: str) -> None:
    desk = Desk(what, follows=None)
    call = await Call.start(runner=desk.runner, model=desk.model)
    assert await desk.hang_up(call) <= DEADLINE_S + 0.01
    assert desk.slow_model.connections == []
    assert len(desk.runner._leases) == 0


# -- a handover that does not come about ------------------------------------------------------------------------


@virtual
async def test_the_line_of_an_agent_that_was_to_take_over_is_let_go_when_the_user_hangs_up_first() -> None:
    hung = Hung()
    model, next_model = ScriptedModel(), ScriptedModel()
    agent = Agent(
        name="desk",
        model=model,
        sub_agents=[Agent(name="next", model=next_model)],
        before_tool_callback=lambda tool, args, tool_context: hung.wait(),
    )
    runner = Runner(app_name="app", agent=agent, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    await call.play(calls(("c1", "transfer_to_agent", {"agent_name": "next"})))
    await next_model.opened(1)
    began = asyncio.get_running_loop().time()
    await call.end()
    assert asyncio.get_running_loop().time() - began < LiveSettings().tool_deadline_s + 2.0
    assert next_model.connections[0].closed
    assert hung.begun == hung.stopped == 1


class Unreachable(ScriptedModel):
    @asynccontextmanager
    async def connect(self, request: Any) -> Any:
        await asyncio.sleep(1e6)
        yield


@pytest.mark.parametrize(("words", "most_s"), [(0, 0.01), (1, 10.01)])
@virtual
async def test_a_model_that_is_never_reached_does_not_keep_the_call(words: int, most_s: float) -> None:
    call = await Call.start(model=Unreachable())
    for _ in range(words):
        call.queue.send_content(user("hello?"))
    await settle()
    began = asyncio.get_running_loop().time()
    await call.end()
    assert asyncio.get_running_loop().time() - began < most_s


@virtual
async def test_hanging_up_in_the_middle_of_an_answer_is_as_ever() -> None:
    call = await Call.start()
    await call.play(text("One"), text(" two"))
    assert await call.end() == ["P:One", "P: two", "M:One two!"]
    call = await Call.start()
    await call.play(text("One"), TURN_COMPLETE)
    assert await call.end() == ["P:One", "M:One", "end"]
