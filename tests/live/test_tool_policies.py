"""How tools behave beside a live conversation: who waits, what is done once, in time, or not after an interruption."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from fullduplex import Agent, RunConfig, Runner, types
from fullduplex.agents import LoopAgent
from fullduplex.agents.run_config import ToolThreadPoolConfig
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool, LongRunningFunctionTool, ToolContext, exit_loop
from fullduplex.types.config import Behavior, FunctionResponseScheduling
from tests.live.kit import (
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    answers,
    audio,
    calls,
    cancellation,
    clocked,
    handle,
    settle,
    text,
    virtual,
)


def respond(call: Call, call_id: str, name: str, **response: Any) -> None:
    answer = types.FunctionResponse(id=call_id, name=name, response=response)
    call.queue.send_content(types.Content(role="user", parts=[types.Part(function_response=answer)]))


# -- plugins and callbacks --------------------------------------------------------------------------------------------


class Tracer(BasePlugin):
    def __init__(self, trace: list[str], answer: dict[str, Any] | None = None) -> None:
        super().__init__("tracer")
        self.trace = trace
        self.answer = answer

    async def before_tool_callback(self, **given: Any) -> dict[str, Any] | None:
        self.trace.append(f"plugin before {given['tool'].name} {given['tool_args']}")
        return self.answer

    async def after_tool_callback(self, **given: Any) -> None:
        self.trace.append(f"plugin after {given['result']}")


def tracing(trace: list[str], tool: FunctionTool, **callbacks: Any) -> Runner:
    agent = Agent(name="guide", model=ScriptedModel(), tools=[tool], **callbacks)
    return Runner(
        app_name="app",
        agent=agent,
        session_service=InMemorySessionService(),
        engine=clocked(),
        plugins=[Tracer(trace)],
    )


@pytest.mark.spec(88)
@virtual
async def test_plugins_and_callbacks_stand_around_a_tool_in_order() -> None:
    trace: list[str] = []

    async def tool(n: int) -> str:
        trace.append("tool")
        return "ok"

    def before(tool: Any, args: dict[str, Any], tool_context: ToolContext) -> None:
        trace.append(f"before {args}")
        args["n"] += 1

    async def after(tool: Any, args: dict[str, Any], tool_context: ToolContext, tool_response: Any) -> dict[str, Any]:
        trace.append(f"after {args} {tool_response}")
        return {"replaced": True}

    runner = tracing(trace, FunctionTool(tool), before_tool_callback=before, after_tool_callback=after)
    call = await Call.start(runner=runner, model=runner.agent.model)
    connection = await call.play(calls(("c1", "tool", {"n": 1})))
    await call.end()
    assert trace == ["plugin before tool {'n': 1}", "before {'n': 1}", "tool", "plugin after ok", "after {'n': 2} ok"]
    assert answers(connection)[0].response == {"replaced": True}


@pytest.mark.spec(88)
@virtual
async def test_a_callback_may_answer_in_the_tools_place() -> None:
    ran: list[int] = []

    async def tool() -> None:
        ran.append(1)

    call = await Call.start(tools=[tool], before_tool_callback=lambda tool, args, tool_context: {"instead": 1})
    connection = await call.play(calls(("c1", "tool")))
    await call.end()
    assert (ran, answers(connection)[0].response) == ([], {"instead": 1})


@virtual
async def test_a_callback_that_fails_keeps_the_tool_from_running_and_the_run_lives_on(caplog) -> None:
    ran: list[int] = []

    async def tool() -> None:
        ran.append(1)

    def broken(tool: Any, args: dict[str, Any], tool_context: ToolContext) -> None:
        raise RuntimeError("no")

    call = await Call.start(tools=[tool], before_tool_callback=broken)
    with caplog.at_level(logging.CRITICAL):
        connection = await call.play(calls(("c1", "tool")), text("fine"), TURN_COMPLETE)
        assert (await call.end())[-1] == "end"
    assert ran == []
    assert "RuntimeError" in answers(connection)[0].response["error"]


@pytest.mark.spec(87)
@virtual
async def test_an_error_callback_answers_for_a_tool_that_failed() -> None:
    async def tool() -> None:
        raise ValueError("x")

    def rescue(tool: Any, args: dict[str, Any], tool_context: ToolContext, error: Exception) -> dict[str, Any]:
        return {"rescued": type(error).__name__}

    call = await Call.start(tools=[tool], on_tool_error_callback=rescue)
    connection = await call.play(calls(("c1", "tool")), text("fine"), TURN_COMPLETE)
    assert (await call.end())[-1] == "end"
    assert answers(connection)[0].response == {"rescued": "ValueError"}


# -- who waits --------------------------------------------------------------------------------------------------------


@pytest.mark.spec(47, 92)
@virtual
async def test_a_long_running_tool_gives_a_ticket_and_the_app_the_result() -> None:
    async def order(item: str) -> dict[str, str]:
        """Orders."""
        return {"ticket": item}

    async def plain() -> None:
        pass

    tool = LongRunningFunctionTool(order)
    assert tool.declaration().description.startswith("Orders.\n\nNOTE: This is a long-running operation.")
    call = await Call.start(tools=[tool, plain])
    connection = await call.play(calls(("c1", "order", {"item": "tea"}), ("c2", "plain")), text("Soon."), TURN_COMPLETE)
    assert call.events[1].long_running_tool_ids == {"c1"}
    await asyncio.sleep(600)
    respond(call, "c1", "order", status="delivered")
    await settle()
    await call.end()
    assert [(one.id, one.response) for one in answers(connection)] == [
        ("c1", {"ticket": "tea"}),
        ("c2", {"result": None}),
        ("c1", {"status": "delivered"}),
    ]


@pytest.mark.spec(92)
@virtual
async def test_a_long_running_tool_that_says_nothing_yet_has_no_event() -> None:
    async def order() -> None:
        """Orders."""

    call = await Call.start(tools=[LongRunningFunctionTool(order)])
    connection = await call.play(calls(("c1", "order")), text("Soon."), TURN_COMPLETE)
    assert call.short == ["call-c1", "P:Soon.", "M:Soon.", "end"]
    assert connection.sent == []
    respond(call, "c1", "order", status="delivered")
    await settle()
    await call.end()
    assert [(one.id, one.response) for one in answers(connection)] == [("c1", {"status": "delivered"})]


@pytest.mark.spec(93)
@virtual
async def test_while_a_tool_does_not_block_the_turn_goes_on_and_its_answer_comes_late() -> None:
    async def search() -> str:
        """Searches."""
        await asyncio.sleep(5)
        return "found"

    async def clock() -> str:
        """Tells the time."""
        return "noon"

    late = FunctionTool(search, response_scheduling=FunctionResponseScheduling.WHEN_IDLE)
    assert late.declaration().behavior == "NON_BLOCKING"
    call = await Call.start(tools=[late, FunctionTool(clock, behavior=Behavior.BLOCKING)])
    connection = await call.play(calls(("c1", "search"), ("c2", "clock")), text("Meanwhile"), TURN_COMPLETE)
    assert call.short == ["call-c1 call-c2", "answer-c2", "P:Meanwhile", "M:Meanwhile", "end"]
    await asyncio.sleep(10)
    assert (await call.end())[-1] == "answer-c1"
    assert [(one.id, one.scheduling) for one in answers(connection)] == [("c2", None), ("c1", "WHEN_IDLE")]


@pytest.mark.spec(102)
@virtual
async def test_what_needs_no_words_is_told_silently() -> None:
    async def show(tool_context: ToolContext) -> dict[str, str]:
        """Shows a card."""
        tool_context.actions.skip_summarization = True
        return {"card": "shown"}

    async def look() -> str:
        """Looks."""
        return "seen"

    call = await Call.start(tools=[show, look])
    connection = await call.play(calls(("c1", "show"), ("c2", "look")))
    await call.end()
    event = next(event for event in call.events if event.get_function_responses())
    assert event.actions.skip_summarization is True
    assert event.is_final_response()
    assert [one.scheduling for one in answers(connection)] == ["SILENT", None]


@pytest.mark.spec(102)
@virtual
async def test_an_escalation_is_in_the_answers_event_and_ends_the_loop() -> None:
    model = ScriptedModel()
    loop = LoopAgent(name="loop", sub_agents=[Agent(name="guide", model=model, tools=[exit_loop])])
    runner = Runner(app_name="app", agent=loop, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    await call.play(calls(("c1", "exit_loop")))
    await call.reader
    assert call.events[-1].actions.escalate is True


@pytest.mark.spec(102)
@virtual
async def test_any_tool_may_hand_the_conversation_over_by_its_actions() -> None:
    async def route(tool_context: ToolContext) -> str:
        """Routes."""
        tool_context.actions.transfer_to_agent = "clerk"
        return "moved"

    model = ScriptedModel()
    agent = Agent(name="guide", model=model, tools=[route], sub_agents=[Agent(name="clerk")])
    runner = Runner(app_name="app", agent=agent, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    await call.play(calls(("c1", "route")))
    second = await call.connection(2)
    second.say(text("Clerk here."))
    second.say(TURN_COMPLETE)
    await settle()
    await call.end()
    assert next(e for e in call.events if e.get_function_responses()).actions.transfer_to_agent == "clerk"
    assert call.events[-1].author == "clerk"


# -- deadlines and interruptions --------------------------------------------------------------------------------------


class Seen:
    """A tool that notes when it is stopped."""

    def __init__(self) -> None:
        self.runs = 0
        self.stopped: list[float] = []

    def tool(self, **options: Any) -> FunctionTool:
        async def work() -> str:
            """Works."""
            self.runs += 1
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                self.stopped.append(asyncio.get_running_loop().time())
                raise
            return "done"

        return FunctionTool(work, **options)


@virtual
async def test_a_deadline_ends_a_tool_and_the_model_is_told() -> None:
    seen = Seen()
    call = await Call.start(tools=[seen.tool(deadline_s=2)])
    connection = await call.play(calls(("c1", "work")))
    begun = asyncio.get_running_loop().time()
    await asyncio.sleep(3)
    await call.end()
    assert seen.stopped == [pytest.approx(begun + 2, abs=0.05)]
    assert "timeout" in answers(connection)[0].response["error"]


@pytest.mark.parametrize("by", ["voice", "button"])
@virtual
async def test_an_interruption_cancels_the_tools_that_want_it_and_no_others(by: str) -> None:
    kept, dropped = Seen(), Seen()
    one, other = kept.tool(), dropped.tool(on_interrupt="cancel")
    other.name = "other"
    call = await Call.start(tools=[one, other])
    connection = await call.play(audio(), calls(("c1", "work"), ("c2", "other")))
    now = asyncio.get_running_loop().time()
    if by == "voice":
        connection.say(INTERRUPTED)
    else:
        call.queue.interrupt()
    await asyncio.sleep(20)
    await call.end()
    assert [time - now < 0.05 for time in dropped.stopped] == [True]
    assert kept.stopped == []
    assert call.short == ["audio", "call-c1 call-c2", "interrupted", "cancelled", "answer-c1"]
    assert [answer.id for answer in answers(connection)] == ["c1"]


# -- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [True, False])
@virtual
async def test_a_call_that_is_repeated_after_a_loss_joins_the_run_that_works(resumed: bool) -> None:
    seen = Seen()
    call = await Call.start(tools=[seen.tool(idempotency_key=True)])
    first = await call.connection()
    await settle()
    if resumed:
        first.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    await call.play(calls(("c1", "work")))
    first.lose()
    second = await call.connection(2)
    second.say(calls(("c2", "work")))
    await asyncio.sleep(20)
    second.say(calls(("c3", "work")))
    await settle()
    await call.end()
    assert seen.runs == 1
    told = [one for event in call.events for one in event.get_function_responses()]
    assert [(one.id, one.response) for one in told] == [(key, {"result": "done"}) for key in ("c1", "c2", "c3")]


@virtual
async def test_what_is_done_is_not_done_again_in_the_next_run() -> None:
    seen, model = Seen(), ScriptedModel()
    call = await Call.start(model=model, tools=[seen.tool(idempotency_key=True)])
    await call.play(calls(("c1", "work")))
    await asyncio.sleep(20)
    await call.end()
    again = await Call.start(runner=call.runner, model=model, session=await call.saved())
    second = await again.play(calls(("c2", "work")), number=2)
    await again.end()
    assert seen.runs == 1
    assert answers(second)[0].response == {"result": "done"}


# -- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec(96)
async def test_a_synchronous_tool_that_computes_leaves_the_loop_its_time() -> None:
    began = threading.Event()

    def compute() -> int:
        """Computes for a while."""
        began.set()
        until, total = time.thread_time() + 0.4, 0
        while time.thread_time() < until:
            total += 1
        return total

    config = RunConfig(tool_thread_pool_config=ToolThreadPoolConfig(max_workers=1))
    call = await Call.start(tools=[compute], run_config=config)
    connection = await call.connection()
    connection.say(calls(("c1", "compute")))
    late = []
    async with asyncio.timeout(30):
        while not connection.sent:
            asked = time.perf_counter()
            await asyncio.sleep(0.001)
            if began.is_set():
                late.append(time.perf_counter() - asked)
    await call.end()
    # The machine may be busy with other things: what counts is that the tool does not take the loop's turns.
    late.sort()
    assert len(late) > 8
    assert late[len(late) * 9 // 10] < 0.05


@pytest.mark.spec(92)
@pytest.mark.parametrize("resumed", [True, False])
@virtual
async def test_a_late_result_is_kept_and_told_to_the_lines_that_follow(resumed: bool) -> None:
    async def order() -> dict[str, str]:
        """Orders."""
        return {"ticket": "t1"}

    call = await Call.start(tools=[LongRunningFunctionTool(order)])
    first = await call.play(calls(("c1", "order")), text("Soon."), TURN_COMPLETE)
    if resumed:
        await call.play({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    first.lose()
    second = await call.connection(2)
    await settle()
    respond(call, "c1", "order", status="delivered")
    await settle()
    second.say(TURN_COMPLETE)
    await settle()
    second.lose()
    third = await call.connection(3)
    await settle()
    await call.end()
    assert second.sent[-1][0] == "question"
    assert [one for one in await call.saved_short() if "answer" in one] == ["answer-c1", "useranswer-c1"]
    told = [part for kind, turns in third.sent for turn in turns for part in turn.parts]
    late = next(
        n for n, part in enumerate(told) if part.function_response and "status" in part.function_response.response
    )
    assert told[late - 1].function_call.id == "c1", "an answer comes right after its call"


@virtual
async def test_a_call_that_was_taken_back_is_not_waited_for() -> None:
    seen = Seen()
    call = await Call.start(tools=[seen.tool()])
    first = await call.play(calls(("c1", "work")), cancellation("c1"), TURN_COMPLETE, handle("h"))
    first.lose()
    second = await call.connection(2)
    await call.end()
    assert second.request.config.session_resumption.handle == "h", "which is not taken up while a tool is waited for"
