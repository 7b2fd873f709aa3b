"""The bounded queue: order, limits, and counters that add up, under any use."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fullduplex.errors import QueueFull
from fullduplex.turns.media_queue import DEFAULT_RATE, MIN_AUDIO_S, Kind, Limits, MediaQueue, audio_seconds, pcm_rate

LIMITS = Limits(max_messages=6, max_audio_s=1.0, keep_audio_s=0.3, max_frames=3)


class QueueMachine(RuleBasedStateMachine):
    """Pushes and pops at random, beside a list of all that went in."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: MediaQueue[int] = MediaQueue(LIMITS)
        self.pushed: list[tuple[Kind, float]] = []
        self.popped: list[int] = []

    def waiting(self) -> list[int]:
        return [entry.item for entry in self.queue._entries]

    def push(self, kind: Kind, seconds: float = 0.0) -> None:
        self.queue.push(len(self.pushed), float(len(self.pushed)), kind, seconds)
        self.pushed.append((kind, max(seconds, MIN_AUDIO_S)))

    @rule(seconds=st.sampled_from([0.0, 0.02, 0.04, 0.1, 0.25, 0.5, 2.0]))
    def audio(self, seconds: float) -> None:
        self.push(Kind.AUDIO, seconds)
        assert self.waiting()[-1] == len(self.pushed) - 1, "the newest chunk is never dropped"

    @rule()
    def frame(self) -> None:
        self.push(Kind.VIDEO)
        assert self.waiting()[-1] == len(self.pushed) - 1

    @rule()
    def message(self) -> None:
        room = sum(self.pushed[item][0] is Kind.CONTROL for item in self.waiting()) < LIMITS.max_messages
        if room:
            self.push(Kind.CONTROL)
        else:
            with pytest.raises(QueueFull):
                self.queue.push(-1, 0.0)

    @rule()
    def pop(self) -> None:
        waiting = self.waiting()
        if waiting:
            self.popped.append(self.queue.pop())
            assert self.popped[-1] == waiting[0]
        else:
            with pytest.raises(IndexError):
                self.queue.pop()

    @invariant()
    def in_order_and_only_media_is_lost(self) -> None:
        left = [*self.popped, *self.waiting()]
        assert left == sorted(set(left))
        assert len(self.queue) == len(self.waiting())
        lost = set(range(len(self.pushed))) - set(left)
        assert all(self.pushed[item][0] is not Kind.CONTROL for item in lost)
        audio = [item for item in lost if self.pushed[item][0] is Kind.AUDIO]
        assert self.queue.counters.dropped_audio_chunks == len(audio)
        assert math.isclose(self.queue.counters.dropped_audio_s, sum(self.pushed[item][1] for item in audio))
        assert self.queue.counters.dropped_frames == len(lost) - len(audio)

    @invariant()
    def within_bounds(self) -> None:
        audio = [self.pushed[item][1] for item in self.waiting() if self.pushed[item][0] is Kind.AUDIO]
        assert math.isclose(self.queue.audio_s, sum(audio), abs_tol=1e-9)
        assert audio or self.queue.audio_s == 0.0
        assert sum(audio) <= LIMITS.max_audio_s + 1e-6 or len(audio) == 1
        assert sum(self.pushed[item][0] is Kind.VIDEO for item in self.waiting()) <= LIMITS.max_frames


TestQueueMachine = QueueMachine.TestCase


def test_when_too_much_audio_waits_the_newest_is_kept() -> None:
    queue: MediaQueue[int] = MediaQueue(Limits(max_audio_s=1.0, keep_audio_s=0.1))
    for number in range(51):
        queue.push(number, 0.0, Kind.AUDIO, 0.02)
    assert [queue.pop() for _ in range(len(queue))] == [46, 47, 48, 49, 50]
    assert queue.counters.dropped_audio_chunks == 46


def test_what_waits_exactly_at_the_limit_is_not_dropped() -> None:
    queue: MediaQueue[int] = MediaQueue()
    for number in range(125):
        queue.push(number, 0.0, Kind.AUDIO, 0.04)
    assert queue.counters.dropped_audio_chunks == 0
    assert queue.audio_s == pytest.approx(5.0)


def test_a_chunk_longer_than_all_limits_is_kept_while_it_is_the_newest() -> None:
    queue: MediaQueue[str] = MediaQueue()
    queue.push("long", 0.0, Kind.AUDIO, 30.0)
    assert (len(queue), queue.counters.dropped_audio_chunks) == (1, 0)
    queue.push("next", 0.0, Kind.AUDIO, 0.02)
    assert queue.pop() == "next"


def test_empty_chunks_are_bounded_too() -> None:
    queue: MediaQueue[int] = MediaQueue()
    for number in range(20_000):
        queue.push(number, 0.0, Kind.AUDIO, 0.0)
    assert len(queue) <= 5_000


def test_age_is_that_of_the_oldest() -> None:
    queue: MediaQueue[str] = MediaQueue()
    assert queue.age(5.0) == 0.0
    queue.push("a", 1.0)
    queue.push("b", 4.0)
    assert queue.age(5.0) == 4.0
    queue.pop()
    assert queue.age(5.0) == 1.0


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; rate=8000 ; x=1", 8_000),
        ("audio/pcm", DEFAULT_RATE),
        ("audio/pcm;rate=", DEFAULT_RATE),
        ("audio/pcm;rate=0", DEFAULT_RATE),
        ("audio/pcm;rate=-5", DEFAULT_RATE),
        ("audio/pcm;rate=²", DEFAULT_RATE),
        ("audio/pcm;rate=" + "9" * 5000, DEFAULT_RATE),
        (None, DEFAULT_RATE),
    ],
)
def test_the_rate_of_a_mime_type(mime_type: str | None, rate: int) -> None:
    assert pcm_rate(mime_type) == rate


@given(st.text())
def test_no_mime_type_is_too_strange(mime_type: str) -> None:
    assert pcm_rate(f"audio/pcm;{mime_type}") > 0


def test_seconds_of_pcm16() -> None:
    assert audio_seconds(1_920, "audio/pcm;rate=24000") == 0.04
    assert audio_seconds(32_000, "audio/pcm;rate=16000") == 1.0
