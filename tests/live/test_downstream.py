"""What comes down, as an app sees it: the events of a run for what the backend says."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import RunConfig
from fullduplex.types.config import SessionResumptionConfig
from tests.live.kit import (
    GENERATION_COMPLETE,
    GO_AWAY,
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    cancellation,
    content,
    handle,
    heard,
    said,
    settle,
    text,
    user,
    virtual,
)


async def events_of(*messages: dict, **start) -> list[str]:
    call = await Call.start(**start)
    await call.play(*messages)
    return await call.end()


@pytest.mark.spec(50)
@virtual
async def test_text_streams_is_merged_and_the_turn_ends() -> None:
    call = await Call.start()
    await call.play(text("Hel"), text("lo "), text("there"), TURN_COMPLETE)
    assert await call.end() == ["P:Hel", "P:lo ", "P:there", "M:Hello there", "end"]
    assert [event.author for event in call.events] == ["guide"] * 6


@pytest.mark.spec(51, 52)
@virtual
async def test_thoughts_and_tool_calls_split_a_turn_into_segments() -> None:
    async def look() -> str:
        return "rain"

    call = await Call.start(tools=[look])
    connection = await call.play(
        text("Let me ", thought=True),
        text("think.", thought=True),
        text("Looking"),
        text(" now."),
        calls(("c1", "look")),
    )
    await connection.wait_sent(1)
    await call.play(text("It "), text("rains."), TURN_COMPLETE)
    assert await call.end() == [
        "P~Let me ",
        "P~think.",
        "M~Let me think.",
        "P:Looking",
        "P: now.",
        "M:Looking now.",
        "call-c1",
        "answer-c1",
        "P:It ",
        "P:rains.",
        "M:It rains.",
        "end",
    ]
    merged = [event for event in call.events if event.partial is False]
    assert [event.content.parts[0].thought for event in merged] == [True, None, None]


@pytest.mark.spec(53)
@virtual
async def test_each_chunk_of_audio_is_an_event_of_its_own() -> None:
    call = await Call.start()
    chunks = [bytes([number, 0]) * 240 for number in range(20)]
    await call.play(*map(audio, chunks), TURN_COMPLETE)
    await call.end()
    spoken = [event for event in call.events if event.content is not None]
    assert [event.content.parts[0].inline_data.data for event in spoken] == chunks
    assert all(event.partial is None and event.author == "guide" for event in spoken)


@pytest.mark.spec(54, 55)
@virtual
async def test_transcripts_come_as_pieces_and_then_in_full() -> None:
    call = await Call.start()
    await call.play(
        heard("what "),
        heard("time"),
        heard(None, finished=True),
        audio(),
        said("It is "),
        audio(),
        said("noon"),
        said(None, finished=True),
        TURN_COMPLETE,
    )
    assert await call.end() == [
        "P-in:what ",
        "P-in:time",
        "M-in:what time",
        "audio",
        "P-out:It is ",
        "audio",
        "P-out:noon",
        "M-out:It is noon",
        "end",
    ]
    transcripts = [event for event in call.events if event.input_transcription or event.output_transcription]
    assert [event.author for event in transcripts] == ["user"] * 3 + ["guide"] * 3
    finished = [(event.input_transcription or event.output_transcription).finished for event in transcripts]
    assert finished == [False, False, True, False, False, True]


@pytest.mark.spec(54, 55)
@virtual
async def test_words_that_come_with_the_end_are_told_before_the_whole() -> None:
    assert await events_of(heard("what time", finished=True), said("noon", finished=True), TURN_COMPLETE) == [
        "P-in:what time",
        "M-in:what time",
        "P-out:noon",
        "M-out:noon",
        "end",
    ]


@pytest.mark.spec(56)
@pytest.mark.parametrize(
    ("message", "last"),
    [(INTERRUPTED, "interrupted"), (TURN_COMPLETE, "end"), (GENERATION_COMPLETE, "generated")],
    ids=["interrupted", "turn_complete", "generation_complete"],
)
@virtual
async def test_an_unfinished_transcript_is_finished_first(message: dict, last: str) -> None:
    events = await events_of(heard("so"), said("I was"), message)
    assert events == ["P-in:so", "P-out:I was", "M-in:so", "M-out:I was", last]


@pytest.mark.spec(57)
@virtual
async def test_a_transcript_may_come_after_the_turn_is_complete() -> None:
    call = await Call.start()
    await call.play(audio(), TURN_COMPLETE, said("noon"), said(None, finished=True), heard("hm"))
    assert await call.end() == ["audio", "end", "P-out:noon", "M-out:noon", "P-in:hm", "M-in:hm"]


@pytest.mark.spec(58)
@virtual
async def test_a_backend_that_repeats_the_whole_transcript_doubles_no_word() -> None:
    assert await events_of(
        said("It"), said("It is"), said("It is noon"), said("It is noon", finished=True), TURN_COMPLETE
    ) == ["P-out:It", "P-out: is", "P-out: noon", "M-out:It is noon", "end"]


@pytest.mark.spec(59)
@virtual
async def test_an_interruption_ends_pending_text() -> None:
    call = await Call.start()
    await call.play(text("One, "), text("two"), INTERRUPTED, TURN_COMPLETE)
    assert await call.end() == ["P:One, ", "P:two", "M:One, two!", "end"]
    assert call.events[-2].interrupted is True
    assert call.events[-2].partial is False


@pytest.mark.spec(60)
@virtual
async def test_an_interruption_without_text_stands_alone() -> None:
    call = await Call.start()
    await call.play(audio(), said("I was"), INTERRUPTED, TURN_COMPLETE)
    assert await call.end() == ["audio", "P-out:I was", "M-out:I was", "interrupted", "end"]


@pytest.mark.spec(61)
@virtual
async def test_an_interruption_may_come_with_the_end_of_the_turn() -> None:
    call = await Call.start()
    await call.play(audio(), content(interrupted=True, turnComplete=True))
    assert await call.end() == ["audio", "end!"]
    assert (call.events[-1].turn_complete, call.events[-1].interrupted) == (True, True)


@pytest.mark.spec(62)
@virtual
async def test_usage_comes_before_the_rest_of_its_message() -> None:
    call = await Call.start()
    usage = {"promptTokenCount": 1, "responseTokenCount": 2, "totalTokenCount": 3}
    await call.play(text("Hi"), {**TURN_COMPLETE, "usageMetadata": usage})
    assert await call.end() == ["P:Hi", "usage", "M:Hi", "end"]
    told = next(event.usage_metadata for event in call.events if event.usage_metadata is not None)
    assert (told.prompt_token_count, told.candidates_token_count, told.total_token_count) == (1, 2, 3)
    assert told.response_token_count is None


@pytest.mark.spec(65)
@virtual
async def test_a_handle_is_shown_and_used_by_the_next_connection() -> None:
    call = await Call.start(run_config=RunConfig(session_resumption=SessionResumptionConfig()))
    connection = await call.play(text("Hi"), TURN_COMPLETE, handle("h1"), handle("", resumable=False), handle("h2"))
    assert connection.request.config.session_resumption.handle is None
    connection.lose()
    second = await call.connection(2)
    assert second.request.config.session_resumption.handle == "h2"
    assert second.request.history == []
    await call.end()
    told = [e.live_session_resumption_update for e in call.events if e.live_session_resumption_update is not None]
    assert [update.new_handle for update in told if update.resumable] == ["h1", "h2"]


@pytest.mark.spec(66)
@virtual
async def test_notices_of_the_backend_are_events() -> None:
    async def slow() -> None:
        await asyncio.sleep(10)

    call = await Call.start(tools=[slow])
    await call.play(
        calls(("c1", "slow")),
        cancellation("c1"),
        GENERATION_COMPLETE,
        GO_AWAY,
        {"voiceActivity": {"voiceActivityType": "ACTIVITY_START"}},
    )
    assert await call.end() == ["call-c1", "cancelled", "generated", "go_away", "activity"]
    assert call.events[0].setup_complete is not None
    away = next(event.go_away for event in call.events if event.go_away is not None)
    assert away.time_left == "10s"
    cancelled = next(e.tool_call_cancellation for e in call.events if e.tool_call_cancellation is not None)
    assert cancelled.ids == ["c1"]


@pytest.mark.spec(68)
@virtual
async def test_a_turn_without_content_says_why() -> None:
    call = await Call.start()
    await call.play(content(turnComplete=True, turnCompleteReason="PROHIBITED_INPUT_CONTENT"))
    assert await call.end() == ["end"]
    assert call.events[-1].turn_complete_reason == "PROHIBITED_INPUT_CONTENT"


@pytest.mark.spec(48)
@virtual
async def test_timestamps_are_seconds_that_never_go_back() -> None:
    async def look() -> int:
        return 1

    call = await Call.start(tools=[look])
    for step in range(5):
        await call.play(text("x"), calls((f"c{step}", "look")), TURN_COMPLETE)
        call.queue.send_content(user("go on"))
        await asyncio.sleep(1.5)
    await call.end()
    stamps = [event.timestamp for event in call.events]
    assert all(isinstance(stamp, float) for stamp in stamps)
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] >= 6.0
    saved = [event.timestamp for event in (await call.saved()).events]
    assert saved == sorted(saved)


@pytest.mark.spec(48)
@virtual
async def test_an_event_of_the_users_side_has_the_time_at_which_it_was_sent() -> None:
    call = await Call.start()
    await call.play(text("Hi"), TURN_COMPLETE)
    await asyncio.sleep(30)
    call.queue.send_content(user("still there?"))
    await settle()
    await call.end()
    assert (await call.saved()).events[-1].timestamp >= 30.0


@pytest.mark.spec(49)
@virtual
async def test_custom_metadata_is_on_every_event_saved_ones_and_the_users_too() -> None:
    async def look() -> int:
        return 1

    call = await Call.start(tools=[look], run_config=RunConfig(custom_metadata={"tenant": "t1"}))
    call.queue.send_content(user("hi"))
    await call.play(heard("hi"), text("x"), audio(), calls(("c1", "look")), TURN_COMPLETE)
    await call.until(lambda event: event.get_function_responses())
    await call.end()
    saved = (await call.saved()).events
    assert {event.author for event in saved} == {"user", "guide"}
    assert all(event.custom_metadata == {"tenant": "t1"} for event in [*call.events, *saved])
