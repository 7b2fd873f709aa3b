"""What becomes of an answer, a tool and the user's speech when the backend sends us away (goAway)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import types
from fullduplex.mock_live import (
    Conversation,
    UserTurn,
    go_away,
    say,
    tool_call,
)
from fullduplex.testing import tagged_audio
from tests.live.kit import TURN_COMPLETE, Call, audio, calls, heard, pcm, said, settle, text, user, virtual
from tests.live.wire import (
    NATIVE,
    SPEAKING,
    ask,
    audio_ms,
    connected,
    model_said,
    slices,
    speech,
    talk,
    talk_of,
    texts,
    turns_over,
)


@pytest.mark.spec(66, 140)
async def test_an_answer_is_heard_to_its_end_before_the_line_is_changed() -> None:
    long = [say("Lighthouses stand where the land ends.", audio_ms=1200)]
    script = [[say("Hello.", audio_ms=100)], long, [say("Good bye.", audio_ms=100)]]
    async with talk(script, model=NATIVE, run_config=SPEAKING, mock={"pace": 1.0}) as (server, call):
        call.queue.send_content(user("hello"))
        await call.until(lambda event: event.live_session_resumption_update)
        call.queue.send_content(user("tell me of lighthouses"))
        await call.until(lambda _: audio_ms(call.events) > 300)
        await server.push(go_away(8.0))
        first, second = server.connections[0], await connected(server, 2)
        assert first.is_open, "the next line is open before this one is left"
        assert audio_ms(call.events) < 1000
        await call.until(turns_over(call, 2))
        await server.wait_for(lambda _: not first.is_open, timeout=1.0)
        assert audio_ms(call.events) == pytest.approx(1300)
        assert second.resumed_from == first.handles[0]
        call.queue.send_content(user("bye"))
        await call.until(turns_over(call, 3))
        assert [words for _, words in talk_of(second)] == [
            "hello", "Hello.", "tell me of lighthouses", "Lighthouses stand where the land ends.", "bye", "Good bye."
        ]  # fmt: skip
        assert len(server.connections) == 2
        assert not [event for event in call.events if event.error_code]


@pytest.mark.spec(140)
@virtual
async def test_an_answer_that_outlasts_the_time_goes_on_until_the_next_line_answers() -> None:
    call = await Call.start()
    call.queue.send_content(user("count"))
    await settle()
    first = await call.play(text("One, two, "), {"goAway": {"timeLeft": "2s"}})
    await asyncio.sleep(1.1)
    second = await call.connection(2)
    assert not first.closed
    await call.play(text("three, "))
    assert call.short[-1] == "P:three, "
    await second.wait_sent(2)
    await call.play(text("One, two, three, four."), TURN_COMPLETE, number=2)
    assert first.closed
    assert second.sent == [("history", [user("count")]), ("question", [])]
    shown = await call.end()
    assert shown.count("M:One, two, three, four.") == 1
    assert shown.count("end") == 1
    whole = [event for event in (await call.saved()).events if event.content and not event.interrupted]
    assert [event.content.text for event in whole] == ["count", "One, two, three, four."]


@pytest.mark.spec(140)
@virtual
async def test_a_spoken_question_that_is_being_answered_is_not_heard_again_though_its_transcript_has_no_end() -> None:
    call = await Call.start()
    first = await call.connection()
    for number in range(25):
        call.queue.send_realtime(types.Blob(data=tagged_audio.encode(number * 2, 2, 16_000), mime_type="audio/pcm"))
        await asyncio.sleep(0.04)
    for _ in range(15):
        call.queue.send_realtime(pcm())
        await asyncio.sleep(0.04)
    await call.play(heard("count "), heard("to four"), audio(), said("One, two, "), {"goAway": {"timeLeft": "2s"}})
    await asyncio.sleep(1.1)
    second = await call.connection(2)
    await settle()
    assert second.sent == [("history", [user("count to four")])]
    await call.play(said("three, four."), TURN_COMPLETE)
    assert first.closed
    await asyncio.sleep(1)
    assert [kind for kind, _ in second.sent] == ["history", "history"], "nobody is asked for an answer that was given"
    assert "interrupted" not in await call.end()


@pytest.mark.spec(140)
@virtual
async def test_an_answer_that_ends_just_after_the_time_is_not_asked_for_again() -> None:
    call = await Call.start()
    call.queue.send_content(user("count"))
    await settle()
    first = await call.play(text("One, two, "), {"goAway": {"timeLeft": "2s"}})
    await asyncio.sleep(1.1)
    second = await call.connection(2)
    await call.play(text("three."), TURN_COMPLETE)
    assert first.closed
    call.queue.send_content(user("and now?"))
    await second.wait_sent(3)
    assert second.sent == [
        ("history", [user("count")]),
        ("history", [model_said("One, two, three.")]),
        ("content", user("and now?")),
    ]
    await call.play(text("Done."), TURN_COMPLETE, number=2)
    shown = await call.end()
    assert [one for one in shown if one.startswith("M")] == ["M:One, two, three.", "M:Done."]
    assert await call.saved_short() == ["user:count", "M:One, two, three.", "end", "user:and now?", "M:Done.", "end"]


@pytest.mark.spec(140)
async def test_the_line_is_changed_when_a_tool_has_answered_and_the_answer_is_given() -> None:
    async def look() -> str:
        await asyncio.sleep(0.4)
        return "sunny"

    async with talk([[tool_call("look"), say("Sunny.")]], tools=[look]) as (server, call):
        call.queue.send_content(user("what is the weather?"))
        await call.until(lambda event: event.get_function_calls())
        await server.push(go_away(5.0))
        await call.until(turns_over(call, 1))
        second = await connected(server, 2)
        await server.wait_for(lambda mock: len(mock.open_connections) == 1)
        assert server.connections[0].count("toolResponse") == 1
        assert second.count("toolResponse") == 0
        assert texts(call.events) == ["Sunny."]
        assert await ask(call, "thank you") == "You said: thank you"
        assert [name for name, _ in talk_of(second)].count("model") == 3, "the call, the answer, and the thanks"


@pytest.mark.spec(140, 143)
@pytest.mark.parametrize("seconds", [2.5, 4.0], ids=["before the old line is closed", "after it"])
@virtual
async def test_a_tool_that_outlasts_the_time_answers_on_the_next_line(seconds: float) -> None:
    async def look() -> str:
        await asyncio.sleep(seconds)
        return "sunny"

    call = await Call.start(tools=[look])
    call.queue.send_content(user("what is the weather?"))
    await settle()
    first = await call.play(calls(("fc-1", "look")), {"goAway": {"timeLeft": "3s"}})
    await asyncio.sleep(3)
    first.lose(1000)
    await asyncio.sleep(2)
    second = await call.connection(2)
    assert not [kind for kind, _ in first.sent if kind == "tool_response"]
    given = [part.function_response for _, turns in second.sent for turn in turns for part in turn.parts or []]
    assert [one.response for one in given if one is not None] == [{"result": "sunny"}]
    assert second.sent[-1][0] == "question", "the model is to answer now"
    await call.play(text("Sunny."), TURN_COMPLETE, number=2)
    assert (await call.end())[-2:] == ["M:Sunny.", "end"]
    assert [one for one in await call.saved_short() if "fc-1" in one] == ["call-fc-1", "answer-fc-1"]


@pytest.mark.spec(140, 143)
@pytest.mark.parametrize("time_left", [5.0, 1.2], ids=["time enough", "cut short"])
async def test_who_is_sent_away_while_the_user_speaks_hears_the_user_out(time_left: float) -> None:
    def slices_of(turn: UserTurn, _: Conversation) -> list[Any]:
        return [say(f"Heard {turn.text}.", audio_ms=100)]

    def hear(heard: bytes, rate: int) -> str:
        numbers = [one for one in tagged_audio.decode(heard, rate) if one != tagged_audio.UNREADABLE]
        return f"{numbers[0]} to {numbers[-1]}, {len(numbers)} slices" if numbers else "nothing"

    options = {"reactor": slices_of, "hear": hear, "default_silence_ms": 200}
    async with talk(model=NATIVE, run_config=SPEAKING, mock=options) as (server, call):
        await connected(server, 1)
        chunks = [*speech(0, 30), *[pcm()] * 20]
        for number, chunk in enumerate(chunks):
            call.queue.send_realtime(chunk)
            if number == 8:
                await server.push(go_away(time_left))
            await asyncio.sleep(0.04)
        await call.until(turns_over(call, 1))
        said = [event.output_transcription for event in call.events if event.output_transcription]
        assert [one.text for one in said if one.finished] == ["Heard 0 to 59, 60 slices."]
        await connected(server, 2)
        await server.wait_for(lambda mock: len(mock.open_connections) == 1)
        answering = server.connections[0 if time_left > 2 else 1]
        assert slices(answering) == list(range(60))
