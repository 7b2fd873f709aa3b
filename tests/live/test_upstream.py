"""What goes up, as a model meets it: requests in order, one by one, and what the session keeps of them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fullduplex import LiveRequestQueue, types
from fullduplex.agents import LiveRequest
from fullduplex.types.live import ActivityEnd, ActivityStart, AudioStreamEnd
from tests.live.kit import TURN_COMPLETE, Call, audio, pcm, settle, text, user, virtual


@pytest.mark.spec(33)
@virtual
async def test_requests_arrive_one_by_one_in_order() -> None:
    call = await Call.start()
    blobs = [pcm(0.02) for _ in range(50)]
    expected = []
    for number, blob in enumerate(blobs):
        call.queue.send_realtime(blob)
        expected.append(("realtime", blob))
        if number % 10 == 0:
            turn = user(f"turn {number}")
            call.queue.send_content(turn)
            expected.append(("content", turn))
        if number % 10 == 5:
            call.queue.send_activity_start()
            call.queue.send_activity_end()
            call.queue.send_audio_stream_end()
            expected += [("activity", ActivityStart()), ("activity", ActivityEnd()), ("activity", AudioStreamEnd())]
    connection = await call.connection()
    await connection.wait_sent(len(expected))
    await call.end()
    assert connection.sent == expected
    arrived = [value for kind, value in connection.sent if kind == "realtime"]
    assert all(one is other for one, other in zip(arrived, blobs, strict=True))


@pytest.mark.spec(35)
@virtual
async def test_partial_content_asks_for_no_answer_and_is_not_kept() -> None:
    call = await Call.start()
    call.queue.send_content(user("by the way"), partial=True)
    connection = await call.connection()
    await connection.wait_sent(1)
    await call.end()
    assert connection.sent == [("partial", user("by the way"))]
    assert await call.saved_short() == []


@pytest.mark.spec(38)
@virtual
async def test_of_a_mixed_request_the_signal_and_the_content_are_sent() -> None:
    call = await Call.start()
    call.queue.send(LiveRequest(activity_start=ActivityStart(), content=user("hi"), blob=pcm()))
    call.queue.send(LiveRequest(activity_end=ActivityEnd(), audio_stream_end=True, blob=pcm()))
    call.queue.send(LiveRequest(audio_stream_end=True, blob=pcm()))
    call.queue.send(LiveRequest(blob=pcm(), content=user("there")))
    connection = await call.connection()
    await connection.wait_sent(6)
    await call.end()
    assert connection.sent == [
        ("activity", ActivityStart()),
        ("content", user("hi")),
        ("activity", ActivityEnd()),
        ("activity", AudioStreamEnd()),
        ("realtime", pcm()),
        ("content", user("there")),
    ]


@pytest.mark.spec(42)
@virtual
async def test_a_state_delta_alone_changes_the_state_and_sends_nothing() -> None:
    call = await Call.start()
    call.queue.send(LiveRequest(state_delta={"city": "Oslo", "user:name": "Ada"}))
    await settle()
    connection = await call.connection()
    assert await call.end() == []
    session = await call.saved()
    assert (session.state["city"], session.state["user:name"]) == ("Oslo", "Ada")
    assert [(e.author, e.content, e.actions.state_delta) for e in session.events] == [
        ("user", None, {"city": "Oslo", "user:name": "Ada"})
    ]
    assert connection.sent == []


@pytest.mark.parametrize("partial", [False, True])
@virtual
async def test_a_state_delta_with_content_is_applied_once(partial: bool) -> None:
    call = await Call.start()
    call.queue.send(LiveRequest(content=user("hi"), partial=partial, state_delta={"n": 1}))
    await settle()
    await call.end()
    session = await call.saved()
    assert session.state["n"] == 1
    assert [event.actions.state_delta for event in session.events] == [{"n": 1}]
    assert (session.events[0].content is None) is partial


@virtual
async def test_a_state_delta_with_a_tools_late_answer_is_applied() -> None:
    answer = types.FunctionResponse(id="c1", name="order", response={"status": "shipped"})
    call = await Call.start()
    content = types.Content(parts=[types.Part(function_response=answer)])
    call.queue.send(LiveRequest(content=content, state_delta={"status": "shipped"}))
    connection = await call.connection()
    await connection.wait_sent(1)
    await call.end()
    assert connection.sent == [("tool_response", [answer])]
    assert (await call.saved()).state["status"] == "shipped"


@virtual
async def test_content_without_a_role_is_the_users() -> None:
    call = await Call.start()
    mine = types.Content(parts=[types.Part(text="hi")])
    call.queue.send_content(mine)
    connection = await call.connection()
    await connection.wait_sent(1)
    await call.end()
    assert connection.sent[0][1].role == "user"
    assert mine.role is None


@pytest.mark.parametrize(
    "bad",
    [
        types.Content(role="user", parts=[]),
        types.Content(role="user"),
        types.Content(role="user", parts=[types.Part(function_call=types.FunctionCall(name="f"))]),
    ],
    ids=["no parts", "parts unset", "function call"],
)
@virtual
async def test_content_that_no_user_can_send_is_refused_and_the_run_lives_on(bad: types.Content) -> None:
    call = await Call.start()
    call.queue.send_content(bad)
    call.queue.send_content(user("hi"))
    connection = await call.connection()
    await connection.wait_sent(1)
    await call.play(text("Hello"), TURN_COMPLETE)
    assert await call.end() == ["error-invalid_content", "P:Hello", "M:Hello", "end"]
    refusal = next(event for event in call.events if event.error_code)
    assert refusal.recoverable is True
    assert connection.sent == [("content", user("hi"))]


@virtual
async def test_what_the_user_types_over_an_answer_is_kept_after_it() -> None:
    call = await Call.start()
    call.queue.send_content(user("one"))
    await settle()
    await call.play(text("first "))
    call.queue.send_content(user("two"))
    await settle()
    await call.play(text("answer"), TURN_COMPLETE)
    await call.play(text("second answer"), TURN_COMPLETE)
    await call.end()
    assert await call.saved_short() == [
        "user:one",
        "M:first answer",
        "end",
        "user:two",
        "M:second answer",
        "end",
    ]


@virtual
async def test_what_the_user_typed_last_is_kept_when_the_run_ends_in_mid_answer() -> None:
    call = await Call.start()
    await call.play(audio())
    call.queue.send_content(user("bye"))
    await settle()
    await call.end()
    assert await call.saved_short() == ["user:bye"]


async def test_requests_from_many_threads_arrive_in_each_threads_order() -> None:
    call = await Call.start()
    connection = await call.connection()

    def work(name: int) -> None:
        for number in range(100):
            call.queue.send_content(user(f"{name}/{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(20):
        await connection.wait_sent(800)
    for thread in threads:
        thread.join()
    await call.end()
    told = [sent.text.split("/") for _, sent in connection.sent]
    for name in range(8):
        assert [int(number) for who, number in told if int(who) == name] == list(range(100))


@pytest.mark.spec(43)
@virtual
async def test_a_closed_queue_ends_a_run_before_it_connects() -> None:
    call = await Call.start()
    assert await call.end() == []
    assert call.model.connections == []
    again = LiveRequestQueue()
    again.close()
    session = await call.saved()
    run = call.runner.run_live(user_id="u", session_id=session.id, live_request_queue=again)
    assert [event async for event in run] == []


@pytest.mark.spec(34)
@virtual
async def test_close_is_sticky_ends_the_run_and_nothing_reconnects() -> None:
    call = await Call.start()
    connection = await call.play(text("Hi"), TURN_COMPLETE)
    call.queue.close()
    assert call.queue.closed
    call.queue.send_content(user("too late"))
    call.queue.send_realtime(pcm())
    await call.reader
    assert call.queue.closed
    assert connection.closed
    assert connection.sent == []
    assert len(call.model.connections) == 1


@virtual
async def test_what_was_sent_before_close_still_goes_up() -> None:
    call = await Call.start()
    connection = await call.connection()
    for number in range(3):
        call.queue.send_content(user(str(number)))
    await call.end()
    assert [sent.text for _, sent in connection.sent] == ["0", "1", "2"]
    assert await call.saved_short() == ["user:0", "user:1", "user:2"]
