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
from fullduplex.types.playout import Heard


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
CUT = Event(author="agent", interrupted=True, heard=Heard(response_id="r1", text="spo"))
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
    assert [*journal.model(SAID), *journal.model(TURN_COMPLETE)] == [SAID, TURN_COMPLETE, typed]
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


# -- what was heard -------------------------------------------------------------------------------------------------


def said(words: str) -> Event:
    return Event(author="agent", output_transcription=Transcription(text=words, finished=True), partial=False)


def kept_of(journal: Journal, *events: Event) -> list[str]:
    return [brief(kept) for event in events for kept in journal.model(event)]


def briefs(events: list[Event]) -> list[str]:
    return [brief(event) for event in events]


def test_what_is_said_aloud_is_kept_with_the_end_of_its_turn_and_so_is_all_that_follows_it() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One."), HEARD, USAGE, AUDIO, said("Two.")) == []
    assert not journal.awaiting
    assert kept_of(journal, TURN_COMPLETE) == ["said: One.", "heard: x", "usage", "said: Two.", "turn_complete"]


def test_what_comes_before_the_first_transcript_does_not_wait() -> None:
    assert kept_of(Journal(), AUDIO, HEARD, USAGE, said("One.")) == ["heard: x", "usage"]


@pytest.mark.spec(138)
@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("", []),
        ("One", ["said: One"]),
        ("One two.", ["said: One two."]),
        ("One two. Three", ["said: One two.", "said: Three"]),
        ("One two. Three four.", ["said: One two.", "said: Three four."]),
    ],
)
def test_an_interrupted_answer_ends_with_the_last_word_heard(heard: str, expected: list[str]) -> None:
    journal, told = Journal(), Heard(response_id="r1", text=heard, played_ms=1.0)
    shown = [AUDIO, said("One two."), USAGE, AUDIO, said("Three four."), INTERRUPTED, TURN_COMPLETE]
    assert kept_of(journal, *shown) == []
    assert journal.awaiting
    kept = journal.settle(told)
    assert not journal.awaiting
    assert [line for line in briefs(kept) if line.startswith("said")] == expected
    assert [line for line in briefs(kept) if not line.startswith("said")] == ["usage", "interrupted", "turn_complete"]
    for event in kept:
        if event.output_transcription is not None:
            assert (event.interrupted, event.heard) == (True, told)
    assert [brief(event) for event in shown if event.output_transcription] == ["said: One two.", "said: Three four."]
    assert all(event.heard is None and not (event.output_transcription and event.interrupted) for event in shown)
    assert journal.settle(told) == []


def test_the_times_of_words_that_were_not_heard_are_not_kept() -> None:
    journal = Journal()
    words = [{"word": "One", "startOffset": "0s"}, {"word": "two.", "startOffset": "1s"}]
    whole = Transcription(text="One two.", finished=True, words=words, end_offset="2s", language_code="en")
    for event in (AUDIO, Event(author="agent", output_transcription=whole), INTERRUPTED):
        journal.model(event)
    cut = journal.settle(Heard(text="One"))[0].output_transcription
    assert cut == Transcription(text="One", finished=True, language_code="en")
    assert whole.words == words


def test_an_interruption_in_the_same_event_as_the_end_of_the_turn_is_waited_for() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), Event(author="agent", interrupted=True, turn_complete=True)) == []
    assert journal.user(user()) == []
    assert briefs(journal.settle(Heard(text="One"))) == ["said: One", "turn_complete", "user: u"]


def test_when_nobody_knows_how_many_words_were_heard_they_stay() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), INTERRUPTED) == []
    assert briefs(journal.settle(Heard(response_id="r1", played_ms=5.0))) == ["said: One two.", "interrupted"]


def test_a_tools_record_does_not_wait() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("I look."), USAGE, CALL) == ["said: I look.", "usage", "agent: "]
    assert kept_of(journal, ANSWER, AUDIO, said("It rains."), INTERRUPTED) == ["agent: "]
    assert briefs(journal.settle(Heard(text="I look. It"))) == ["said: It", "interrupted"]


@pytest.mark.parametrize("answer", [[PARTIAL, MERGED], [PARTIAL], [CALL]])
def test_an_answer_without_audio_is_kept_as_it_comes(answer: list[Event]) -> None:
    journal = Journal()
    expected = [brief(event) for event in answer if is_kept(event)]
    assert kept_of(journal, *answer, said("x"), INTERRUPTED) == [*expected, "said: x", "interrupted"]
    assert not journal.awaiting


