"""Which events a model is told, and where its tools' answers stand among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.events import Event
from fullduplex.turns.recall import on_branch, paired, present_turn
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.live import Transcription


def said(words: str, author: str = "guide", branch: str | None = None) -> Event:
    role = "user" if author == "user" else "model"
    return Event(author=author, branch=branch, content=Content(role=role, parts=[Part(text=words)]))


def called(*ids: str, words: str = "") -> Event:
    text = [Part(text=words)] if words else []
    parts = [*text, *(Part(function_call=FunctionCall(id=one, name=one)) for one in ids)]
    return Event(author="guide", content=Content(role="model", parts=parts))


def answered(*ids: str, value: int = 0, author: str = "guide") -> Event:
    parts = [Part(function_response=FunctionResponse(id=one, name=one, response={"v": value})) for one in ids]
    return Event(author=author, content=Content(role="user", parts=parts))


def lines(events: list[Event]) -> list[str]:
    return [" ".join(map(word, (event.content and event.content.parts) or [])) for event in events]


def word(part: Part) -> str:
    if part.function_call is not None:
        return f"{part.function_call.id}?"
    if part.function_response is not None:
        return f"{part.function_response.id}={(part.function_response.response or {})['v']}"
    return part.text or ""


def test_a_call_and_its_answer_stay_as_they_are() -> None:
    events = [said("q", "user"), called("a", "b", words="look"), answered("a", "b"), said("done")]
    assert paired(events) == events


def test_what_is_answered_later_stands_before_its_last_answer() -> None:
    events = [called("a"), answered("a", value=1), said("I asked."), answered("a", value=2, author="user")]
    assert lines(paired(events)) == ["I asked.", "a?", "a=2"]


def test_of_two_calls_the_one_that_was_answered_at_once_stays_where_it_was() -> None:
    events = [called("a", "b"), answered("a", "b"), said("wait"), answered("b", value=2, author="user")]
    assert lines(paired(events)) == ["a?", "a=0", "wait", "b?", "b=2"]


def test_an_answer_that_the_user_gave_belongs_to_the_agent_that_called() -> None:
    told = paired([called("a"), answered("a", author="user")])
    assert [event.author for event in told] == ["guide", "guide"]


def test_a_call_that_is_moved_keeps_the_signature_of_its_thought() -> None:
    event = called("a", "b")
    assert event.content is not None
    (event.content.parts or [])[0].thought_signature = b"signed"  # type: ignore[assignment]
    told = paired([event, answered("a"), said("wait"), answered("b", author="user")])
    calls = [part for one in told for part in (one.content and one.content.parts) or [] if part.function_call]
    assert [(part.function_call and part.function_call.id, part.thought_signature) for part in calls] == [
        ("a", b"signed"),
        ("b", b"signed"),
    ]


def test_text_beside_a_call_stays_where_it_was_said() -> None:
    events = [called("a", words="Let me see."), said("hm"), answered("a")]
    assert lines(paired(events)) == ["Let me see.", "hm", "a?", "a=0"]


def test_calls_without_an_answer_and_answers_without_a_call_are_left_out() -> None:
    assert lines(paired([called("a"), said("x"), called("b", words="y"), answered("c")])) == ["x", "y"]


def test_branches_that_answer_in_between() -> None:
    events = [called("a"), called("b"), answered("b"), answered("a")]
    assert lines(paired(events)) == ["b?", "b=0", "a?", "a=0"]


def test_a_transcript_stands_between_call_and_answer_no_more() -> None:
    spoken = Event(author="user", input_transcription=Transcription(text="and?", finished=True))
    events = paired([called("a"), spoken, answered("a")])
    assert events[0] is spoken
    assert lines(events[1:]) == ["a?", "a=0"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.randoms())
def test_each_answer_follows_its_call_at_once(letters: list[str], chance: object) -> None:
    events: list[Event] = []
    for number, letter in enumerate(letters):
        fresh = not any(call.id == letter for event in events for call in event.get_function_calls())
        events.append(called(letter) if fresh else answered(letter, value=number))
        if chance.random() < 0.5:  # type: ignore[attr-defined]
            events.append(said("…"))
    told = paired(events)
    for before, event in zip([None, *told], told, strict=False):
        for answer in event.get_function_responses():
            assert before is not None
            assert answer.id in [call.id for call in before.get_function_calls()]
    answers = [answer.id for event in told for answer in event.get_function_responses()]
    calls = [call.id for event in told for call in event.get_function_calls()]
    assert sorted(map(str, answers)) == sorted(map(str, calls))
    assert set(answers) == {letter for letter in letters if letters.count(letter) > 1}
    assert [e for e in told if e.content and e.content.text] == [e for e in events if e.content and e.content.text]


@pytest.mark.parametrize(
    ("branch", "seen"),
    [
        (None, ["all", "fan", "left", "right", "deep"]),
        ("fan", ["all", "fan"]),
        ("fan.left", ["all", "fan", "left"]),
        ("fan.left.in.deep", ["all", "fan", "left", "deep"]),
        ("fan.leftover", ["all", "fan"]),
    ],
)
def test_a_branch_sees_itself_and_what_leads_to_it(branch: str | None, seen: list[str]) -> None:
    branches = {"all": None, "fan": "fan", "left": "fan.left", "right": "fan.right", "deep": "fan.left.in.deep"}
    events = [said(name, branch=own) for name, own in branches.items()]
    assert lines(on_branch(events, branch)) == seen


def test_the_present_turn_begins_with_what_came_from_elsewhere() -> None:
    events = [said("old", "user"), said("x"), said("new", "user"), called("a"), answered("a"), answered("b")]
    assert lines(present_turn(events, "guide")) == ["new", "a?", "a=0", "b=0"]
    assert lines(present_turn([*events, said("yours", "other")], "guide")) == ["yours"]
    assert lines(present_turn([said("mine")], "guide")) == ["mine"]
