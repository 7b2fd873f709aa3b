"""Streaming tools in a live run: they begin after the model was told so, speak up, and end when they are to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner, types
from fullduplex.events import Event, EventActions
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.tools.streaming import PENDING
from tests.live.kit import (
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    answered,
    calls,
    cancellation,
    clocked,
    pcm,
    settle,
    short,
    text,
    user,
    virtual,
)


async def count(upto: int) -> AsyncGenerator[int, None]:
    """Counts, a number a second, the first at once."""
    for number in range(upto):
        yield number
        await asyncio.sleep(1)


def stop_streaming(function_name: str) -> None:
    """Stops a function that streams.

    Args:
        function_name: Its name.
    """


@pytest.mark.spec(104, 105)
@virtual
async def test_the_model_is_told_that_results_are_pending_before_the_first_of_them() -> None:
    call = await Call.start(tools=[count])
    connection = await call.play(calls(("c1", "count", {"upto": 2})), text("I count."), TURN_COMPLETE)
    await asyncio.sleep(5)
    assert answered(connection) == [("c1", PENDING), ("c1", {"result": 0}), ("c1", {"result": 1})]
    assert await call.end() == [
        "call-c1", "answer-c1", "answer-c1", "P:I count.", "M:I count.", "end", "answer-c1"
    ]  # fmt: skip
    sent = [one for kind, responses in connection.sent for one in responses if kind == "tool_response"]
    assert [one.will_continue for one in sent] == [True] * 3, "else the API minds none but the first"
    told = [event for event in call.events if event.get_function_responses()]
    assert [event.partial for event in told] == [None, True, True]
    assert await call.saved_short() == ["call-c1", "answer-c1", "M:I count.", "end"]


@pytest.mark.spec(104)
@virtual
async def test_a_slow_tool_beside_it_does_not_hold_a_stream_up() -> None:
    async def slow() -> str:
        await asyncio.sleep(10)
        return "done"

    call = await Call.start(tools=[count, slow])
    connection = await call.play(calls(("c1", "slow"), ("c2", "count", {"upto": 2})))
    await asyncio.sleep(20)
    await call.end()
    assert answered(connection) == [
        ("c2", PENDING), ("c2", {"result": 0}), ("c2", {"result": 1}), ("c1", {"result": "done"})
    ]  # fmt: skip


@pytest.mark.spec(105)
@virtual
async def test_a_dict_is_told_as_it_is_and_no_update_is_a_turn_of_the_user() -> None:
    async def watch() -> AsyncGenerator[Any, None]:
        yield {"price": 3}
        yield [1]

    call = await Call.start(tools=[watch])
    connection = await call.play(calls(("c1", "watch")))
    await asyncio.sleep(1)
    await call.end()
    assert answered(connection)[1:] == [("c1", {"price": 3}), ("c1", {"result": [1]})]
    assert {kind for kind, _ in connection.sent} == {"tool_response"}


@pytest.mark.spec(106)
@virtual
async def test_the_input_stream_receives_all_that_the_user_sends() -> None:
    seen: list[str] = []

    async def listen(input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
        """Listens."""
        while True:
            request = await input_stream.get()
            if request.blob is not None:
                seen.append(request.blob.mime_type)
            elif request.content is not None:
                seen.append(request.content.text)
            elif request.activity_start is not None:
                seen.append("start")
            elif request.audio_stream_end:
                seen.append("audio end")
            if len(seen) == 4:
                yield "heard all"

    tool = FunctionTool(listen)
    assert tool.declaration().parameters is None
    call = await Call.start(tools=[tool])
    connection = await call.connection()
    call.queue.send_content(user("before"))
    connection.say(calls(("c1", "listen")))
    await settle()
    call.queue.send_content(user("hello"))
    call.queue.send_realtime(pcm())
    call.queue.send_realtime(types.Blob(data=b"jpeg", mime_type="image/jpeg"))
    call.queue.send_activity_start()
    call.queue.send_audio_stream_end()
    await settle()
    await call.end()
    assert seen == ["hello", "audio/pcm;rate=16000", "image/jpeg", "start", "audio end"]
    assert answered(connection)[-1] == ("c1", {"result": "heard all"})
    kinds = [kind for kind, _ in connection.sent]
    assert [kind for kind in kinds if kind != "tool_response"] == [
        "content", "content", "realtime", "realtime", "activity", "activity"
    ]  # fmt: skip


@virtual
async def test_an_input_stream_that_nobody_reads_keeps_no_more_than_any_queue(caplog) -> None:
    streams: list[LiveRequestQueue] = []

    async def deaf(input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
        """Does not listen."""
        streams.append(input_stream)
        await asyncio.sleep(100)
        yield "never"

    call = await Call.start(tools=[deaf])
    await call.play(calls(("c1", "deaf")))
    with caplog.at_level(logging.CRITICAL):
        for _ in range(200):
            call.queue.send_realtime(pcm(0.1))
            await settle()
    await call.end()
    assert streams[0].stats().dropped_audio_chunks > 0
    assert streams[0].stats().audio_s <= 5
    assert call.queue.stats().dropped_audio_chunks == 0


@pytest.mark.spec(107)
@virtual
async def test_two_streams_of_one_tool_are_told_apart_by_their_calls() -> None:
    async def monitor(symbol: str) -> AsyncGenerator[str, None]:
        for number in range(2):
            await asyncio.sleep(1)
            yield f"{symbol} {number}"

    call = await Call.start(tools=[monitor])
    connection = await call.play(
        calls(("c1", "monitor", {"symbol": "A"})), calls(("c2", "monitor", {"symbol": "B"})), TURN_COMPLETE
    )
    await asyncio.sleep(5)
    await call.end()
    updates = [(key, response["result"]) for key, response in answered(connection) if "result" in response]
    assert updates == [("c1", "A 0"), ("c2", "B 0"), ("c1", "A 1"), ("c2", "B 1")]


@pytest.mark.spec(108)
@virtual
async def test_a_stream_is_stopped_by_its_name_and_the_model_is_told_how_that_went(caplog) -> None:
    stubborn_free = False

    async def stubborn() -> AsyncGenerator[str, None]:
        while not stubborn_free:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
        yield "never"

    call = await Call.start(tools=[count, stubborn, stop_streaming])
    connection = await call.play(
        calls(("s0", "stop_streaming", {"function_name": "count"})),
        calls(("c1", "count", {"upto": 100}), ("c2", "count", {"upto": 100}), ("c3", "stubborn")),
    )
    await asyncio.sleep(1.5)
    with caplog.at_level(logging.CRITICAL):
        await call.play(calls(("s1", "stop_streaming", {"function_name": "count"})))
        await asyncio.sleep(3)
        before = len(connection.sent)
        await call.play(calls(("s2", "stop_streaming", {"function_name": "stubborn"})))
        await asyncio.sleep(3)
    await call.end()
    told = dict(answered(connection))
    assert told["s0"] == {"status": "No active streaming function named count found"}
    assert told["s1"] == {"status": "Successfully stopped streaming function count"}
    assert told["s2"] == {"status": "The task is not cancelled yet for stubborn."}
    assert len(connection.sent) == before + 1, "nothing comes of a stream that was stopped"
    stubborn_free = True
    await asyncio.sleep(3)


@pytest.mark.spec(109)
@pytest.mark.parametrize("how", ["close", "cancel", "loss", "model cancels", "interrupted"])
@virtual
async def test_a_stream_ends_within_a_second_with_what_it_belongs_to(how: str) -> None:
    ended: list[float] = []

    async def endless() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "more"
                await asyncio.sleep(10)
        finally:
            ended.append(asyncio.get_running_loop().time())

    call = await Call.start(tools=[FunctionTool(endless, on_interrupt="cancel")])
    connection = await call.play(calls(("c1", "endless")), TURN_COMPLETE)
    begun = asyncio.get_running_loop().time()
    if how == "close":
        call.queue.close()
    elif how == "cancel":
        call.reader.cancel()
    elif how == "loss":
        connection.lose(1008, recoverable=False)
    else:
        await call.play(cancellation("c1") if how == "model cancels" else INTERRUPTED)
        assert len(ended) == 1
        assert call.short[-1] == "cancelled"
        call.queue.close()
    await asyncio.wait([call.reader])
    assert [time - begun <= 1 for time in ended] == [True]
    call.reader.cancelled() or call.reader.exception()


@pytest.mark.spec(109)
@virtual
async def test_a_stream_ends_when_its_agent_hands_over() -> None:
    ended: list[float] = []

    async def endless() -> AsyncGenerator[int, None]:
        try:
            for number in range(1000):
                yield number
                await asyncio.sleep(1)
        finally:
            ended.append(asyncio.get_running_loop().time())

    model = ScriptedModel()
    agent = Agent(name="guide", model=model, tools=[endless], sub_agents=[Agent(name="clerk")])
    runner = Runner(app_name="app", agent=agent, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    await call.play(calls(("c1", "endless")), TURN_COMPLETE)
    await asyncio.sleep(5)
    call.queue.send_content(user("the clerk, please"))
    begun = asyncio.get_running_loop().time()
    await call.play(calls(("t1", "transfer_to_agent", {"agent_name": "clerk"})))
    second = await call.connection(2)
    await settle()
    assert [time - begun < 1 for time in ended] == [True]
    second.say(text("Clerk here."))
    second.say(TURN_COMPLETE)
    await asyncio.sleep(5)
    assert await call.end()
    assert call.events[-1].author == "clerk"
    assert not any(kind == "tool_response" for kind, _ in second.sent), "nothing of it is told to another agent"


@pytest.mark.spec(110)
@virtual
async def test_a_stream_that_fails_is_an_answer_and_the_run_lives_on(caplog) -> None:
    async def faulty() -> AsyncGenerator[str, None]:
        yield "first"
        raise ValueError("secret")

    call = await Call.start(tools=[faulty, count])
    with caplog.at_level(logging.CRITICAL):
        connection = await call.play(calls(("c1", "faulty")), TURN_COMPLETE, calls(("c2", "count", {"upto": 1})))
        await asyncio.sleep(2)
    await call.end()
    assert answered(connection) == [
        ("c1", PENDING),
        ("c1", {"result": "first"}),
        ("c1", {"error": "Invoking `faulty()` failed with an internal error (ValueError)."}),
        ("c2", PENDING),
        ("c2", {"result": 0}),
    ]


@pytest.mark.spec(111)
@virtual
async def test_a_response_says_how_it_is_taken_up_and_an_event_is_for_the_app_alone() -> None:
    async def watch(tool_context: ToolContext) -> AsyncGenerator[Any, None]:
        yield types.FunctionResponse(response={"n": 1}, scheduling="SILENT", will_continue=True)
        yield Event(content=types.Content(role="model", parts=[types.Part(text="for the app")]))
        tool_context.state["seen"] = 2
        yield "two"

    call = await Call.start(tools=[FunctionTool(watch, response_scheduling=types.FunctionResponseScheduling.INTERRUPT)])
    connection = await call.play(calls(("c1", "watch")), TURN_COMPLETE)
    await asyncio.sleep(1)
    await call.end()
    sent = [one for kind, responses in connection.sent for one in responses if kind == "tool_response"]
    assert [(one.response, one.scheduling, one.will_continue) for one in sent[1:]] == [
        ({"n": 1}, "SILENT", True),
        ({"result": "two"}, "INTERRUPT", True),
    ]
    own = next(event for event in call.events if event.content and event.content.text == "for the app")
    assert (own.author, own.invocation_id) == ("guide", call.events[0].invocation_id)
    assert (await call.saved()).state["seen"] == 2
    (changed,) = [event.actions for event in call.events if event.actions.state_delta]
    assert changed == EventActions(state_delta={"seen": 2})


# -- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [True, False])
@virtual
async def test_a_stream_goes_on_over_a_loss_and_the_next_line_is_told_of_it(resumed: bool) -> None:
    call = await Call.start(tools=[count])
    first = await call.connection()
    if resumed:
        first.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    await call.play(calls(("c1", "count", {"upto": 4})), text("ok"), TURN_COMPLETE)
    await asyncio.sleep(0.5)
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(10)
    await call.end()
    assert answered(first) == [("c1", PENDING), ("c1", {"result": 0})]
    told: list[Any] = []
    for kind, turns in second.sent:
        assert kind in ("history", "question")
        told += [part for turn in turns for part in turn.parts]
    responses = [part.function_response.response for part in told if part.function_response is not None]
    assert [one for one in responses if "result" in one][-3:] == [{"result": 1}, {"result": 2}, {"result": 3}]
    named = {part.function_call.id for part in told if part.function_call is not None}
    assert named == {"c1"}, "the model is told which call it is"
    assert second.sent[-1][0] == "question", "what is new is for the model to tell"


@virtual
async def test_an_update_that_was_lost_with_the_line_is_for_the_next_model_to_tell() -> None:
    call = await Call.start(tools=[count])
    first = await call.play(calls(("c1", "count", {"upto": 2})), text("I count."), TURN_COMPLETE)
    await asyncio.sleep(1)
    assert answered(first)[-1] == ("c1", {"result": 1})
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(1)
    await call.end()
    kind, turns = second.sent[-1]
    assert kind == "question"
    assert turns[-1].parts[0].function_response.response == {"result": 1}


@virtual
async def test_while_no_line_is_there_a_stream_waits() -> None:
    produced: list[int] = []

    async def fast() -> AsyncGenerator[int, None]:
        for number in range(1000):
            produced.append(number)
            yield number
            await asyncio.sleep(0.01)

    call = await Call.start(tools=[fast])
    first = await call.play(calls(("c1", "fast")), TURN_COMPLETE)
    await asyncio.sleep(0.1)
    free = asyncio.Event()
    send = first.send_tool_response

    async def stall(responses: Any) -> None:
        await free.wait()
        await send(responses)

    first.send_tool_response = stall  # type: ignore[method-assign]
    await asyncio.sleep(0.1)
    before = len(produced)
    await asyncio.sleep(5)
    assert len(produced) == before
    free.set()
    await asyncio.sleep(1)
    assert len(produced) > before
    await call.end()


@virtual
async def test_the_shortcut_of_media_is_back_when_no_stream_listens() -> None:
    async def listen(input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
        """Listens."""
        await input_stream.get()
        yield "heard"

    call = await Call.start(tools=[listen])
    await call.play(calls(("c1", "listen")), TURN_COMPLETE)
    assert call.queue._shortcut is None
    call.queue.send_realtime(pcm())
    await settle()
    assert call.queue._shortcut is not None
    await call.end()
    assert [short(event) for event in call.events if event.get_function_responses()] == ["answer-c1", "answer-c1"]