def test_an_interrupted_answer_without_transcript_waits_for_nothing() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, INTERRUPTED, TURN_COMPLETE) == ["interrupted", "turn_complete"]
    assert not journal.awaiting


@pytest.mark.parametrize("settled", [False, True])
def test_words_that_come_after_the_interruption_were_not_heard(settled: bool) -> None:
    journal = Journal()
    told = Heard(text="One")
    kept = kept_of(journal, AUDIO, said("One two."), INTERRUPTED)
    kept += briefs(journal.settle(told)) if settled else []
    kept += kept_of(journal, said("Three."), TURN_COMPLETE)
    kept += briefs(journal.settle(told))
    assert kept == ["said: One", "interrupted", "turn_complete"]


def test_the_next_answer_may_begin_while_the_last_one_is_waited_for() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), INTERRUPTED, TURN_COMPLETE) == []
    assert kept_of(journal, CALL, AUDIO, said("Three four.")) == []
    kept = journal.settle(Heard(text="One"))
    assert briefs(kept) == ["said: One", "interrupted", "turn_complete", "agent: "]
    assert kept_of(journal, INTERRUPTED) == []
    assert briefs(journal.settle(Heard(text="Three"))) == ["said: Three", "interrupted"]


def test_what_is_said_before_the_audio_of_the_next_answer_is_not_cut_with_the_last_one() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), INTERRUPTED, TURN_COMPLETE, said("Three."), AUDIO) == []
    kept = briefs(journal.settle(Heard(text="One")))
    assert kept == ["said: One", "interrupted", "turn_complete", "said: Three."]
    assert kept_of(journal, said("Four five."), INTERRUPTED) == []
    assert briefs(journal.settle(Heard(text="Three. Four"))) == ["said: Four", "interrupted"]


def test_an_end_cuts_the_answer_that_is_waited_for_and_not_the_one_after_it() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), INTERRUPTED, AUDIO, said("Three four.")) == []
    assert briefs(journal.end(Heard(text="One"))) == ["said: One", "interrupted", "said: Three four."]


def test_an_answer_that_nobody_settled_stays_whole_when_the_next_one_is_interrupted() -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), INTERRUPTED, AUDIO, said("Three four.")) == []
    assert kept_of(journal, INTERRUPTED) == ["said: One two.", "interrupted"]
    assert briefs(journal.settle(Heard(text="Three"))) == ["said: Three", "interrupted"]


@pytest.mark.parametrize("interrupted", [[], [INTERRUPTED]])
@pytest.mark.parametrize(("heard", "words"), [(None, "One two."), (Heard(text="One"), "One")])
def test_an_end_keeps_what_was_held(interrupted: list[Event], heard: Heard | None, words: str) -> None:
    journal = Journal()
    assert kept_of(journal, AUDIO, said("One two."), USAGE, *interrupted) == []
    assert journal.user(user()) == []
    expected = [f"said: {words}", "usage", *briefs(interrupted), "user: u"]
    assert briefs(journal.end(heard)) == expected
    assert not journal.awaiting
    assert journal.end(heard) == []


def test_a_late_transcript_of_a_turn_that_was_not_interrupted_is_kept_at_once() -> None:
    journal = Journal()
    kept = kept_of(journal, AUDIO, TURN_COMPLETE, said("One."), AUDIO, said("Two three."), INTERRUPTED)
    assert kept == ["turn_complete", "said: One."]
    assert briefs(journal.settle(Heard(text="Two"))) == ["said: Two", "interrupted"]


# -- an answer that is broken off when its turn is over ---------------------------------------------------------------


def given_and_cut(heard: Heard, *later: Event) -> list[Event]:
    """What is kept from the interruption on of an answer whose turn was over before."""
    journal = Journal()
    one, two = (said(words).model_copy(update={"id": words}) for words in ("One two.", "Three."))
    assert kept_of(journal, AUDIO, one, AUDIO, two, TURN_COMPLETE) == [
        "said: One two.",
        "said: Three.",
        "turn_complete",
    ]
    cut = Event(author="agent", interrupted=True, heard=Heard(response_id="r1", text="estimate"))
    assert kept_of(journal, cut, *later) == []
    assert journal.awaiting
    assert journal.user(user()) == []
    kept = journal.settle(heard)
    assert cut.heard == Heard(response_id="r1", text="estimate"), "the app has it already"
    assert not journal.awaiting
    assert journal.settle(heard) == []
    return kept


