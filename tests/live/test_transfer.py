"""Agents that hand the conversation over to one another in a live run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex import Agent, RunConfig, Runner, types
from fullduplex.agents.base import BaseAgent
from fullduplex.errors import AgentNotReady, ConnectionLost
from fullduplex.models.base import ConnectRequest
from fullduplex.plugins import BasePlugin
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing import tagged_audio
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import ToolContext
from fullduplex.tools.base import BaseToolset
from fullduplex.types.live import LiveServerMessage
from tests.live.kit import (
    GO_AWAY,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    cancellation,
    clocked,
    handle,
    heard,
    pcm,
    said,
    settle,
    short,
    text,
    user,
    virtual,
)
from tests.live.wire import speech


def to(agent: str, call_id: str = "t1") -> dict[str, Any]:
    """The call that hands over to `agent`."""
    return calls((call_id, "transfer_to_agent", {"agent_name": agent}))


def on(agent: BaseAgent) -> Runner:
    return Runner(app_name="app", agent=agent, session_service=InMemorySessionService(), engine=clocked())


def pair(**child: Any) -> tuple[Agent, ScriptedModel, ScriptedModel]:
    """A root with one helper, each on a model of its own."""
    first, second = ScriptedModel("first-live"), ScriptedModel("second-live")
    helper = Agent(name="helper", model=second, description="Knows bills.", **child)
    return Agent(name="root", model=first, sub_agents=[helper]), first, second


def told(connection: ScriptedConnection) -> list[tuple[str, Any]]:
    """What came up, histories as their texts."""
    return [
        (kind, [one.text for one in value] if isinstance(value, list) and kind != "tool_response" else value)
        for kind, value in connection.sent
    ]


def slices(connection: ScriptedConnection) -> list[int]:
    """The numbers of the tagged slices that came up."""
    sent = b"".join(value.data for kind, value in connection.sent if kind == "realtime")
    return [number for number in tagged_audio.decode(sent, 16_000) if number != tagged_audio.UNREADABLE]


@pytest.mark.spec(126)
@virtual
async def test_a_transfer_is_a_call_its_answer_and_then_the_next_agents_words() -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    call.queue.send_content(user("I want my money back"))
    await settle()
    await call.play(to("helper"))
    (await second.opened()).say(text("Which order?"))
    (await second.opened()).say(TURN_COMPLETE)
    await settle()
    await call.end()
    assert [(event.author, short(event)) for event in call.events if event.setup_complete is None] == [
        ("root", "call-t1"),
        ("root", "answer-t1"),
        ("helper", "P:Which order?"),
        ("helper", "M:Which order?"),
        ("helper", "end"),
    ]
    answer = next(event for event in call.events if event.get_function_responses())
    assert answer.actions.transfer_to_agent == "helper"
    assert answer.get_function_responses()[0].response == {"result": None}
    (kind, history) = told(second.connections[0])[0]
    assert kind == "question"
    assert history[0] == "I want my money back"
    assert "[root] called tool `transfer_to_agent`" in history[1]


# -- what was said before -------------------------------------------------------------------------------------------


@virtual
async def test_who_has_said_something_ends_its_turn_before_the_next_agent_speaks() -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    call.queue.send_content(user("a refund, please"))
    await settle()
    await call.play(audio(), said("One moment."), to("helper"))
    helper = await second.opened()
    await settle()
    helper.say(audio())
    helper.say(TURN_COMPLETE)
    await settle()
    await call.end()
    seen = [(event.author, short(event)) for event in call.events if event.setup_complete is None]
    assert seen == [
        ("root", "audio"),
        ("root", "P-out:One moment."),
        ("root", "call-t1"),
        ("root", "answer-t1"),
        ("root", "M-out:One moment."),
        ("root", "end"),
        ("helper", "audio"),
        ("helper", "end"),
    ]
    (kind, history) = told(helper)[0]
    assert kind == "question"
    assert "[root] said: One moment." in history[1]


@pytest.mark.parametrize("transcribed", [True, False])
@virtual
async def test_a_question_that_was_spoken_is_answered_by_the_next_agent(transcribed: bool) -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    await call.connection()
    for blob in [*speech(0, 10), pcm(0.5)]:
        call.queue.send_realtime(blob)
    await settle()
    if transcribed:
        await call.play(heard("a refund", finished=True))
    await call.play(to("helper"))
    helper = await second.opened()
    await settle()
    if transcribed:
        assert told(helper)[0][0] == "question"
        assert told(helper)[0][1][0] == "a refund"
        assert slices(helper) == []
    else:
        assert slices(helper) == list(range(20))
    await call.end()


@virtual
async def test_speech_that_is_not_in_words_yet_is_for_the_next_agent_though_the_turn_that_hands_over_ends() -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.connection()
    for blob in [*speech(0, 10), pcm(0.5)]:
        call.queue.send_realtime(blob)
    await settle()
    connection.say(to("helper"))
    connection.say(TURN_COMPLETE)  # as some models do after a call
    helper = await second.opened()
    await settle()
    assert slices(helper) == list(range(20))
    await call.end()


@virtual
async def test_the_user_goes_on_and_needs_no_answer_to_what_was_before() -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    call.queue.send_content(user("a refund"))
    await settle()
    connection = await call.connection()
    connection.say(to("helper"))
    call.queue.send_content(user("no, wait: a new order"))
    helper = await second.opened()
    await settle()
    kinds = [kind for kind, _ in helper.sent]
    assert kinds == ["history", "content"]
    assert helper.sent[1][1].text == "no, wait: a new order"
    await call.end()


# -- while it is being done -----------------------------------------------------------------------------------------


@pytest.mark.spec(130)
@virtual
async def test_what_is_said_from_the_call_on_is_for_the_next_agent_whose_line_is_opened_at_once() -> None:
    allowed = asyncio.Event()

    async def slow(tool: Any, args: Any, tool_context: ToolContext) -> None:
        await allowed.wait()

    root, _, second = pair()
    root.before_tool_callback = slow
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.play(to("helper"))
    helper = await second.opened()
    assert not call.until(lambda event: event.get_function_responses()).close()  # the tool has not answered yet
    for blob in speech(0, 20):
        call.queue.send_realtime(blob)
        await asyncio.sleep(0.04)
    assert connection.sent == []
    assert helper.sent == []
    allowed.set()
    await settle()
    assert slices(helper) == list(range(40))
    assert len(second.connections) == 1
    assert connection.closed
    await call.end()


@virtual
async def test_a_transfer_that_a_callback_forbids_costs_nothing() -> None:
    async def forbid(tool: Any, args: Any, tool_context: ToolContext) -> dict[str, str]:
        await asyncio.sleep(0.5)
        return {"error": "not now"}

    root, _, second = pair()
    root.before_tool_callback = forbid
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.play(to("helper"))
    for blob in speech(0, 5):
        call.queue.send_realtime(blob)
    call.queue.send_content(user("still there?"))
    await asyncio.sleep(1)
    assert [kind for kind, _ in connection.sent] == ["realtime"] * 5 + ["content", "tool_response"]
    assert slices(connection) == list(range(10))
    await call.play(text("I am."), TURN_COMPLETE)
    assert second.connections[0].closed
    assert second.connections[0].sent == []
    assert await call.end() == ["call-t1", "answer-t1", "P:I am.", "M:I am.", "end"]


@virtual
async def test_a_transfer_that_the_model_takes_back_costs_nothing() -> None:
    async def slow(tool: Any, args: Any, tool_context: ToolContext) -> None:
        await asyncio.sleep(1)

    root, _, second = pair()
    root.before_tool_callback = slow
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.play(to("helper"))
    call.queue.send_realtime(pcm())
    await call.play(cancellation("t1"))
    assert [kind for kind, _ in connection.sent] == ["realtime"]
    await asyncio.sleep(2)
    assert second.connections[0].closed
    assert await call.end() == ["call-t1", "cancelled"]


@virtual
async def test_input_is_not_kept_back_for_long() -> None:
    async def slow(tool: Any, args: Any, tool_context: ToolContext) -> None:
        await asyncio.sleep(60)

    root, _, second = pair()
    root.before_tool_callback = slow
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.play(to("helper"))
    call.queue.send_content(user("hello?"))
    await asyncio.sleep(1.9)
    assert connection.sent == []
    await asyncio.sleep(0.2)
    assert [kind for kind, _ in connection.sent] == ["content"]
    await asyncio.sleep(60)
    (kind, history) = told(second.connections[0])[0]
    assert (kind, history[-1]) == ("question", "hello?")
    await call.end()


@virtual
async def test_what_the_call_changes_is_known_to_the_next_agent() -> None:
    def note(tool: Any, args: Any, tool_context: ToolContext) -> None:
        tool_context.state["reason"] = "money"

    root, _, second = pair(instruction="They come for {reason?}.")
    root.before_tool_callback = note
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(to("helper"))
    await settle()
    used = [one for one in second.connections if not one.closed]
    assert [one.request.system_instruction.split("\n")[0] for one in used] == ["They come for money."]
    await call.end()


@pytest.mark.parametrize("stubborn", [False, True])
@virtual
async def test_tools_that_go_on_end_with_their_agent_and_hold_nobody_up(stubborn: bool) -> None:
    async def watch() -> AsyncGenerator[str, None]:
        """Watches."""
        while True:
            yield "news"
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if not stubborn:
                    raise

    root, _, second = pair()
    root.tools = [watch]
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(calls(("w1", "watch")), TURN_COMPLETE)
    began = asyncio.get_running_loop().time()
    (await call.connection()).say(to("helper"))
    helper = await second.opened()
    await helper.wait_sent(1)
    assert asyncio.get_running_loop().time() - began < 0.01
    await settle()
    seen = len(call.events)
    await asyncio.sleep(5)
    assert len(call.events) == seen
    asked, context = told(helper)  # what the tool has said so far is news to the helper
    assert (asked[0], context[0]) == ("question", "history")
    assert '[root] `watch` tool returned result: {"result":"news"}' in context[1][0]
    await call.end()


@virtual
async def test_what_the_old_line_says_when_it_is_left_is_nobodys() -> None:
    class Late(ScriptedConnection):
        async def listen(self, take: Callable[[LiveServerMessage], None]) -> None:
            try:
                await super().listen(take)
            finally:
                take(LiveServerMessage.model_validate(text("too late")))

    root, first, second = pair()
    first.connection_type = Late
    call = await Call.start(runner=on(root), model=first)
    await call.play(to("helper"))
    await second.opened()
    await settle()
    assert await call.end() == ["call-t1", "answer-t1"]


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec(132)
@virtual
async def test_a_target_that_is_none_is_an_error_answer_and_the_run_lives() -> None:
    root, _, second = pair()
    call = await Call.start(runner=on(root), model=root.model)
    connection = await call.play(to("nobody"))
    (answer,) = connection.sent[0][1]
    assert "helper" in answer.response["error"]
    await call.play(text("Sorry."), TURN_COMPLETE)
    assert await call.end() == ["call-t1", "answer-t1", "P:Sorry.", "M:Sorry.", "end"]
    assert second.connections == []


@virtual
async def test_a_tool_may_hand_over_itself() -> None:
    async def bill(tool_context: ToolContext) -> str:
        """Asks for the bill."""
        tool_context.actions.transfer_to_agent = "helper"
        return "asked"

    root, _, second = pair()
    root.tools = [bill]
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(calls(("c1", "bill")))
    (await second.opened()).say(text("Here."))
    await settle()
    assert [(event.author, short(event)) for event in call.events][1:] == [
        ("root", "call-c1"),
        ("root", "answer-c1"),
        ("helper", "setup"),
        ("helper", "P:Here."),
    ]
    await call.end()


@virtual
async def test_an_agent_cannot_be_left_for_itself_nor_for_nobody() -> None:
    async def wander(tool_context: ToolContext, agent: str) -> str:
        """Wanders."""
        tool_context.actions.transfer_to_agent = agent
        return "wandered"

    root, first, second = pair()
    root.tools = [wander]
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(calls(("c1", "wander", {"agent": "root"})), calls(("c2", "wander", {"agent": "nobody"})))
    await call.play(text("Here I am."), TURN_COMPLETE)
    assert await call.end() == ["call-c1", "answer-c1", "call-c2", "answer-c2", "P:Here I am.", "M:Here I am.", "end"]
    assert (len(first.connections), second.connections) == (1, [])


# -- far and wide -----------------------------------------------------------------------------------------------------


@pytest.mark.spec(121, 133)
@virtual
async def test_the_next_run_goes_on_with_the_agent_that_has_the_conversation() -> None:
    root, first, second = pair()
    runner = on(root)
    call = await Call.start(runner=runner, model=first)
    call.queue.send_content(user("a refund"))
    await settle()
    await call.play(to("helper"))
    helper = await second.opened()
    helper.say(text("Done."))
    helper.say(TURN_COMPLETE)
    await settle()
    await call.end()
    again = await Call.start(runner=runner, model=second, session=await call.saved())
    connection = await second.opened(2)
    asked, quoted, own = connection.request.history
    assert (asked.role, asked.text) == ("user", "a refund")
    assert quoted.role == "user"
    assert "[root] called tool `transfer_to_agent`" in quoted.text
    assert (own.role, own.text) == ("model", "Done.")
    await again.end()
    assert len(first.connections) == 1


@virtual
async def test_a_handle_is_of_use_only_to_the_agent_that_it_was_issued_to() -> None:
    root, first, second = pair()
    runner = on(root)
    resuming = RunConfig(session_resumption={})
    call = await Call.start(runner=runner, model=first, run_config=resuming)
    await call.play(handle("root-1"), to("helper"))
    (await second.opened()).say(text("Here."))
    await settle()
    await call.end()
    for name, expected in (("root-1", None), ("stored elsewhere", "stored elsewhere")):
        config = RunConfig(session_resumption={"handle": name})
        again = await Call.start(runner=runner, model=second, session=await call.saved(), run_config=config)
        connection = await second.opened(len(second.connections) + 1)
        await again.end()
        assert connection.request.config.session_resumption.handle == expected


@virtual
async def test_a_run_that_begins_after_an_unanswered_transfer_answers() -> None:
    root, first, second = pair()
    runner = on(root)
    call = await Call.start(runner=runner, model=first)
    call.queue.send_content(user("a refund"))
    await settle()
    await call.play(to("helper"))
    await second.opened()
    await call.end()
    again = await Call.start(runner=runner, model=second, session=await call.saved())
    connection = await second.opened(2)
    history = connection.request.history
    assert [content.role for content in history] == ["user", "user"]
    assert history[0].text == "a refund"
    await again.end()


@virtual
async def test_what_another_agent_said_last_asks_for_nothing() -> None:
    root, first, second = pair()
    helper = Agent(name="other", model=second)
    store = on(helper)
    call = await Call.start(runner=store, model=second)
    await call.play(text("I am another."), TURN_COMPLETE)
    await call.end()
    runner = Runner(app_name="app", agent=root, session_service=store.session_service, engine=clocked())
    again = await Call.start(runner=runner, model=first, session=await call.saved())
    connection = await first.opened()
    await settle()
    assert connection.request.history == []
    assert [kind for kind, _ in connection.sent] == ["history"]
    await again.end()


@virtual
async def test_hundreds_of_transfers_stand_in_no_call_stack() -> None:
    root, first, second = pair()
    call = await Call.start(runner=on(root), model=first)
    for number in range(150):
        (await first.opened(number + 1)).say(to("helper", f"a{number}"))
        (await second.opened(number + 1)).say(to("root", f"b{number}"))
    await first.opened(151)
    await call.end()
    assert sum(bool(event.actions.transfer_to_agent) for event in call.events) == 300


@virtual
async def test_each_agent_has_its_own_model_and_is_told_the_others_words_as_quotations() -> None:
    root, first, second = pair()
    call = await Call.start(runner=on(root), model=first)
    call.queue.send_content(user("my order is late"))
    await settle()
    await call.play(to("helper"))
    helper = await second.opened()
    await settle()
    for message in (text("Number 42 is on its way."), TURN_COMPLETE):
        helper.say(message)
    await settle()
    call.queue.send_content(user("back, please"))
    await settle()
    helper.say(to("root", "t2"))
    back = await first.opened(2)
    await settle()
    (kind, contents) = back.sent[0]
    assert kind == "question"
    assert [
        (content.role, "call" if content.parts[0].function_call else content.text or "answer") for content in contents
    ][:3] == [("user", "my order is late"), ("model", "call"), ("user", "answer")]
    assert [content.role for content in contents[3:]] == ["user", "user", "user"]
    assert "[helper] said: Number 42 is on its way." in contents[3].text
    assert contents[4].text == "back, please"
    assert "[helper] called tool `transfer_to_agent`" in contents[5].text
    await call.end()


# -- who is told of no history ----------------------------------------------------------------------------------------


@pytest.mark.spec(123)
@virtual
async def test_who_is_told_of_no_history_knows_nothing_of_earlier_turns_but_what_is_still_open() -> None:
    root, first, second = pair(include_contents="none")
    call = await Call.start(runner=on(root), model=first)
    call.queue.send_content(user("hello"))
    await settle()
    await call.play(text("Hi."), TURN_COMPLETE)
    call.queue.send_content(user("a refund"))
    await settle()
    await call.play(to("helper"))
    helper = await second.opened()
    await settle()
    (kind, history) = told(helper)[0]
    assert (kind, history[0], len(history)) == ("question", "a refund", 2)
    helper.lose()
    again = await second.opened(2)
    await settle()
    assert told(again) == told(helper)
    again.say(text("Done."))
    again.say(TURN_COMPLETE)
    await settle()
    again.lose()
    later = await second.opened(3)
    call.queue.send_content(user("thanks"))
    await settle()
    assert told(later) == [("content", user("thanks"))]
    await call.end()


@pytest.mark.spec(123)
@virtual
async def test_who_is_told_of_no_history_begins_a_run_with_none() -> None:
    model = ScriptedModel()
    runner = on(Agent(name="guide", model=model, include_contents="none"))
    call = await Call.start(runner=runner, model=model)
    call.queue.send_content(user("hello"))
    await settle()
    await call.end()
    again = await Call.start(runner=runner, model=model, session=await call.saved())
    connection = await model.opened(2)
    await settle()
    assert (connection.request.history, connection.sent) == ([], [])
    await again.end()


# -- callbacks --------------------------------------------------------------------------------------------------------


def traced(trace: list[str], name: str) -> dict[str, Any]:
    return {
        "before_agent_callback": lambda callback_context: trace.append(f"before {name}"),
        "after_agent_callback": lambda callback_context: trace.append(f"after {name}"),
    }


@pytest.mark.spec(137)
@pytest.mark.parametrize("ending", ["hung up", "cancelled"])
@virtual
async def test_callbacks_around_agents_nest(ending: str) -> None:
    trace: list[str] = []
    second = ScriptedModel()
    helper = Agent(name="helper", model=second, **traced(trace, "helper"))
    root = Agent(name="root", model=ScriptedModel(), sub_agents=[helper], **traced(trace, "root"))
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(to("helper"))
    await second.opened()
    if ending == "hung up":
        await call.end()
    else:
        call.reader.cancel()
        await asyncio.wait([call.reader])
    assert trace == ["before root", "before helper", "after helper", "after root"]


@pytest.mark.spec(137)
@virtual
async def test_content_before_an_agent_that_takes_over_stands_in_its_place_and_ends_the_run() -> None:
    root, _, second = pair(before_agent_callback=lambda callback_context: types.Content(parts=[types.Part(text="No.")]))
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(to("helper"))
    await call.reader
    assert call.short == ["call-t1", "answer-t1", ":No."]
    assert second.connections == []


@virtual
async def test_plugins_are_told_of_every_agent_whose_part_fails() -> None:
    class Watch(BasePlugin):
        failed: list[str] = []

        async def on_agent_error_callback(self, *, agent: BaseAgent, callback_context: Any, error: Exception) -> None:
            self.failed.append(f"{agent.name}: {type(error).__name__}")

    root, _, second = pair(instruction="They come for {reason}.")
    runner = Runner(
        app_name="app",
        agent=root,
        session_service=InMemorySessionService(),
        engine=clocked(),
        plugins=[watch := Watch("watch")],
    )
    call = await Call.start(runner=runner, model=root.model)
    await call.play(to("helper"))
    with pytest.raises(KeyError):
        await call.reader
    assert watch.failed == ["helper: MissingVariable", "root: MissingVariable"]
    assert second.connections == []


# -- trouble on the way -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("trouble", ["lost", "sent away"])
@virtual
async def test_a_line_that_fails_while_the_call_is_answered_costs_nothing(trouble: str, allowed: bool) -> None:
    async def slow(tool: Any, args: Any, tool_context: ToolContext) -> dict[str, str] | None:
        await asyncio.sleep(1)
        return None if allowed else {"error": "not now"}

    root, first, second = pair()
    root.before_tool_callback = slow
    call = await Call.start(runner=on(root), model=first)
    call.queue.send_content(user("a refund"))
    await settle()
    connection = await call.play(to("helper"))
    for blob in speech(0, 10):
        call.queue.send_realtime(blob)
    connection.lose() if trouble == "lost" else connection.say(GO_AWAY)
    await asyncio.sleep(5)
    if allowed:
        helper = second.connections[0]
        assert told(helper)[0][1][0] == "a refund"
        assert slices(helper) == list(range(20))
        assert all(connection.closed for connection in first.connections)
    else:
        heard_by = [slices(connection) for connection in first.connections]
        assert [numbers for numbers in heard_by if numbers][-1] == list(range(20))
        assert second.connections[0].closed
    assert await call.end()


class Refusing(ScriptedModel):
    """Lets nobody in."""

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        raise ConnectionLost("not allowed", close_code=1008, recoverable=False)
        yield


async def hangs(*_: Any) -> Any:
    await asyncio.Event().wait()


def raises(*_: Any) -> str:
    raise ValueError("no idea")


class Hanging(BaseToolset):
    """Tools that never come."""

    get_tools = hangs


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ({"model": Refusing()}, "connection_lost"),
        ({"instruction": raises}, "internal"),
        ({"instruction": hangs}, "agent_not_ready"),
        ({"tools": [Hanging()]}, "agent_not_ready"),
    ],
    ids=["refused", "raises", "instruction", "tools"],
)
@virtual
async def test_an_agent_that_cannot_take_over_ends_the_run_and_says_so(trouble: dict[str, Any], code: str) -> None:
    root = Agent(
        name="root", model=ScriptedModel(), sub_agents=[Agent(name="helper", **{"model": ScriptedModel(), **trouble})]
    )
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(to("helper"))
    await asyncio.wait([call.reader], timeout=60)
    assert isinstance(call.reader.exception(), ConnectionLost | ValueError | AgentNotReady)
    assert [(event.error_code, event.recoverable) for event in call.events[-1:]] == [(code, False)]
    assert call.short[:2] == ["call-t1", "answer-t1"]
    assert root.model.connections[0].closed


@virtual
async def test_a_run_that_is_closed_while_the_call_is_answered_ends() -> None:
    async def slow(tool: Any, args: Any, tool_context: ToolContext) -> None:
        await asyncio.sleep(1)

    root, _, second = pair()
    root.before_tool_callback = slow
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(to("helper"))
    call.queue.send_content(user("last words"))
    await call.end()
    said_to = [
        words.text for model in (root.model, second) for c in model.connections for k, words in c.sent if k == "content"
    ]
    assert said_to == ["last words"]


@virtual
async def test_what_a_message_calls_besides_is_answered_before_the_agent_leaves() -> None:
    async def look(tool_context: ToolContext) -> str:
        """Looks."""
        await asyncio.sleep(0.3)
        tool_context.state["seen"] = "rain"
        return "rain"

    root, _, second = pair(instruction="It is {seen?}.")
    root.tools = [look]
    call = await Call.start(runner=on(root), model=root.model)
    await call.play(calls(("l1", "look"), ("t1", "transfer_to_agent", {"agent_name": "helper"})))
    helper = await second.opened()
    await settle()
    assert call.short == ["call-l1 call-t1", "answer-l1 answer-t1 state{'seen': 'rain'}"]
    assert helper.request.system_instruction.startswith("It is rain.")
    assert len(second.connections) == 1
    await call.end()
