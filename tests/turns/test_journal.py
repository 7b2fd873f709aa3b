"""What a session keeps, and in which order: a conversation that reads as one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.events import Event, EventActions
from fullduplex.sessions import InMemorySessionService
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.journal import Journal, is_kept
from fullduplex.types import (
    Blob,
    Content,
    FileData,
    FunctionCall,
    FunctionResponse,
    LiveServerGoAway,
    LiveServerMessage,
    LiveServerSessionResumptionUpdate,
    LiveServerSetupComplete,
    Part,
    Transcription,
    UsageMetadata,
    VoiceActivity,
)


def content(part: Part, role: str = "model", **fields: Any) -> Event:
    return Event(author="agent", content=Content(role=role, parts=[part]), **fields)


PARTIAL = content(Part(text="x"), partial=True)
MERGED = content(Part(text="x"), partial=False)
AUDIO = content(Part(inline_data=Blob(data=b"a", mime_type="audio/pcm")))
CALL = content(Part(function_call=FunctionCall(id="1", name="f")))
ANSWER = content(Part(function_response=FunctionResponse(id="1", name="f", response={})), role="user")
SAYS = Event(author="agent", output_transcription=Transcription(text="x", finished=False), partial=True)
SAID = Event(author="agent", output_transcription=Transcription(text="x", finished=True), partial=False)
TURN_COMPLETE = Event(author="agent", turn_complete=True)
INTERRUPTED = Event(author="agent", interrupted=True)
HEARD = Event(author="user", input_transcription=Transcription(text="x", finished=True), partial=False)
USAGE = Event(author="agent", usage_metadata=UsageMetadata(total_token_count=1))

KEPT = [
    MERGED, CALL, ANSWER, SAID, HEARD, TURN_COMPLETE, INTERRUPTED, USAGE,
    content(Part(file_data=FileData(file_uri="artifact://x"))),
    Event(author="agent", live_session_resumption_update=LiveServerSessionResumptionUpdate(new_handle="h")),
    Event(author="agent", grounding_metadata={"q": 1}),
    Event(author="user", actions=EventActions(state_delta={"k": 1})),
    Event(author="agent", actions=EventActions(artifact_delta={"f": 0})),
]  # fmt: skip
NOT_KEPT = [
    PARTIAL, AUDIO, SAYS,
    content(Part(inline_data=Blob(data=b"a", mime_type="image/jpeg"))),
    Event(author="agent", go_away=LiveServerGoAway(time_left="1s")),
    Event(author="agent", generation_complete=True),
    Event(author="agent", setup_complete=LiveServerSetupComplete()),
    Event(author="agent", voice_activity=VoiceActivity(voice_activity_type="ACTIVITY_START")),
]  # fmt: skip


@pytest.mark.parametrize("event", KEPT)
def test_kept(event: Event) -> None:
    assert is_kept(event)


@pytest.mark.parametrize("event", NOT_KEPT)
def test_not_kept(event: Event) -> None:
    assert not is_kept(event)


def user(words: str = "u") -> Event:
    return Event(author="user", content=Content(role="user", parts=[Part(text=words)]))


@pytest.mark.parametrize("begun", [PARTIAL, AUDIO, MERGED, CALL])
def test_what_the_user_types_meanwhile_comes_after_the_turn(begun: Event) -> None:
    journal, typed = Journal(), user()
    journal.model(begun)
    assert journal.user(typed) == []
    assert journal.model(SAID) == [SAID]
    assert journal.model(TURN_COMPLETE) == [TURN_COMPLETE, typed]
    assert journal.user(typed) == [typed]


@pytest.mark.parametrize("late", [SAYS, SAID, HEARD, ANSWER, USAGE])
def test_what_comes_after_a_turn_does_not_hold_the_next_question_back(late: Event) -> None:
    journal, typed = Journal(), user()
    for event in (AUDIO, TURN_COMPLETE, late):
        journal.model(event)
    assert journal.user(typed) == [typed], "else the question would be kept after its own answer"


def test_the_end_of_a_connection_or_a_run_gives_back_what_was_held() -> None:
    journal, typed = Journal(), user()
    journal.model(AUDIO)
    journal.user(typed)
    assert journal.end() == [typed]
    assert journal.end() == []
    assert journal.user(typed) == [typed], "no end of turn will come from a connection that is gone"


model_events = st.sampled_from(
    [PARTIAL, MERGED, AUDIO, CALL, ANSWER, SAYS, SAID, TURN_COMPLETE, INTERRUPTED, HEARD, USAGE]
)


@given(st.lists(st.none() | model_events, max_size=40))
def test_nothing_is_lost_and_no_question_stands_inside_an_answer(script: list[Event | None]) -> None:
    journal = Journal()
    kept: list[Event] = []
    expected: list[Event] = []
    for step, event in enumerate(script):
        if event is None:
            typed = user(str(step))
            expected.append(typed)
            kept += journal.user(typed)
        else:
            stamped = event.model_copy(update={"id": str(step)})
            expected += [stamped] if is_kept(stamped) else []
            kept += journal.model(stamped)
    kept += journal.end()
    assert sorted(event.id for event in kept) == sorted(event.id for event in expected)
    for side in ("user", "agent"):
        ours = [event.id for event in kept if event.author == side and event.content]
        assert ours == [event.id for event in expected if event.author == side and event.content]
    speaking = False
    for index, event in enumerate(kept):
        ends_later = any(later.turn_complete for later in kept[index:])
        typed_text = event.author == "user" and event.content is not None
        assert not (typed_text and speaking and ends_later), "a question between an answer and its end"
        if event.author == "agent" and event.content is not None and event.content.role == "model":
            speaking = True
        elif event.turn_complete:
            speaking = False


@pytest.mark.spec(115, 116)
async def test_a_scripted_conversation_is_kept_as_specified() -> None:
    numbers = itertools.count()
    down = Downstream(author="agent", invocation_id="e", new_id=lambda: str(next(numbers)))
    journal = Journal()
    service = InMemorySessionService()
    session = await service.create_session(app_name="app", user_id="u")

    async def keep(events: list[Event]) -> None:
        for event in events:
            await service.append_event(session, event)

    async def model(message: dict[str, Any]) -> None:
        for event in down.feed(LiveServerMessage.model_validate(message), 1.0):
            await keep(journal.model(event))

    def turn(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"serverContent": {"modelTurn": {"parts": list(parts)} if parts else None, **more}}

    audio = {"inlineData": {"data": "AAAA", "mimeType": "audio/pcm;rate=24000"}}
    await keep(journal.user(user("question one")))
    await model({"setupComplete": {}})
    await model(turn({"text": "answer "}))
    await keep(journal.user(user("question two")))
    await model(turn({"text": "one"}))
    await model({"usageMetadata": {"totalTokenCount": 3}, **turn(turnComplete=True)})
    await model(turn(audio, outputTranscription={"text": "answer two"}))
    await keep(journal.user(user("question three")))
    await model(turn(inputTranscription={"text": "spoken", "finished": True}))
    await model({"goAway": {"timeLeft": "9s"}})
    await model(turn(interrupted=True))
    await model(turn(turnComplete=True))
    await keep(journal.end())

    stored = await service.get_session(app_name="app", user_id="u", session_id=session.id)
    assert stored is not None
    assert [brief(event) for event in stored.events] == [
        "user: question one", "usage", "agent: answer one", "turn_complete", "user: question two",
        "heard: spoken", "said: answer two", "interrupted", "turn_complete", "user: question three",
    ]  # fmt: skip


def brief(event: Event) -> str:
    if event.content is not None:
        return f"{event.author}: {event.content.text}"
    if event.input_transcription is not None:
        return f"heard: {event.input_transcription.text}"
    if event.output_transcription is not None:
        return f"said: {event.output_transcription.text}"
    if event.usage_metadata is not None:
        return "usage"
    return "turn_complete" if event.turn_complete else "interrupted" if event.interrupted else "?"
