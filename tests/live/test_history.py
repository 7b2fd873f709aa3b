"""What a session keeps of a run, and what the next run's model is told of it."""

from __future__ import annotations

import pytest

from fullduplex import RunConfig, types
from fullduplex.agents import LiveRequest
from fullduplex.events import Event
from fullduplex.live.briefing import Reader, brief
from fullduplex.turns.history import contents_of
from fullduplex.turns.recall import paired
from fullduplex.types.config import SessionResumptionConfig
from fullduplex.types.live import Transcription
from fullduplex.types.playout import Heard
from tests.live.kit import (
    GENERATION_COMPLETE,
    GO_AWAY,
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    content,
    handle,
    heard,
    pcm,
    said,
    settle,
    text,
    user,
    virtual,
)


@pytest.mark.spec(115)
@virtual
async def test_what_is_kept_and_what_is_not() -> None:
    async def look() -> str:
        return "rain"

    call = await Call.start(tools=[look])
    call.queue.send_content(user("hello"))
    call.queue.send_content(user("context"), partial=True)
    call.queue.send_realtime(pcm())
    call.queue.send_activity_start()
    call.queue.send_activity_end()
    call.queue.send(LiveRequest(state_delta={"k": 1}))
    await settle()
    await call.play(
        heard("how is "),
        heard("it", finished=True),
        text("hm", thought=True),
        text("Let "),
        text("me look."),
        calls(("c1", "look")),
        audio(),
        said("It "),
        said("rains.", finished=True),
        {**GENERATION_COMPLETE, "usageMetadata": {"totalTokenCount": 3}},
        TURN_COMPLETE,
        handle("h1"),
        {"voiceActivity": {"voiceActivityType": "ACTIVITY_START"}},
        audio(),
        INTERRUPTED,
        content(groundingMetadata={"x": 1}),
        text("half"),
        INTERRUPTED,
        TURN_COMPLETE,
        GO_AWAY,
    )
    await call.connection(2)
    await call.end()
    assert await call.saved_short() == [
        "user:hello",
        "state{'k': 1}",
        "M-in:how is it",
        "M~hm",
        "M:Let me look.",
        "call-c1",
        "answer-c1",
        "M-out:It rains.",
        "usage",
        "end",
        "handle",
        "interrupted",
        "grounding",
        "M:half!",
        "end",
    ]
    assert "P:Let " in call.short
    assert "audio" in call.short


@pytest.mark.spec(116)
@virtual
async def test_the_users_words_are_never_between_an_answer_and_its_end() -> None:
    call = await Call.start()
    call.queue.send_content(user("0"))
    await settle()
    for number in range(1, 6):
        await call.play(text("answer "))
        call.queue.send_content(user(str(number)))
        await settle()
        await call.play(text(str(number - 1)), TURN_COMPLETE)
    await call.play(text("answer "), text("5"), TURN_COMPLETE)
    await call.end()
    turns = [[f"user:{n}", f"M:answer {n}", "end"] for n in range(6)]
    assert await call.saved_short() == [line for turn in turns for line in turn]


@virtual
async def test_an_answer_of_a_tool_or_a_late_transcript_holds_no_later_words_back() -> None:
    async def look() -> str:
        return "rain"

    call = await Call.start(tools=[look])
    await call.play(calls(("c1", "look")), TURN_COMPLETE, said("late"))
    call.queue.send_content(user("and now?"))
    await settle()
    await call.play(text("Rain."), TURN_COMPLETE)
    await call.end()
    saved = await call.saved_short()
    assert saved.index("user:and now?") < saved.index("M:Rain.")


async def second_connection(*events: Event, **start) -> list[types.Content]:
    """What a new run on a session with these events tells its model."""
    call = await Call.start(**start)
    call.queue.close()
    await call.reader
    session = await call.saved()
    for event in events:
        await call.runner.session_service.append_event(session, event)
    again = await Call.start(runner=call.runner, model=call.model, session=session, **start)
    connection = await again.connection()
    await again.end()
    return connection.request.history


def spoken(words: str, role: str = "model") -> Event:
    return Event(author="guide", content=types.Content(role=role, parts=[types.Part(text=words)]))


@pytest.mark.spec(122)
@pytest.mark.parametrize(
    ("last", "role"), [(spoken("and you?"), "model"), (spoken("who are you?", "user"), "user")], ids=["model", "user"]
)
@virtual
async def test_the_last_turn_of_the_history_says_who_is_to_speak(last: Event, role: str) -> None:
    history = await second_connection(spoken("hi", "user"), spoken("hello"), last)
    assert [turn.text for turn in history][:2] == ["hi", "hello"]
    assert history[-1].role == role


@virtual
async def test_with_a_handle_no_history_is_sent() -> None:
    config = RunConfig(session_resumption=SessionResumptionConfig(handle="from before"))
    assert await second_connection(spoken("hi", "user"), run_config=config) == []


