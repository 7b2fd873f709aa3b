"""Agents of the developer's own, which run other agents in a live run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import Agent, types
from fullduplex.agents import BaseAgent, InvocationContext
from fullduplex.events import Event
from fullduplex.testing.scripted_model import ScriptedModel
from tests.live.kit import TURN_COMPLETE, Call, audio, calls, settle, short, text, user, virtual
from tests.live.test_transfer import on, traced

COMPLETED = calls(("done", "task_completed"))


async def task_completed() -> str:
    """Ends the part."""
    return "done"


class Chain(BaseAgent):
    """Runs its sub-agents as ADK's documentation shows it."""

    async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for agent in self.sub_agents:
            async for event in agent.run_live(ctx):
                yield event


def chain(kind: type[BaseAgent] = Chain, **first: Any) -> tuple[BaseAgent, ScriptedModel, ScriptedModel]:
    one, two = ScriptedModel("one"), ScriptedModel("two")
    agents = [
        Agent(name="one", model=one, tools=[task_completed], **first),
        Agent(name="two", model=two, tools=[task_completed]),
    ]
    return kind(name="chain", sub_agents=agents), one, two


@virtual
async def test_it_runs_one_agent_after_another_with_the_same_queue() -> None:
    agent, one, two = chain()
    call = await Call.start(runner=on(agent), model=one)
    call.queue.send_content(user("hello"))
    await call.play(text("Hi."), COMPLETED)
    second = await two.opened()
    await settle()
    second.say(text("Bye."))
    second.say(COMPLETED)
    await call.reader  # after the last, the run is over
    assert [(event.author, short(event)) for event in call.events if event.setup_complete is None] == [
        ("one", "P:Hi."),
        ("one", "M:Hi."),
        ("one", "call-done"),
        ("one", "answer-done"),
        ("one", "end"),
        ("two", "P:Bye."),
        ("two", "M:Bye."),
        ("two", "call-done"),
        ("two", "answer-done"),
        ("two", "end"),
    ]
    assert [kind for kind, _ in second.sent] == ["question"]
    kept = [short(event) for event in (await call.saved()).events if event.author in ("one", "two")]
    assert kept == [one for one in call.short if not one.startswith("P")]


@virtual
async def test_it_may_change_leave_out_and_add_what_the_app_sees() -> None:
    class Editor(Chain):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            yield Event(
                author=self.name,
                invocation_id=ctx.invocation_id,
                content=types.Content(role="model", parts=[types.Part(text="Welcome.")]),
            )
            async for event in self.sub_agents[0].run_live(ctx):
                if event.partial:
                    continue
                if event.content is not None:
                    event.custom_metadata = {"seen": True}
                yield event

    agent, one, _ = chain(Editor)
    call = await Call.start(runner=on(agent), model=one)
    await call.play(text("Hi."), TURN_COMPLETE)
    await call.end()
    assert call.short == [":Welcome.", "M:Hi.", "end"]
    assert [event.custom_metadata for event in call.events if event.content] == [None, {"seen": True}]
    assert await call.saved_short() == [":Welcome.", "M:Hi.", "end"]


@virtual
async def test_it_may_leave_an_agent_in_the_middle() -> None:
    trace: list[str] = []

    class Impatient(Chain):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in self.sub_agents[0].run_live(ctx):
                yield event
                if event.turn_complete:
                    break
            async for event in self.sub_agents[1].run_live(ctx):
                yield event

    agent, one, two = chain(Impatient, **traced(trace, "one"))
    call = await Call.start(runner=on(agent), model=one)
    first = await call.play(text("Hi."), TURN_COMPLETE)
    second = await two.opened()
    await settle()
    assert first.closed
    assert trace == ["before one", "after one"]
    call.queue.send_content(user("and you?"))
    await settle()
    assert [kind for kind, _ in second.sent] == ["history", "content"]
    await call.end()


@virtual
async def test_a_subclass_of_a_model_agent_may_look_at_its_own_events() -> None:
    seen: list[str] = []

    class Watched(Agent):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in super()._run_live_impl(ctx):
                seen.append(short(event))
                yield event

    model = ScriptedModel()
    call = await Call.start(runner=on(Watched(name="watched", model=model)), model=model)
    await call.play(text("Hi."), TURN_COMPLETE)
    assert await call.end() == ["P:Hi.", "M:Hi.", "end"]
    assert seen == ["setup", "P:Hi.", "M:Hi.", "end"]


@virtual
async def test_one_within_another() -> None:
    inner, one, two = chain()
    inner.name = "inner"
    call = await Call.start(runner=on(Chain(name="outer", sub_agents=[inner])), model=one)
    await call.play(COMPLETED)
    (await two.opened()).say(audio())
    await settle()
    assert await call.end() == ["call-done", "answer-done", "audio"]


@pytest.mark.parametrize("fails", [False, True])
@virtual
async def test_nothing_is_left_behind(fails: bool) -> None:
    class Failing(Chain):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in self.sub_agents[0].run_live(ctx):
                yield event
                if fails:
                    raise ValueError("mine")

    agent, one, _ = chain(Failing)
    call = await Call.start(runner=on(agent), model=one)
    await one.opened()
    if fails:
        with pytest.raises(ValueError, match="mine"):
            await call.reader
        assert call.short == ["error-internal"]
    else:
        call.reader.cancel()
        await asyncio.wait([call.reader])
    assert one.connections[0].closed


@virtual
async def test_who_runs_nobody_says_so() -> None:
    agent = BaseAgent(name="idle")
    call = await Call.start(runner=on(agent), model=ScriptedModel())
    with pytest.raises(NotImplementedError, match="BaseAgent does not run live"):
        await call.reader
