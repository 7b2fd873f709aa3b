"""Agents that work at once in a live run, of which one speaks at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import Agent, types
from fullduplex.agents import BaseAgent, InvocationContext, LoopAgent, ParallelAgent, SequentialAgent
from fullduplex.events import Event
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import ToolContext, exit_loop
from tests.live.kit import (
    GO_AWAY,
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    heard,
    said,
    settle,
    short,
    text,
    user,
    virtual,
)
from tests.live.test_transfer import on, slices, to, traced
from tests.live.test_workflow import EXIT
from tests.live.wire import speech

DONE = calls(("d", "done"))


async def done(tool_context: ToolContext) -> str:
    """Ends the agent's part."""
    tool_context.actions.end_of_agent = True
    return "done"


class Fan:
    """A live run of two agents at once."""

    def __init__(self, **left: Any) -> None:
        self.models = {name: ScriptedModel(name) for name in ("left", "right")}
        tools = [done, *left.pop("tools", [])]
        self.agent = ParallelAgent(
            name="fan",
            sub_agents=[
                Agent(name="left", model=self.models["left"], tools=tools, **left),
                Agent(name="right", model=self.models["right"], tools=[done]),
            ],
        )

    async def start(self, root: Any = None) -> Call:
        self.call = await Call.start(runner=on(root or self.agent), model=self.models["left"])
        for name in self.models:
            await self.connection(name)
        await settle()
        return self.call

    async def connection(self, name: str, number: int = 1) -> ScriptedConnection:
        return await self.models[name].opened(number)

    async def say(self, name: str, *messages: dict[str, Any]) -> None:
        connection = self.models[name].connections[-1]
        for message in messages:
            connection.say(message)
            await settle()

    @property
    def shown(self) -> list[str]:
        """The events so far: who, and what in short."""
        return [f"{event.author} {short(event)}" for event in self.call.events if event.setup_complete is None]


@pytest.mark.spec(136)
@virtual
async def test_all_hear_the_user_and_events_tell_their_branch() -> None:
    fan = Fan()
    call = await fan.start()
    call.queue.send_content(user("hello"))
    for blob in speech(0, 5):
        call.queue.send_realtime(blob)
    await settle()
    for name in ("left", "right"):
        connection = await fan.connection(name)
        assert connection.sent[0] == ("content", user("hello"))
        assert slices(connection) == list(range(10))
    await fan.say("right", text("Right here."), TURN_COMPLETE)
    await fan.say("left", text("Left here."), TURN_COMPLETE)
    assert await call.saved_short() == ["user:hello", "M:Right here.", "end", "M:Left here.", "end"]
    assert {event.author: event.branch for event in call.events} == {"left": "fan.left", "right": "fan.right"}
    assert [event.branch for event in (await call.saved()).events if event.author == "user"] == [None]
    await call.end()


@virtual
async def test_one_speaks_at_a_time() -> None:
    fan = Fan()
    call = await fan.start()
    await fan.say("left", audio(), said("I say"))
    await fan.say("right", audio(), said("And I"), TURN_COMPLETE)
    assert fan.shown == ["left audio", "left P-out:I say"]
    await fan.say("left", audio(), TURN_COMPLETE)
    assert fan.shown[2:] == [
        "left audio",
        "left M-out:I say",
        "left end",
        "right audio",
        "right P-out:And I",
        "right M-out:And I",
        "right end",
    ]
    await call.end()


@virtual
async def test_the_users_words_are_told_once() -> None:
    fan = Fan()
    call = await fan.start()
    for name in ("right", "left"):
        await fan.say(name, heard("how is "), heard("it", finished=True))
    assert fan.shown == ["user P-in:how is ", "user P-in:it", "user M-in:how is it"]
    await fan.say("left", DONE)
    await fan.say("right", heard("and now", finished=True))
    assert fan.shown[-2:] == ["user P-in:and now", "user M-in:and now"]
    await call.end()


@virtual
async def test_an_interruption_drops_what_waits() -> None:
    fan = Fan()
    call = await fan.start()
    await fan.say("left", audio())
    await fan.say("right", audio())
    await fan.say("left", INTERRUPTED, TURN_COMPLETE)
    await fan.say("right", audio(), INTERRUPTED, TURN_COMPLETE)  # what nobody heard
    assert fan.shown == ["left audio", "left interrupted", "left end", "right end"]
    await fan.say("right", audio())
    assert fan.shown[-1] == "right audio"
    await call.end()


