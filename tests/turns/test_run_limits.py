"""The limits of a run: what counts, when it is judged, and that no answer is cut off before its time."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex.errors import LlmCallsLimitExceededError
from fullduplex.turns.run_limits import GRACE_S, CallLimit, RunLimits
from fullduplex.types.live import LiveServerMessage

SPEECH: dict[str, Any] = {"serverContent": {"modelTurn": {"parts": [{"text": "hello"}], "role": "model"}}}
CALL: dict[str, Any] = {"toolCall": {"functionCalls": [{"name": "look", "id": "1"}]}}
TURN_COMPLETE: dict[str, Any] = {"serverContent": {"turnComplete": True}}
INTERRUPTED: dict[str, Any] = {"serverContent": {"interrupted": True}}
HEARD: dict[str, Any] = {"serverContent": {"inputTranscription": {"text": "hello"}}}


def usage(**counts: int) -> dict[str, Any]:
    return {"usageMetadata": counts}


def fed(limits: RunLimits, *messages: dict[str, Any], now: float = 0.0) -> list[str | None]:
    """The codes that the messages lead to, one for each."""
    exceeded = [limits.feed(LiveServerMessage.model_validate(message), now) for message in messages]
    return [found.code if found else None for found in exceeded]


def test_without_limits_nothing_is_ever_exceeded() -> None:
    limits = RunLimits(started_at=0.0)
    assert fed(limits, SPEECH, usage(totalTokenCount=10**9), TURN_COMPLETE, now=1e9) == [None, None, None]
    assert limits.check(1e12) is None
    assert limits.wake_at(0.0) is None


def test_turns_are_judged_when_one_is_over() -> None:
    limits = RunLimits(started_at=0.0, max_turns=2)
    assert fed(limits, SPEECH, TURN_COMPLETE, HEARD, SPEECH, SPEECH) == [None] * 5
    assert fed(limits, TURN_COMPLETE) == ["max_turns"]
    assert limits.turns == 2


def test_an_interrupted_turn_counts_once() -> None:
    limits = RunLimits(started_at=0.0, max_turns=2)
    assert fed(limits, SPEECH, INTERRUPTED, TURN_COMPLETE, SPEECH, INTERRUPTED) == [None] * 5
    assert fed(limits, TURN_COMPLETE) == ["max_turns"]


@pytest.mark.spec(31)
def test_a_turn_with_calls_counts_once_when_it_is_answered() -> None:
    limits = RunLimits(started_at=0.0, max_turns=1, max_duration_s=60.0)
    fed(limits, CALL)
    called = LiveServerMessage.model_validate(TURN_COMPLETE)
    assert limits.feed(called, 1.0, goes_on=True) is None
    assert limits.turns == 0
    assert limits.check(60.0) is None, "the tool's answer has its grace"
    assert fed(limits, SPEECH, TURN_COMPLETE) == [None, "max_turns"]
    assert limits.turns == 1


@pytest.mark.spec(31)
def test_a_turn_that_will_not_go_on_counts_after_all() -> None:
    limits = RunLimits(started_at=0.0, max_turns=1)
    limits.settled()
    assert limits.turns == 0, "nothing was to go on"
    fed(limits, CALL)
    limits.feed(LiveServerMessage.model_validate(TURN_COMPLETE), 1.0, goes_on=True)
    limits.settled()
    assert limits.turns == 1
    assert limits.check(1.0) is not None


@pytest.mark.spec(31)
@pytest.mark.parametrize("typed", [True, False])
def test_tokens_that_are_reported_before_the_answer_are_judged_after_it(typed: bool) -> None:
    limits = RunLimits(started_at=0.0, max_total_tokens=100)
    if typed:
        limits.asked()
    else:
        fed(limits, HEARD)
    assert fed(limits, usage(totalTokenCount=100), SPEECH, TURN_COMPLETE) == [None, None, "max_tokens"]


def test_tokens_are_summed_over_turns_and_judged_when_no_answer_is_being_given() -> None:
    limits = RunLimits(started_at=0.0, max_total_tokens=100)
    assert fed(limits, SPEECH, usage(totalTokenCount=60), TURN_COMPLETE) == [None] * 3
    assert fed(limits, SPEECH, usage(totalTokenCount=40), CALL, SPEECH) == [None] * 4
    assert fed(limits, TURN_COMPLETE) == ["max_tokens"]
    assert limits.total_tokens == 100


def test_tokens_that_are_reported_after_the_turn_or_with_its_end_count_too() -> None:
    late = RunLimits(started_at=0.0, max_total_tokens=100)
    assert fed(late, SPEECH, TURN_COMPLETE, usage(totalTokenCount=100)) == [None, None, "max_tokens"]
    together = RunLimits(started_at=0.0, max_total_tokens=100)
    assert fed(together, SPEECH, TURN_COMPLETE | usage(totalTokenCount=100)) == [None, "max_tokens"]


@pytest.mark.parametrize("answer", ["responseTokenCount", "candidatesTokenCount"])
def test_a_report_without_a_total_is_added_up(answer: str) -> None:
    limits = RunLimits(started_at=0.0)
    fed(limits, usage(promptTokenCount=10, thoughtsTokenCount=3, toolUsePromptTokenCount=2))
    fed(limits, usage(promptTokenCount=10, **{answer: 5}), usage())
    assert limits.total_tokens == 30


def test_the_time_ends_a_run_that_is_silent_at_once() -> None:
    limits = RunLimits(started_at=1000.1, max_duration_s=60.7)
    assert limits.check(1060.7) is None
    at = limits.wake_at(1000.1)
    assert at == pytest.approx(1060.8)
    assert at is not None
    exceeded = limits.check(at)
    assert exceeded is not None
    assert exceeded.code == "max_duration"
    assert "60.7 s" in exceeded.message
    assert limits.check(at + 1) == exceeded


@pytest.mark.parametrize("answer", [SPEECH, CALL])
def test_the_time_waits_for_an_answer_that_is_being_given(answer: dict[str, Any]) -> None:
    limits = RunLimits(started_at=0.0, max_duration_s=60.0, grace_s=5.0)
    fed(limits, answer, now=59.0)
    assert limits.check(60.0) is None
    assert limits.wake_at(60.0) == 65.0
    assert fed(limits, SPEECH, now=64.9) == [None]
    assert fed(limits, TURN_COMPLETE, now=64.9) == ["max_duration"]


def test_the_time_waits_no_longer_than_the_grace() -> None:
    limits = RunLimits(started_at=0.0, max_duration_s=60.0)
    fed(limits, SPEECH, now=59.0)
    at = limits.wake_at(60.0)
    assert at == 60.0 + GRACE_S
    exceeded = limits.check(at)
    assert exceeded is not None
    assert exceeded.code == "max_duration"


def test_the_message_says_what_was_allowed_and_what_was_taken() -> None:
    limits = RunLimits(started_at=0.0, max_total_tokens=1000)
    exceeded = limits.feed(LiveServerMessage.model_validate(usage(totalTokenCount=1234)), 0.0)
    assert exceeded is not None
    assert "1,000" in exceeded.message
    assert "1,234" in exceeded.message


def test_questions_to_models_are_counted() -> None:
    limit = CallLimit(2)
    limit.count()
    limit.count()
    with pytest.raises(LlmCallsLimitExceededError, match="`2` exceeded"):
        limit.count()
    assert limit.calls == 2


@pytest.mark.parametrize("none", [0, -1])
def test_a_limit_of_nothing_is_none(none: int) -> None:
    limit = CallLimit(none)
    for _ in range(1000):
        limit.count()
