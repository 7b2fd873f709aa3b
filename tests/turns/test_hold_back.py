"""The buffer that holds an agent's voice back until its words are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.hold_back import SLACK_S, HoldBack, Kind

SLICE_S = 0.02


def buffer(hold_s: float = 0.4, strict_s: float | None = None) -> HoldBack[str]:
    return HoldBack(hold_s, strict_s=strict_s)


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_audio_waits_for_its_words_and_no_longer() -> None:
    held = buffer()
    held.audio("a", 0.1, now=1.0)
    assert held.release(1.4) == []
    assert held.due == pytest.approx(1.4 + SLACK_S)
    assert held.release(1.402) == ["a"]
    assert held.due is None
    assert len(held) == 0


def test_what_came_behind_audio_keeps_its_place() -> None:
    held = buffer()
    held.other("before")
    held.audio("a", 0.1, now=1.0)
    held.other("call")
    held.audio("b", 0.1, now=1.2)
    held.other("end")
    assert held.release(1.0) == ["before"]
    assert held.release(1.5) == ["a", "call"]
    assert held.release(1.7) == ["b", "end"]


def test_words_wait_for_their_check_and_hold_up_what_is_behind_them() -> None:
    held = buffer()
    held.words("hello", 1, now=1.0)
    held.other("end")
    assert held.release(100.0) == []
    assert held.due is None
    held.passed(1)
    assert held.release(100.0) == ["hello", "end"]
    held.words("hello, whole", 1, now=101.0)  # nothing new in it
    assert held.release(101.0) == ["hello, whole"]


def test_audio_waits_for_the_check_of_words_that_came_in_its_time_and_for_none_later() -> None:
    held = buffer()
    held.audio("a", 0.1, now=1.0)
    held.audio("b", 0.1, now=1.2)
    held.words("w1", 1, now=1.3)
    held.words("w2", 2, now=1.5)
    assert held.release(1.5) == []
    assert held.due is None
    held.passed(1)
    assert held.release(1.5) == ["a"]
    assert held.release(1.7) == []  # w2 came in the time of b
    held.passed(2)
    assert held.release(1.7) == ["b", "w1", "w2"]


def test_audio_that_words_with_times_cover_goes_when_they_have_passed() -> None:
    held = buffer()
    held.audio("a", 0.1, now=1.0)
    held.audio("b", 0.1, now=1.0)
    held.words("w", 1, now=1.1, covers=0.1)
    assert held.release(1.1) == []
    held.passed(1)
    assert held.release(1.1) == ["a"]
    assert held.release(1.5) == ["b", "w"]


def test_times_of_words_say_nothing_of_another_response() -> None:
    held = buffer()
    held.audio("a", 0.1, now=1.0)
    held.words("w", 1, now=1.1, covers=9.0)
    held.response_over(1.1)
    held.audio("b", 0.1, now=1.1)
    held.passed(1)
    assert held.release(1.2) == ["a", "w"]
    assert held.release(1.55) == ["b"]


def test_strict_audio_waits_for_its_words_up_to_the_deadline_which_is_counted() -> None:
    held = buffer(strict_s=3.0)
    held.audio("a", 0.1, now=1.0)
    held.words("w", 1, now=1.2, covers=0.1)
    held.passed(1)
    held.audio("b", 0.25, now=1.3)
    assert held.release(4.2) == ["a", "w"]
    assert held.unchecked_s == 0.0
    assert held.due == pytest.approx(4.3)
    assert held.release(4.3) == ["b"]
    assert held.unchecked_s == pytest.approx(0.25)


def test_strict_audio_goes_when_the_answer_is_over_and_its_transcript_has_had_its_time() -> None:
    held = buffer(strict_s=3.0)
    held.audio("a", 0.1, now=1.0)
    held.audio("b", 0.1, now=1.5)
    held.response_over(2.0)
    assert held.release(2.4) == []
    assert held.release(2.402) == ["a", "b"]
    assert held.unchecked_s == 0.0


def test_clearing_gives_all_that_is_held_and_waits_for_no_check() -> None:
    held = buffer()
    held.audio("a", 0.1, now=1.0)
    held.words("w", 1, now=1.0)
    held.other("call")
    assert held.clear() == [("a", Kind.AUDIO), ("w", Kind.WORDS), ("call", Kind.OTHER)]
    assert len(held) == 0
    held.audio("b", 0.1, now=2.0)
    assert held.release(2.5) == ["b"]


# -- any answer, any lag ----------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """An answer in slices of 20 ms that come in chunks, its words, and how late each is told and checked."""

    words: list[int]  # how many slices each word takes
    chunks: list[int]  # how many slices come at once, again and again
    pace: float  # of real time
    lags: list[float]  # seconds from the arrival of a word's first sound to its transcript
    checks: list[float]  # seconds that each check takes
    bad: int | None = None
    timed: bool = False
    came: dict[int, float] = field(default_factory=dict)  # when each slice came
    gone: dict[int, float] = field(default_factory=dict)  # when each slice went

    def span(self, word: int) -> range:
        first = sum(self.words[:word])
        return range(first, first + self.words[word])


def arrivals(answer: Answer) -> Iterable[tuple[float, list[int]]]:
    total, first, turn = sum(answer.words), 0, 0
    while first < total:
        count = answer.chunks[turn % len(answer.chunks)]
        yield first * SLICE_S / answer.pace, list(range(first, min(total, first + count)))
        first, turn = first + count, turn + 1


def play(answer: Answer, held: HoldBack[list[int] | str]) -> None:
    """Drives the buffer as the engine does, and stops at the first word that fails its check."""
    steps: list[tuple[float, int, tuple[str, int]]] = []
    for at, slices in arrivals(answer):
        answer.came.update(dict.fromkeys(slices, at))
        steps.append((at, 0, ("audio", slices[0])))
    chunks = {slices[0]: slices for _, slices in arrivals(answer)}
    told = checked = 0.0
    for word, lag in enumerate(answer.lags):
        told = max(told, answer.came[answer.span(word)[0]] + lag)
        checked = max(checked, told) + answer.checks[word]
        steps += [(told, 1, ("words", word)), (checked, 2, ("checked", word))]
    now = 0.0
    for at, _, (what, number) in sorted(steps):
        now = tick(answer, held, now, at)
        if what == "audio":
            held.audio(chunks[number], len(chunks[number]) * SLICE_S, at)
        elif what == "words":
            held.words("w", number + 1, at, covers=answer.span(number).stop * SLICE_S if answer.timed else 0.0)
        elif number == answer.bad:
            held.clear()
            return
        else:
            held.passed(number + 1)
        go(answer, held, at)
    held.response_over(now)
    tick(answer, held, now, 1e9)


def tick(answer: Answer, held: HoldBack[list[int] | str], now: float, until: float) -> float:
    """Lets time pass: the buffer is asked whenever it wants to be."""
    while (due := held.due) is not None and due < until:
        now = max(now, due)
        go(answer, held, now)
    return until


def go(answer: Answer, held: HoldBack[list[int] | str], now: float) -> None:
    for item in held.release(now):
        if not isinstance(item, str):
            answer.gone.update(dict.fromkeys(item, now))


@st.composite
def answers(draw: st.DrawFn, most_s: float = 0.4) -> Answer:
    words = draw(st.lists(st.integers(1, 30), min_size=1, max_size=12))
    lags = [draw(st.floats(0, most_s)) for _ in words]
    checks = [draw(st.sampled_from([0.0, 0.0, 0.1, 0.7])) for _ in words]
    chunks = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    pace = draw(st.sampled_from([1.0, 1.0, 3.0, 100.0]))
    bad = draw(st.none() | st.integers(0, len(words) - 1))
    return Answer(words, chunks, pace, lags, checks, bad, timed=draw(st.booleans()))


@given(answers())
def test_no_slice_of_a_bad_word_goes_when_its_transcript_lags_no_more_than_the_hold(answer: Answer) -> None:
    play(answer, HoldBack(0.4))
    if answer.bad is not None:
        assert not answer.gone.keys() & set(answer.span(answer.bad))
    else:
        assert list(answer.gone) == list(range(sum(answer.words)))


@given(answers())
def test_a_good_answer_is_held_no_longer_than_the_hold_and_its_checks(answer: Answer) -> None:
    answer.bad = None
    play(answer, HoldBack(0.4))
    longest = 0.4 + sum(answer.checks) + 2 * SLACK_S
    for number, at in answer.gone.items():
        assert at - answer.came[number] <= longest
    assert list(answer.gone.values()) == sorted(answer.gone.values())


@given(answers(most_s=2.0))
def test_strict_mode_keeps_a_bad_word_whatever_the_lag_up_to_the_deadline(answer: Answer) -> None:
    held: HoldBack[list[int] | str] = HoldBack(0.4, strict_s=2.0 + SLACK_S)
    play(answer, held)
    if answer.bad is not None:
        assert not answer.gone.keys() & set(answer.span(answer.bad))
    else:
        assert list(answer.gone) == list(range(sum(answer.words)))
