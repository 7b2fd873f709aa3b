"""Workflow agents in a live run: one agent after another, and over and over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import Agent, types
from fullduplex.agents import BaseAgent, InvocationContext, LoopAgent, SequentialAgent
from fullduplex.events import Event, EventActions
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import exit_loop
from tests.live.kit import TURN_COMPLETE, Call, audio, calls, said, settle, short, text, user, virtual
from tests.live.test_transfer import on, slices, to, told, traced
from tests.live.wire import speech

COMPLETED = calls(("d", "task_completed"))
EXIT = calls(("x", "exit_loop"))


def steps(*names: str, **fields: Any) -> tuple[list[BaseAgent], ScriptedModel]:
    """Agents of these names, all on one model, whose connections tell in which order they worked."""
    model = ScriptedModel()
    return [Agent(name=name, model=model, **fields) for name in names], model


async def work(model: ScriptedModel, number: int, *messages: dict[str, Any]) -> None:
    """Lets the agent on the connection with this number say these."""
    connection = await model.opened(number)
    await settle()
    for message in messages:
        connection.say(message)
        await settle()


def authors(call: Call) -> list[str]:
    """Who spoke, in order, each once for all that it said without a break."""
    spoke = [event.author for event in call.events if event.content is not None]
    return [name for number, name in enumerate(spoke) if number == 0 or spoke[number - 1] != name]


@pytest.mark.spec(134)
@virtual
async def test_steps_follow_one_another_and_the_run_ends_after_the_last() -> None:
    agents, model = steps("draft", "review")
    call = await Call.start(runner=on(SequentialAgent(name="write", sub_agents=agents)), model=model)
    call.queue.send_content(user("a letter"))
    await settle()
    await work(model, 1, text("Dear Sir."), COMPLETED)
    await work(model, 2, text("Fine."), TURN_COMPLETE, COMPLETED)
    await call.reader
    assert [(event.author, short(event)) for event in call.events if event.setup_complete is None] == [
        ("draft", "P:Dear Sir."),
        ("draft", "M:Dear Sir."),
        ("draft", "call-d"),
        ("draft", "answer-d"),
        ("draft", "end"),
        ("review", "P:Fine."),
        ("review", "M:Fine."),
        ("review", "end"),
        ("review", "call-d"),
        ("review", "answer-d"),
    ]
    (kind, history) = told(model.connections[1])[0]
    assert kind == "question"
    assert history[0] == "a letter"
    assert "[draft] said: Dear Sir." in history[1]


@virtual
async def test_who_hangs_up_in_the_middle_ends_all_steps() -> None:
    agents, model = steps("draft", "review")
    call = await Call.start(runner=on(SequentialAgent(name="write", sub_agents=agents)), model=model)
    await model.opened()
    await call.end()
    assert len(model.connections) == 1


@virtual
async def test_what_is_said_while_steps_change_reaches_the_next_once() -> None:
    agents, model = steps("draft", "review")
    call = await Call.start(runner=on(SequentialAgent(name="write", sub_agents=agents)), model=model)
    connection = await model.opened()
    await settle()
    chunks = speech(0, 20)
    for number, blob in enumerate(chunks):
        call.queue.send_realtime(blob)
        if number == 10:
            connection.say(COMPLETED)
    second = await model.opened(2)
    await settle()
    assert slices(second) == list(range(40))
    await call.end()


@virtual
async def test_an_own_tool_of_that_name_completes_the_step_unless_it_fails() -> None:
    tries: list[int] = []

    async def task_completed() -> str:
        """My own."""
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return "good"

    agents, model = steps("draft", "review", tools=[task_completed])
    call = await Call.start(runner=on(SequentialAgent(name="write", sub_agents=agents)), model=model)
    await work(model, 1, COMPLETED, text("Again."), COMPLETED)
    await work(model, 2, text("Mine."))
    assert authors(call) == ["draft", "review"]
    await call.end()


@virtual
async def test_a_tool_of_that_name_ends_no_run_of_an_agent_that_is_no_step() -> None:
    async def task_completed(number: int) -> str:
        """Ticks a task off."""
        return f"{number} is done"

    model = ScriptedModel()
    call = await Call.start(runner=on(Agent(name="list", model=model, tools=[task_completed])), model=model)
    await call.play(calls(("d", "task_completed", {"number": 3})), text("Done."), TURN_COMPLETE)
    assert await call.end() == ["call-d", "answer-d", "P:Done.", "M:Done.", "end"]


@virtual
async def test_callbacks_stand_around_each_step_and_one_that_speaks_skips_it() -> None:
    trace: list[str] = []
    model = ScriptedModel()
    agents = [
        Agent(name="draft", model=model, **traced(trace, "draft")),
        Agent(name="skipped", model=model, before_agent_callback=lambda _: _words("No need.")),
        Agent(name="review", model=model, **traced(trace, "review")),
    ]
    write = SequentialAgent(name="write", sub_agents=agents, **traced(trace, "write"))
    call = await Call.start(runner=on(write), model=model)
    await work(model, 1, COMPLETED)
    await work(model, 2, COMPLETED)
    await call.reader
    assert trace == ["before write", "before draft", "after draft", "before review", "after review", "after write"]
    assert authors(call) == ["draft", "skipped", "review"]


def _words(words: str) -> types.Content:
    return types.Content(parts=[types.Part(text=words)])


# -- loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec(136)
@virtual
async def test_a_loop_goes_round_as_often_as_it_may() -> None:
    agents, model = steps("ask", "check")
    call = await Call.start(runner=on(LoopAgent(name="form", sub_agents=agents, max_iterations=3)), model=model)
    for number in range(1, 7):
        await work(model, number, audio(), said(f"{number}", True), COMPLETED)
    await call.reader
    assert authors(call) == ["ask", "check"] * 3
    assert len(model.connections) == 6


@pytest.mark.spec(136)
@virtual
async def test_a_loop_ends_when_an_agent_escalates() -> None:
    model = ScriptedModel()
    agents = [Agent(name="ask", model=model), Agent(name="check", model=model, tools=[exit_loop])]
    call = await Call.start(runner=on(LoopAgent(name="form", sub_agents=agents)), model=model)
    for number in range(1, 6):
        await work(model, number, COMPLETED)
    await work(model, 6, EXIT)
    await call.reader
    assert [bool(event.actions.escalate) for event in call.events if event.get_function_responses()] == [
        *[False] * 5,
        True,
    ]
    assert len(model.connections) == 6


@virtual
async def test_a_loop_ends_when_an_agent_of_ones_own_says_so() -> None:
    class Check(BaseAgent):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            done = ctx.session.state.get("answer") == "42"
            yield Event(author=self.name, invocation_id=ctx.invocation_id, actions=EventActions(escalate=done))

    model = ScriptedModel()
    ask = Agent(name="ask", model=model, output_key="answer")
    call = await Call.start(runner=on(LoopAgent(name="form", sub_agents=[ask, Check(name="check")])), model=model)
    await work(model, 1, text("4"), COMPLETED)
    await work(model, 2, text("2"), COMPLETED)
    await call.reader
    assert [event.actions.escalate for event in call.events if event.author == "check"] == [False, True]


@virtual
async def test_only_the_innermost_loop_ends_and_the_steps_around_it_go_on() -> None:
    model = ScriptedModel()
    ask = Agent(name="ask", model=model, tools=[exit_loop])
    last = Agent(name="last", model=model)
    form = LoopAgent(name="form", sub_agents=[ask])
    outer = LoopAgent(name="outer", sub_agents=[form, last], max_iterations=2)
    call = await Call.start(runner=on(outer), model=model)
    for number in (1, 3):
        await work(model, number, EXIT)
        await work(model, number + 1, text("Next."), COMPLETED)
    await call.reader
    assert authors(call) == ["ask", "last"] * 2


@virtual
async def test_without_a_loop_there_is_nothing_to_leave() -> None:
    model = ScriptedModel()
    call = await Call.start(runner=on(Agent(name="ask", model=model, tools=[exit_loop])), model=model)
    await call.play(EXIT, text("Still here."), TURN_COMPLETE)
    call.queue.send_content(user("good"))
    await settle()
    assert [kind for kind, _ in model.connections[0].sent] == ["tool_response", "content"]
    await call.end()


@virtual
async def test_a_loop_in_which_everybody_is_skipped_can_be_left() -> None:
    agents, model = steps("ask", before_agent_callback=lambda _: _words("No."))
    call = await Call.start(runner=on(LoopAgent(name="form", sub_agents=agents)), model=model)
    await call.until(lambda _: len(call.events) > 20)
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert model.connections == []


@virtual
async def test_a_workflow_may_be_handed_the_conversation_and_gives_it_back() -> None:
    trace: list[str] = []
    agents, model = steps("ask", "confirm")
    first = ScriptedModel()
    form = SequentialAgent(name="form", description="Fills in the form.", sub_agents=agents, **traced(trace, "form"))
    root = Agent(name="root", model=first, sub_agents=[form], **traced(trace, "root"))
    call = await Call.start(runner=on(root), model=first)
    call.queue.send_content(user("sign me up"))
    await settle()
    await call.play(to("form"))
    await work(model, 1, text("Name?"), COMPLETED)
    await work(model, 2, text("Sure?"), COMPLETED)
    await work(first, 2, text("Welcome aboard."), TURN_COMPLETE)
    assert authors(call) == ["root", "ask", "confirm", "root"]
    assert first.connections[1].sent[0][0] == "question"
    await call.end()
    assert trace == ["before root", "before form", "after form", "after root"]
