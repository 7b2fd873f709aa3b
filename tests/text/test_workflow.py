"""Transfer and workflow agents in text runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import Agent, Runner, types
from fullduplex.agents import BaseAgent, InvocationContext, LoopAgent, ParallelAgent, SequentialAgent
from fullduplex.events import Event, EventActions
from fullduplex.sessions import InMemorySessionService
from fullduplex.tools import ToolContext, exit_loop
from tests.text.kit import SSE, Chat, ScriptedTextModel, call, told


def agent(name: str, *turns: Any, **fields: Any) -> Agent:
    return Agent(name=name, model=ScriptedTextModel(*turns), **fields)


def transfer(name: str) -> types.FunctionCall:
    return call("transfer_to_agent", f"to-{name}", agent_name=name)


def requests_of(one: Agent) -> int:
    model = one.model
    assert isinstance(model, ScriptedTextModel)
    return len(model.requests)


# -- transfer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [None, SSE])
async def test_the_agent_that_takes_over_answers_the_question(config: Any) -> None:
    clerk = agent("clerk", "Hello, clerk here.")
    chat = Chat(agent=agent("root", transfer("clerk"), sub_agents=[clerk]))
    events = [line for line in await chat.say("the clerk, please", run_config=config) if "P:" not in line]
    assert events[:2] == ["root/call-to-clerk", "root/answer-to-clerk →clerk"]
    assert events[2] in ("clerk/:Hello, clerk here.", "clerk/M:Hello, clerk here.")
    assert len(events) == 3


async def test_the_agent_that_took_over_goes_on_in_the_next_run() -> None:
    root = agent("root", transfer("clerk"), sub_agents=[agent("clerk", "Here.", "Still here.")])
    chat = Chat(agent=root)
    await chat.say("the clerk, please")
    assert await chat.say("are you there?") == ["clerk/:Still here."]
    assert requests_of(root) == 1


async def test_a_round_trip() -> None:
    clerk = agent("clerk", transfer("root"))
    root = agent("root", transfer("clerk"), "Back with me.", sub_agents=[clerk])
    chat = Chat(agent=root)
    assert (await chat.say())[-1] == "root/:Back with me."


async def test_a_hundred_handovers_in_one_run() -> None:
    there, back = [transfer("clerk")] * 101, [transfer("root")] * 100
    root = agent("root", *there, sub_agents=[agent("clerk", *back, "At last.")])
    assert (await Chat(agent=root).say())[-1] == "clerk/:At last."


async def test_the_agent_that_takes_over_is_told_what_was_said_and_done() -> None:
    clerk = agent("clerk", "Here.", "Again.")
    chat = Chat(agent=agent("root", ["One moment.", transfer("clerk")], sub_agents=[clerk]))
    await chat.say("the clerk, please")
    await chat.say("and now?")
    assert isinstance(clerk.model, ScriptedTextModel)
    question, quoted, own, last = told(clerk.model)
    assert (question, own, last) == ("user: the clerk, please", "model: Here.", "user: and now?")
    assert quoted.startswith("user: ")
    assert "[root] said: One moment." in quoted
    assert "[root] called tool `transfer_to_agent`" in quoted


@pytest.mark.spec(102)
async def test_a_tool_of_ones_own_hands_over() -> None:
    def to_clerk(tool_context: ToolContext) -> str:
        tool_context.actions.transfer_to_agent = "clerk"
        return "on its way"

    root = agent("root", call("to_clerk"), tools=[to_clerk], sub_agents=[agent("clerk", "Here.")])
    assert await Chat(agent=root).say() == ["root/call-to_clerk", "root/answer-to_clerk →clerk", "clerk/:Here."]


async def test_a_tool_may_hand_over_to_nobody_unknown() -> None:
    def lost(tool_context: ToolContext) -> None:
        tool_context.actions.transfer_to_agent = "nobody"

    chat = Chat(call("lost"), "I stay.", tools=[lost])
    assert await chat.say() == ["call-lost", "answer-lost", ":I stay."]
    assert "nobody" in str(chat.events[1].get_function_responses()[0].response)


async def test_a_step_that_hands_over_comes_back_to_the_sequence() -> None:
    helper = agent("helper", "Helped.")
    first = agent("first", transfer("helper"), sub_agents=[helper])
    chat = Chat(agent=SequentialAgent(name="steps", sub_agents=[first, agent("second", "Second.")]))
    assert (await chat.say())[-2:] == ["helper/:Helped.", "second/:Second."]


# -- workflows --------------------------------------------------------------------------------------------------------


async def test_one_after_another_each_with_what_was_said_before() -> None:
    second = agent("second", "Shorter.")
    chat = Chat(agent=SequentialAgent(name="steps", sub_agents=[agent("first", "A draft."), second]))
    assert await chat.say("write") == ["first/:A draft.", "second/:Shorter."]
    assert isinstance(second.model, ScriptedTextModel)
    assert "user: write" in told(second.model)
    assert "A draft." in told(second.model)[1]
    assert second.model.requests[0].contents[-1].role == "user"


async def test_a_sequence_begins_anew_in_the_next_run() -> None:
    chat = Chat(agent=SequentialAgent(name="steps", sub_agents=[agent("a", "1", "3"), agent("b", "2", "4")]))
    await chat.say()
    assert await chat.say() == ["a/:3", "b/:4"]


async def test_a_state_goes_from_step_to_step() -> None:
    second = agent("second", "Done.", instruction="Improve this: {draft}")
    steps = [agent("first", "A draft.", output_key="draft"), second]
    chat = Chat(agent=SequentialAgent(name="steps", sub_agents=steps))
    await chat.say()
    assert isinstance(second.model, ScriptedTextModel)
    assert second.model.requests[0].system_instruction.startswith("Improve this: A draft.")


async def test_a_loop_ends_after_its_rounds() -> None:
    chat = Chat(agent=LoopAgent(name="loop", max_iterations=3, sub_agents=[agent("one", "1", "2", "3", "4")]))
    assert await chat.say() == ["one/:1", "one/:2", "one/:3"]


@pytest.mark.spec(102)
async def test_a_loop_ends_when_an_agent_in_it_escalates() -> None:
    judge = agent("judge", "Not yet.", call("exit_loop"), tools=[exit_loop])
    chat = Chat(agent=LoopAgent(name="loop", sub_agents=[agent("writer", "1", "2"), judge, agent("tail", "t")]))
    assert await chat.say() == [
        "writer/:1",
        "judge/:Not yet.",
        "tail/:t",
        "writer/:2",
        "judge/call-exit_loop",
        "judge/answer-exit_loop",
    ]


async def test_an_inner_loop_does_not_end_the_outer_one() -> None:
    inner = LoopAgent(name="inner", sub_agents=[agent("in_", call("exit_loop"), call("exit_loop"), tools=[exit_loop])])
    chat = Chat(agent=LoopAgent(name="outer", max_iterations=2, sub_agents=[inner, agent("out", "1", "2")]))
    assert [line for line in await chat.say() if line.startswith("out/")] == ["out/:1", "out/:2"]


async def test_branches_work_at_once_and_see_nothing_of_each_other() -> None:
    both = asyncio.Barrier(2)

    async def meet() -> str:
        await both.wait()
        return "met"

    left = agent("left", call("meet", "l"), "Left.", tools=[meet])
    right = agent("right", call("meet", "r"), "Right.", tools=[meet])
    last = agent("last", "Both.")
    fan = ParallelAgent(name="fan", sub_agents=[left, right])
    chat = Chat(agent=SequentialAgent(name="all", sub_agents=[fan, last]))
    async with asyncio.timeout(5):
        await chat.say("go")
    branches = {event.author: event.branch for event in chat.events}
    assert branches == {"left": "fan.left", "right": "fan.right", "last": None}
    assert isinstance(left.model, ScriptedTextModel)
    assert told(left.model) == ["user: go", "model: call meet", "user: meet→{'result': 'met'}"]
    assert isinstance(last.model, ScriptedTextModel)
    heard = " ".join(told(last.model))
    assert "Left." in heard
    assert "Right." in heard


async def test_a_branch_that_fails_ends_the_others() -> None:
    cancelled = asyncio.Event()

    async def endless(_: Any) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    class Broken(BaseAgent):
        async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            await asyncio.sleep(0.01)
            raise RuntimeError("broken")
            yield Event()

    fan = ParallelAgent(name="fan", sub_agents=[agent("endless", endless), Broken(name="broken")])
    chat = Chat(agent=fan)
    with pytest.raises(RuntimeError, match="broken"):
        await chat.say()
    assert cancelled.is_set()
    assert chat.events[-1].error_code == "internal"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


# -- agents of one's own ----------------------------------------------------------------------------------------------


async def test_an_agent_of_ones_own_runs_others_and_its_events_are_kept() -> None:
    class Check(BaseAgent):
        async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in self.sub_agents[0].run_async(ctx):
                yield event
            actions = EventActions(state_delta={"checked": True})
            yield Event(author=self.name, invocation_id=ctx.invocation_id, actions=actions)

    chat = Chat(agent=Check(name="check", sub_agents=[agent("writer", "Text.", output_key="text")]))
    await chat.say()
    assert (await chat.saved()).state == {"text": "Text.", "checked": True}


async def test_a_runner_serves_many_chats_at_once() -> None:
    async def echo(request: Any) -> str:
        await asyncio.sleep(0)
        return f"You said {request.contents[-1].text}"

    runner = Runner(
        app_name="app",
        agent=agent("guide", *[echo] * 50),
        session_service=InMemorySessionService(),
        auto_create_session=True,
    )

    async def chat(number: int) -> str:
        message = types.Content(parts=[types.Part(text=str(number))])
        run = runner.run_async(user_id="u", session_id=f"s{number}", new_message=message)
        return "".join([event.content.text async for event in run if event.content])

    assert await asyncio.gather(*map(chat, range(50))) == [f"You said {number}" for number in range(50)]