@virtual
async def test_the_app_may_silence_them_all() -> None:
    fan = Fan()
    call = await fan.start()
    await fan.say("left", audio())
    await fan.say("right", audio())
    call.queue.interrupt()
    await settle()
    assert (await fan.connection("left")).sent == [("interrupt", None)]
    await fan.say("left", audio(), TURN_COMPLETE)
    await fan.say("right", audio(), TURN_COMPLETE)
    assert fan.shown == ["left audio", "left interrupted", "left end", "right end"]
    await call.end()


@virtual
async def test_a_tool_does_not_wait_for_the_floor_unless_words_stand_before_it() -> None:
    fan = Fan(tools=[note])
    call = await fan.start()
    await fan.say("right", audio())
    await fan.say("left", calls(("n1", "note")))
    assert fan.shown == ["right audio", "left call-n1", "left answer-n1"]
    await fan.say("left", text("Noting."), calls(("n2", "note")))
    assert len(fan.shown) == 3
    await fan.say("right", TURN_COMPLETE)
    assert fan.shown[3:] == ["right end", "left P:Noting.", "left M:Noting.", "left call-n2", "left answer-n2"]
    await call.end()


async def note() -> str:
    """Notes it."""
    return "noted"


@virtual
async def test_a_line_that_is_lost_gives_the_floor_away_and_comes_back() -> None:
    fan = Fan()
    call = await fan.start()
    call.queue.send_content(user("well?"))
    await settle()
    await fan.say("left", audio())
    await fan.say("right", audio(), TURN_COMPLETE)
    (await fan.connection("left")).lose()
    left = await fan.connection("left", 2)
    await settle()
    assert [line for line in fan.shown if not line.endswith("error-connection_lost")] == [
        "left audio",
        "right audio",
        "right end",
    ]
    assert left.sent[0][0] == "question"
    await fan.say("left", audio(), TURN_COMPLETE)
    assert fan.shown[-2:] == ["left audio", "left end"]
    await call.end()


@virtual
async def test_who_is_sent_away_does_not_wait_for_the_floor_to_change_lines() -> None:
    fan = Fan()
    call = await fan.start()
    await fan.say("right", audio())
    await fan.say("left", audio(), GO_AWAY)
    await fan.connection("left", 2)
    assert fan.shown == ["right audio", "left go_away"]
    await call.end()


@virtual
async def test_it_ends_with_its_last_agent_and_what_comes_then_is_the_next_ones() -> None:
    fan = Fan()
    last = ScriptedModel()
    steps = SequentialAgent(name="steps", sub_agents=[fan.agent, Agent(name="sum", model=last)])
    call = await fan.start(steps)
    call.queue.send_content(user("look"))
    await settle()
    await fan.say("left", text("L."), DONE)
    await fan.say("right", text("R."))
    (await fan.connection("right")).say(DONE)
    for blob in speech(0, 10):
        call.queue.send_realtime(blob)
    connection = await last.opened()
    await settle()
    history = connection.sent[0][1]
    assert history[0].text == "look"
    assert "[left] said: L." in history[1].text
    assert "[right] said: R." in history[1].text
    assert slices(connection) == list(range(20))
    await call.end()


@virtual
async def test_what_was_asked_before_it_began_is_answered_by_all() -> None:
    fan = Fan()
    first = ScriptedModel()
    root = Agent(name="root", model=first, sub_agents=[fan.agent])
    call = await Call.start(runner=on(root), model=first)
    fan.call = call
    call.queue.send_content(user("both of you"))
    await settle()
    connection = await call.connection()
    connection.say(to("fan"))
    for blob in speech(0, 10):
        call.queue.send_realtime(blob)
    call.queue.send_content(user("quickly"))
    for name in ("left", "right"):
        child = await fan.connection(name)
        await settle()
        assert child.sent[0][1][0].text == "both of you"
        assert slices(child) == list(range(20))
        assert child.sent[-1] == ("content", user("quickly"))
    assert await call.saved_short() == ["user:both of you", "call-t1", "answer-t1", "user:quickly"]
    await call.end()


@virtual
async def test_one_that_escalates_ends_the_loop_and_the_others() -> None:
    trace: list[str] = []
    fan = Fan(tools=[exit_loop], **traced(trace, "left"))
    call = await fan.start(LoopAgent(name="loop", sub_agents=[fan.agent]))
    await fan.say("left", EXIT)
    await call.reader
    assert (await fan.connection("right")).closed
    assert trace == ["before left", "after left"]


