"""The ledger: whatever the order, each call is run once and answered once, unless it was cancelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.events import Event
from fullduplex.turns.ledger import Ledger, earlier_answer, is_news
from fullduplex.types import Content, FunctionCall, FunctionResponse, Part


def call(call_id: str, name: str = "f") -> FunctionCall:
    return FunctionCall(id=call_id, name=name, args={})


def test_answers_of_one_message_leave_together_in_the_order_of_the_calls() -> None:
    ledger = Ledger()
    assert ledger.called([call("a"), call("b"), call("c")]) == [call("a"), call("b"), call("c")]
    assert ledger.answered("c", 3) is None
    assert ledger.answered("a", 1) is None
    group = ledger.answered("b", 2)
    assert group is not None
    assert group.in_order() == [(call("a"), 1), (call("b"), 2), (call("c"), 3)]
    assert len(ledger) == 0


def test_a_second_answer_and_an_answer_to_nothing_are_dropped() -> None:
    ledger = Ledger()
    ledger.called([call("a"), call("b")])
    assert ledger.answered("a", 1) is None
    assert ledger.answered("a", 9) is None
    assert ledger.answered("z", 9) is None
    group = ledger.answered("b", 2)
    assert group is not None
    assert [answer for _, answer in group.in_order()] == [1, 2]
    assert ledger.answered("b", 9) is None


def test_a_cancelled_call_is_not_answered_and_lets_the_others_go() -> None:
    ledger = Ledger()
    ledger.called([call("a"), call("b")])
    assert ledger.answered("a", 1) is None
    stopped, (group,) = ledger.cancelled(["b", "b", "z", "a"])
    assert stopped == ["b"]
    assert group.in_order() == [(call("a"), 1)]
    assert ledger.answered("b", 2) is None
    assert ledger.cancelled(["b"]) == ([], [])


def test_when_all_are_cancelled_there_is_nothing_to_send() -> None:
    ledger = Ledger()
    ledger.called([call("a"), call("b")])
    stopped, (group,) = ledger.cancelled(["a", "b"])
    assert stopped == ["a", "b"]
    assert group.in_order() == []
    assert len(ledger) == 0


def test_an_id_is_run_once_while_it_is_open_and_again_when_it_is_not() -> None:
    ledger = Ledger()
    assert ledger.called([call("a", "first"), call("a", "second")]) == [call("a", "first")]
    assert ledger.called([call("a"), call("b")]) == [call("b")]
    group = ledger.answered("a", 1)
    assert group is not None
    assert group.in_order() == [(call("a", "first"), 1)]
    assert ledger.called([call("a")]) == [call("a")]


@pytest.mark.spec(101)
@given(st.data())
def test_exactly_one_answer_leaves_for_each_call(data: st.DataObject) -> None:
    ledger = Ledger()
    ids = [f"c{index}" for index in range(8)]
    running: set[str] = set()
    started: list[str] = []
    cancelled: list[str] = []
    sent: list[str] = []
    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["call", "answer", "cancel"])):
            case "call":
                fresh = ledger.called([call(one) for one in data.draw(st.lists(st.sampled_from(ids), max_size=4))])
                assert not running & {one.id for one in fresh}
                running |= {one.id for one in fresh if one.id}
                started += [one.id for one in fresh if one.id]
            case "answer":
                one = data.draw(st.sampled_from(ids))
                if group := ledger.answered(one, one):
                    sent += [answer for _, answer in group.in_order()]
                    running -= {entry.id for entry in group.calls if entry.id}
            case "cancel":
                stopped, groups = ledger.cancelled(data.draw(st.lists(st.sampled_from(ids), max_size=3)))
                cancelled += stopped
                for group in groups:
                    sent += [answer for _, answer in group.in_order()]
                    running -= {entry.id for entry in group.calls if entry.id}
    for one in sorted(running):
        if group := ledger.answered(one, one):
            sent += [answer for _, answer in group.in_order()]
    assert len(ledger) == 0
    assert sorted(sent + cancelled) == sorted(started)


def test_a_call_whose_answer_takes_its_time_is_answered_by_itself() -> None:
    ledger = Ledger()
    ledger.called([call("a"), call("b"), call("slow")], apart=lambda one: one.id == "slow")
    assert ledger.answered("a", 1) is None
    alone = ledger.answered("slow", 2)
    assert alone is not None
    assert alone.in_order() == [(call("slow"), 2)]
    rest = ledger.part("b")
    assert rest is not None
    assert rest.in_order() == [(call("a"), 1)]
    assert ledger.unanswered == [call("b")]
    assert ledger.part("b") is None
    group = ledger.answered("b", 3)
    assert group is not None
    assert group.in_order() == [(call("b"), 3)]
    assert len(ledger) == 0


def event(*, asked: FunctionCall | None = None, said: FunctionResponse | None = None) -> Event:
    return Event(content=Content(parts=[Part(function_call=asked, function_response=said)]))


def test_an_earlier_answer_is_found_by_what_the_call_did() -> None:
    def same(args: dict[str, object]) -> bool:
        return args == {"room": "red"}

    def booked(call_id: str, room: str, response: dict[str, str], name: str = "book") -> list[Event]:
        asked = FunctionCall(id=call_id, name=name, args={"room": room})
        return [event(asked=asked), event(said=FunctionResponse(id=call_id, name=name, response=response))]

    others = [
        *booked("1", "red", {"error": "full"}),
        *booked("2", "blue", {"result": "blue"}),
        *booked("3", "red", {"result": "other"}, name="look"),
        event(asked=FunctionCall(id="4", name="book", args={"room": "red"})),
    ]
    assert earlier_answer(others, "book", same) is None
    assert earlier_answer([*others, *booked("5", "red", {"result": "yes"})], "book", same) == {"result": "yes"}


def test_news_is_an_answer_to_a_known_call_that_is_not_there_yet() -> None:
    known = [event(asked=call("a")), event(said=FunctionResponse(id="a", response={"ticket": 1}))]
    assert is_news(known, [FunctionResponse(id="a", response={"done": True})])
    assert not is_news(known, [FunctionResponse(id="a", response={"ticket": 1})])
    assert not is_news(known, [FunctionResponse(id="b", response={})])