def test_an_interruption_after_the_turn_is_kept_with_what_was_heard_of_which_events() -> None:
    heard = Heard(response_id="r1", text="One", played_ms=5.0)
    first, *rest = given_and_cut(heard)
    assert (first.interrupted, first.heard) == (True, heard.model_copy(update={"cuts": ["One two.", "Three."]}))
    assert briefs(rest) == ["user: u"]


def test_what_follows_an_interruption_after_the_turn_waits_with_it() -> None:
    kept = given_and_cut(Heard(text="One"), TURN_COMPLETE, HEARD, CALL, AUDIO, said("Four."))
    assert briefs(kept) == ["interrupted", "turn_complete", "heard: x", "agent: "]


@pytest.mark.parametrize(
    "before",
    [[], [AUDIO, TURN_COMPLETE], [AUDIO, SAID, INTERRUPTED, TURN_COMPLETE], [AUDIO, SAID, TURN_COMPLETE, AUDIO]],
    ids=["nothing", "no transcript", "broken off already", "the next one has begun"],
)
def test_an_interruption_of_nothing_that_was_given_corrects_nothing(before: list[Event]) -> None:
    journal = Journal()
    for event in before:
        journal.model(event)
    journal.settle(Heard(text="spoken"))
    cut = Event(author="agent", interrupted=True, heard=Heard(response_id="r1", text=""))
    assert journal.model(cut) == [cut]


def test_an_interruption_of_which_nothing_was_told_to_be_heard_does_not_wait() -> None:
    assert kept_of(Journal(), AUDIO, SAID, TURN_COMPLETE, INTERRUPTED)[-1] == "interrupted"


def test_a_late_transcript_belongs_to_the_answer_that_is_broken_off() -> None:
    journal, late = Journal(), said("One.")
    kept_of(journal, AUDIO, TURN_COMPLETE, late)
    assert kept_of(journal, Event(author="agent", interrupted=True, heard=Heard(text="One."))) == []
    assert journal.settle(Heard(text=""))[0].heard == Heard(text="", cuts=[late.id])


@given(st.lists(st.text("ab .", min_size=1, max_size=12), min_size=1, max_size=5), st.integers(0, 60), st.data())
def test_what_is_kept_of_an_interrupted_answer_is_what_was_heard(texts: list[str], length: int, data) -> None:
    heard = " ".join(texts)[:length].rstrip()
    journal = Journal()
    script = [event for text in texts for event in (AUDIO, said(text))]
    script.insert(data.draw(st.integers(1, len(script))), HEARD)
    script += [INTERRUPTED, TURN_COMPLETE]
    kept = [kept for event in script for kept in journal.model(event)] + journal.settle(Heard(text=heard))
    words = "".join(event.output_transcription.text for event in kept if event.output_transcription)
    assert "".join(words.split()) == "".join(heard.split())
    others = [event for event in kept if event.output_transcription is None]
    assert others == [HEARD, INTERRUPTED, TURN_COMPLETE]


model_events = st.sampled_from(
    [PARTIAL, MERGED, AUDIO, CALL, ANSWER, SAYS, SAID, TURN_COMPLETE, INTERRUPTED, CUT, HEARD, USAGE]
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
    await keep(journal.settle(Heard(text="answer")))
    await keep(journal.end())

    stored = await service.get_session(app_name="app", user_id="u", session_id=session.id)
    assert stored is not None
    assert [brief(event) for event in stored.events] == [
        "user: question one", "usage", "agent: answer one", "turn_complete", "user: question two",
        "heard: spoken", "said: answer", "interrupted", "turn_complete", "user: question three",
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


def test_what_a_tool_says_begins_no_turn() -> None:
    journal = Journal()
    asked = Event(author="guide", content=Content(role="model", parts=[Part(text="May I?")]))
    typed = Event(author="user", content=Content(role="user", parts=[Part(text="hm")]))
    journal.beside(asked)
    assert journal.model(asked) == [asked]
    assert journal.user(typed) == [typed], "no end of a turn would follow"