@virtual
async def test_who_works_beside_the_one_that_speaks_does_not_disturb_what_was_heard_of_it() -> None:
    fan = Fan(tools=[note])
    call = await fan.start()
    await fan.say("right", audio(b"\0\1" * 24_000), said("One two three", finished=True))
    await fan.say("left", calls(("n1", "note")), DONE)
    sound = await call.until(lambda event: event.content and event.content.parts[0].inline_data)
    call.queue.send_playout(sound.id, 300.0)
    await settle()
    await fan.say("right", INTERRUPTED)
    call.queue.send_playout(sound.id, 300.0, cleared=True)
    await fan.say("right", TURN_COMPLETE)
    saved = await call.saved_short()
    assert saved == ["call-n1", "answer-n1", "call-d", "answer-d", "M-out:One interrupted", "interrupted", "end"]
    await call.end()


@virtual
async def test_an_agent_on_a_branch_knows_nothing_of_the_others() -> None:
    fan = Fan()
    call = await fan.start()
    call.queue.send_content(user("hello"))
    await settle()
    await fan.say("left", text("Left."), TURN_COMPLETE)
    await fan.say("right", text("Right."), TURN_COMPLETE)
    (await fan.connection("right")).lose()
    again = await fan.connection("right", 2)
    await settle()
    assert [content.text for content in again.sent[0][1]] == ["hello", "Right."]
    await call.end()


@virtual
async def test_answers_go_to_the_agent_that_called() -> None:
    fan = Fan(tools=[slow])
    call = await fan.start()
    await fan.say("left", calls(("s1", "slow")))
    answer = types.FunctionResponse(id="s1", name="slow", response={"result": "ready"})
    call.queue.send_content(types.Content(role="user", parts=[types.Part(function_response=answer)]))
    await settle()
    kinds = {name: [kind for kind, _ in (await fan.connection(name)).sent] for name in fan.models}
    assert kinds == {"left": ["tool_response", "tool_response"], "right": []}
    await call.end()


async def slow() -> dict[str, str]:
    """Takes long."""
    return {"status": "pending"}


@virtual
async def test_bad_input_is_told_of_once() -> None:
    fan = Fan()
    call = await fan.start()
    call.queue.send_content(types.Content(role="user", parts=[]))
    call.queue.send_content(user("good"))
    await settle()
    assert fan.shown == ["fan error-invalid_content"]
    assert [kind for kind, _ in (await fan.connection("right")).sent] == ["content"]
    await call.end()


@pytest.mark.parametrize("ending", ["fails", "cancelled", "hung up"])
@virtual
async def test_nothing_is_left_behind(ending: str) -> None:
    trace: list[str] = []
    fan = Fan(**traced(trace, "left"))
    call = await fan.start()
    if ending == "fails":
        (await fan.connection("right")).lose(1007, recoverable=False)
        await asyncio.wait([call.reader])
        assert call.reader.exception() is not None
        assert call.events[-1].error_code is not None
    elif ending == "cancelled":
        call.reader.cancel()
        await asyncio.wait([call.reader])
    else:
        await call.end()
    assert all(model.connections[0].closed for model in fan.models.values())
    assert trace == ["before left"] + ["after left"] * (ending != "fails")


@virtual
async def test_within_one_another_there_is_one_floor() -> None:
    model = ScriptedModel()
    fan = Fan()
    outer = ParallelAgent(name="outer", sub_agents=[fan.agent, Agent(name="third", model=model)])
    call = await fan.start(outer)
    third = await model.opened()
    call.queue.send_content(user("hello"))
    await settle()
    assert third.sent == [("content", user("hello"))]
    await fan.say("right", audio())
    third.say(audio())
    await fan.say("left", audio())
    assert fan.shown == ["right audio"]
    await fan.say("right", TURN_COMPLETE)
    assert fan.shown == ["right audio", "right end", "third audio"]
    right: Event = next(event for event in call.events if event.author == "right")
    assert right.branch == "outer.fan.fan.right"
    assert [short(event) for event in (await call.saved()).events if event.author == "user"] == [":hello"]
    await call.end()


@virtual
async def test_an_agent_of_ones_own_may_be_among_them() -> None:
    class Quiet(BaseAgent):
        async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in self.sub_agents[0].run_live(ctx):
                if not event.partial:
                    yield event

    models = [ScriptedModel(), ScriptedModel()]
    quiet = Quiet(name="quiet", sub_agents=[Agent(name="one", model=models[0])])
    agent = ParallelAgent(name="fan", sub_agents=[quiet, Agent(name="two", model=models[1])])
    call = await Call.start(runner=on(agent), model=models[0])
    for number, model in enumerate(models):
        connection = await model.opened()
        connection.say(text(f"{number}"))
        connection.say(TURN_COMPLETE)
        await settle()
    assert await call.end() == ["M:0", "end", "P:1", "M:1", "end"]
    branches = {event.author: event.branch for event in call.events}
    assert branches == {"one": "fan.quiet", "two": "fan.two"}
