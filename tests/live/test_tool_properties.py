"""Random schedules of calls, progress, interruptions, losses, decisions and crashes: tools keep their promises.

Never two runs of one deed at a time, and none after it was done; every cancellation seen within 50 ms; one answer for
each call; no call without its answer in anything that a model is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import Agent, Runner, types
from fullduplex.live import LiveSettings
from fullduplex.live.briefing import brief
from fullduplex.sessions import InMemorySessionService, Session
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.tools.streaming import PENDING
from fullduplex.turns.approvals import REQUESTS, open_requests
from fullduplex.turns.reconnect import ReconnectPolicy
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, calls, cancellation, clocked, leftovers, settle

SEEN_WITHIN_S = 0.05
STEPS = ("call", "progress", "interrupt", "take back", "reconnect", "approve", "deny", "finish", "fail", "crash")
TOOLS = ("work", "pay", "brittle", "watch", "plain")

Case = list[tuple[str, int]]
cases = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 49)), min_size=4, max_size=14)


@dataclass
class Run:
    """One run of a tool's code."""

    tool: str
    key: str
    call_id: str
    gate: asyncio.Future[Any]


@dataclass
class World:
    """What a schedule is played on: the tools' own books, and one process after another on one session."""

    store: InMemorySessionService = field(default_factory=InMemorySessionService)
    model: ScriptedModel = field(default_factory=ScriptedModel)
    running: list[Run] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    overlaps: int = 0
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The calls of this process that are neither answered nor taken back: tool and key."""
    called: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    """Calls that were taken back, or were open when the process crashed."""
    past: list[Call] = field(default_factory=list)
    session: Session | None = None
    call: Call | None = None

    # -- the tools ----------------------------------------------------------------------------------------------------

    def tools(self) -> list[FunctionTool]:
        async def work(key: str, tool_context: ToolContext) -> str:
            return await self._run("work", key, tool_context)

        async def pay(key: str, tool_context: ToolContext) -> str:
            return await self._run("pay", key, tool_context)

        async def brittle(key: str, tool_context: ToolContext) -> str:
            return await self._run("brittle", key, tool_context)

        async def plain(key: str, tool_context: ToolContext) -> str:
            return await self._run("plain", tool_context.function_call_id or "", tool_context)

        async def watch(key: str, tool_context: ToolContext) -> AsyncGenerator[str, None]:
            while (said := await self._run("watch", tool_context.function_call_id or "", tool_context)) != "end":
                yield said

        def key_of(args: dict[str, Any]) -> str:
            return str(args["key"])

        return [
            FunctionTool(work, idempotency_key=key_of),
            FunctionTool(pay, idempotency_key=key_of, require_confirmation=True),
            FunctionTool(brittle, idempotency_key=key_of, on_interrupt="cancel"),
            FunctionTool(plain),
            FunctionTool(watch),
        ]

    async def _run(self, tool: str, key: str, context: ToolContext) -> Any:
        run = Run(tool, f"{tool} {key}", context.function_call_id or "", asyncio.get_running_loop().create_future())
        self.overlaps += any(other.key == run.key for other in self.running)
        self.running.append(run)
        try:
            result = await run.gate
        finally:
            self.running.remove(run)
        if tool not in ("watch", "plain"):
            self.done[run.key] += 1
        return result

    # -- the steps ----------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """A process: a runner of its own, on the session that there is."""
        policy = ReconnectPolicy(first_delay_s=0.01, factor=1.0, budget=10_000)
        agent = Agent(name="guide", model=self.model, tools=self.tools())
        settings = LiveSettings(reconnect=policy)
        runner = Runner(app_name="app", agent=agent, session_service=self.store, engine=clocked(settings))
        number = len(self.model.connections) + 1
        self.call = await Call.start(runner=runner, model=self.model, session=self.session)
        self.session = await self.call.saved()
        await self.call.connection(number)
        await settle()

    async def step(self, kind: str, detail: int) -> None:
        line = self.model.connections[-1]
        assert self.call is not None
        if kind == "call":
            self._call(line, detail)
        elif kind == "interrupt":
            gone = [key for key, (tool, _) in self.waiting.items() if tool == "brittle"]
            self._forget(gone)
            line.say(INTERRUPTED)
        elif kind == "take back":
            gone = list(self.waiting)[-1 - detail % 3 :][:2]
            self._forget(gone)
            line.say(cancellation(*gone))
        elif kind == "reconnect":
            number = len(self.model.connections) + 1
            if detail % 2:
                line.say(TURN_COMPLETE)
            line.lose()
            await self.call.connection(number)
        elif kind in ("approve", "deny"):
            await self._decide(kind == "approve", detail)
        elif kind in ("finish", "fail", "progress"):
            self._release(kind, detail)
        else:
            await self._crash()
        await asyncio.sleep(SEEN_WITHIN_S)
        self._note_answers()
        self.check()

    def _call(self, line: ScriptedConnection, detail: int) -> None:
        wanted = []
        for tool in (TOOLS[detail % 5], TOOLS[detail // 5 % 5])[: 2 - detail // 30]:
            call_id, key = f"c{len(self.called)}", f"k{detail // 10 % 2}"
            self.called.append(call_id)
            self.waiting[call_id] = (tool, key)
            wanted.append((call_id, tool, {"key": key}))
        line.say(calls(*wanted))

    def _release(self, kind: str, detail: int) -> None:
        """Lets one of the tools that work finish, fail, or say something."""
        runs = [run for run in self.running if (run.tool == "watch") is (kind == "progress") and not run.gate.done()]
        if kind != "progress":
            runs += [run for run in self.running if run.tool == "watch" and not run.gate.done()]
        if not runs:
            return
        run = runs[detail % len(runs)]
        if kind == "fail":
            run.gate.set_exception(ValueError("broken"))
        else:
            run.gate.set_result("end" if run.tool == "watch" and kind == "finish" else f"{kind} {run.call_id}")

    async def _decide(self, confirmed: bool, detail: int) -> None:
        assert self.call is not None
        asked = open_requests((await self.call.saved()).events)
        if not asked:
            return
        request = list(asked.values())[detail % len(asked)]
        self.waiting.setdefault(request.call.id or "", ("pay", request.call.args["key"]))  # of an earlier process
        self.lost.discard(request.call.id or "")
        answer = types.FunctionResponse(id=request.id, name=request.kind, response={"confirmed": confirmed})
        self.call.queue.send_content(types.Content(parts=[types.Part(function_response=answer)]))

    async def _crash(self) -> None:
        assert self.call is not None
        self._note_answers()
        self._forget(list(self.waiting))
        self.call.reader.cancel()
        await asyncio.wait([self.call.reader])
        await asyncio.sleep(SEEN_WITHIN_S)
        assert self.running == [], "nothing works on after the run"
        self.past.append(self.call)
        self._note_answers()
        await self.begin()

    def _forget(self, call_ids: list[str]) -> None:
        for call_id in call_ids:
            del self.waiting[call_id]
            self.lost.add(call_id)

    def _note_answers(self) -> None:
        for call_id in self.answered():
            if self.waiting.get(call_id, ("", ""))[0] != "watch":
                self.waiting.pop(call_id, None)

    def answered(self) -> Counter[str]:
        """How often each call was answered, updates not counted."""
        every = [event for call in [*self.past, self.call] if call is not None for event in call.events]
        given = [one for event in every if not event.partial for one in event.get_function_responses()]
        return Counter(one.id or "" for one in given if one.name not in REQUESTS)

    # -- the promises -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        assert self.overlaps == 0, "two runs of one deed"
        assert set(self.done.values()) <= {1}, "a deed was done twice"
        wanted = {
            f"{tool} {call_id if tool in ('watch', 'plain') else key}" for call_id, (tool, key) in self.waiting.items()
        }
        for run in self.running:
            assert run.key in wanted, f"{run} goes on, and nobody waits for it"

    async def end(self) -> None:
        """Everybody decides and finishes, and the user hangs up."""
        assert self.call is not None
        for _ in range(40):
            await self._decide(confirmed=False, detail=0)
            self._release("finish", 0)
            await settle()
            if not self.running and not open_requests((await self.call.saved()).events):
                break
        await asyncio.sleep(SEEN_WITHIN_S)
        await self.call.end()
        self._note_answers()
        self.check()
        assert self.running == []
        assert leftovers() == []
        answered = self.answered()
        assert set(answered.values()) <= {1}, "one answer for each call"
        unanswered = [call_id for call_id in self.called if not answered[call_id] and call_id not in self.lost]
        assert unanswered == [], "each call is answered, unless it was taken back"
        self._check_wire()
        told = brief((await self.call.saved()).events, since=None).contents
        assert_no_dangling_call(told)

    def _check_wire(self) -> None:
        sent = [entry for connection in self.model.connections for entry in connection.sent]
        responses = [one for kind, value in sent if kind == "tool_response" for one in value]
        firsts = Counter(one.id for one in responses if one.name != "watch" or one.response == PENDING)
        assert set(firsts.values()) <= {1}
        begun = set()
        for one in responses:
            if one.response == PENDING:
                begun.add(one.id)
            assert one.name != "watch" or one.id in begun, "that it is pending comes first"
        for connection in self.model.connections:
            assert_no_dangling_call(connection.request.history)
            for kind, value in connection.sent:
                if kind in ("history", "question"):
                    assert_no_dangling_call(value)


def assert_no_dangling_call(contents: list[types.Content]) -> None:
    parts = [part for content in contents for part in content.parts or []]
    answered = {part.function_response.id for part in parts if part.function_response is not None}
    called = [part.function_call for part in parts if part.function_call is not None]
    assert [call for call in called if call.id not in answered] == []
    assert not any(call.name in REQUESTS for call in called)


async def play(case: Case) -> None:
    world = World()
    await world.begin()
    for kind, detail in case:
        await world.step(kind, detail)
    await world.end()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of expected warnings would take most of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.spec(101)
@pytest.mark.timeout(300)
@settings(max_examples=2000, derandomize=True, deadline=None)
@given(cases)
def test_any_schedule_keeps_the_promises(case: Case) -> None:
    run_virtual(play(case))