@pytest.mark.spec(121)
@virtual
async def test_a_run_continues_what_an_earlier_run_on_the_session_began() -> None:
    async def look() -> str:
        return "rain"

    first = await Call.start(tools=[look])
    first.queue.send_content(user("weather?"))
    await settle()
    await first.play(calls(("c1", "look")), said("It rains."), TURN_COMPLETE)
    await first.end()
    second = await Call.start(runner=first.runner, model=first.model, session=await first.saved())
    history = (await second.connection(2)).request.history
    await second.end()
    assert [(turn.role, turn.text) for turn in history] == [
        ("user", "weather?"),
        ("model", ""),
        ("user", ""),
        ("model", "It rains."),
    ]
    assert history[1].parts[0].function_call.name == "look"
    assert history[2].parts[0].function_response.response == {"result": "rain"}


def part(**fields) -> Event:
    return Event(author="guide", content=types.Content(role="model", parts=[types.Part(**fields)]))


def transcript(words: str, *, of_user: bool = False, finished: bool = True) -> Event:
    said = Transcription(text=words, finished=finished)
    return Event(**{"input_transcription" if of_user else "output_transcription": said}, partial=not finished)


def test_neighbouring_transcripts_of_one_side_are_one_turn() -> None:
    contents = contents_of(
        [
            transcript("what", of_user=True),
            transcript("time", of_user=True),
            transcript("noon"),
            transcript("sharp"),
            spoken("typed"),
            transcript("more"),
        ]
    )
    assert [(turn.role, turn.text) for turn in contents] == [
        ("user", "what time"),
        ("model", "noon sharp"),
        ("model", "typed"),
        ("model", "more"),
    ]


def answered_and_cut(heard: str | None, cuts: list[str] | None) -> list[Event]:
    """Two answers of two segments; the second one was broken off when its turn was over."""
    answers = [transcript(words) for words in ("One two.", "Three.", "One two.", "Three four.")]
    for number, event in enumerate(answers):
        event.id, event.author = str(number), "guide"
    mark = Event(author="guide", interrupted=True, heard=Heard(response_id="r", text=heard, cuts=cuts))
    over = Event(author="guide", turn_complete=True)
    typed = spoken("and?", "user").model_copy(update={"author": "user"})
    return [typed, *answers[:2], over, typed, *answers[2:], over, mark, over, typed]


@pytest.mark.parametrize(
    ("heard", "cuts", "expected"),
    [
        ("One", ["2", "3"], "One"),
        ("One  two. Three", ["2", "3"], "One two. Three"),
        ("One two. Three four.", ["2", "3"], "One two. Three four."),
        ("", ["2", "3"], None),
        ("One", None, "One two. Three four."),
        (None, ["2", "3"], "One two. Three four."),
        ("Quite different", ["2", "3"], "One two. Three four."),
        ("One", ["3", "unknown"], "One two. Three four."),
    ],
)
def test_an_answer_that_was_broken_off_after_its_turn_is_told_as_far_as_it_was_heard(
    heard: str | None, cuts: list[str] | None, expected: str | None
) -> None:
    events = answered_and_cut(heard, cuts)
    before = [event.model_copy(deep=True) for event in events]
    told = ["and?", "One two. Three.", "and?", *([expected] if expected else []), "and?"]
    assert [turn.text for turn in contents_of(events)] == told
    assert [turn.text for turn in brief(events, since=None, reader=Reader("guide")).contents] == told
    assert [turn.text for turn in contents_of(paired(events))] == told
    assert events == before
    quoted = "".join(turn.text for turn in contents_of(events, agent="another"))
    assert quoted.count("four") == (expected or "").count("four")


def test_an_answer_that_was_broken_off_after_its_turn_is_so_when_the_next_one_was_cut_off_by_a_loss() -> None:
    lost = transcript("Unasked.").model_copy(update={"id": "lost", "author": "guide"})
    events = [*answered_and_cut("One", ["2", "3"])[:-1], lost]
    told = [turn.text for turn in brief(events, since=None, cut_off={"lost"}).contents]
    assert told == ["and?", "One two. Three.", "and?", "One"]


def test_what_the_model_is_not_told_again() -> None:
    blob = types.Blob(data=b"x", mime_type="audio/pcm")
    stored = types.FileData(file_uri="artifact://app/u/s/_adk_live/a.pcm#0", mime_type="audio/pcm")
    own = types.FileData(file_uri="gs://bucket/picture.png", mime_type="image/png")
    events = [
        Event(turn_complete=True),
        Event(interrupted=True),
        spoken("piece").model_copy(update={"partial": True}),
        transcript("piece", finished=False),
        transcript("  "),
        part(text="thinking", thought=True),
        part(inline_data=blob),
        part(file_data=stored),
        part(text=""),
        part(file_data=own),
    ]
    (kept,) = contents_of(events)
    assert kept.parts == [types.Part(file_data=own)]


def test_ids_that_the_model_never_saw_are_taken_out() -> None:
    events = [
        part(function_call=types.FunctionCall(id="adk-1", name="f", args={"a": 1})),
        part(function_response=types.FunctionResponse(id="adk-1", name="f", response={"b": 2})),
        part(function_call=types.FunctionCall(id="theirs", name="f", args={})),
    ]
    first, answer, second = contents_of(events)
    assert first.parts[0].function_call == types.FunctionCall(name="f", args={"a": 1})
    assert answer.parts[0].function_response == types.FunctionResponse(name="f", response={"b": 2})
    assert second.parts[0].function_call.id == "theirs"
    assert events[0].content.parts[0].function_call.id == "adk-1"
