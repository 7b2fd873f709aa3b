"""The meter of a turn's latency: what is measured, from when to when, and which reports are believed."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.latency import KEPT, LatencyMeter
from fullduplex.types.playout import TurnLatency, TurnTimes

RATE = 24_000
SILENCE = bytes(1920)  # 40 ms
SOUND = struct.pack("<960h", *[6000, -6000] * 480)


def silence_then_sound(silent_ms: int) -> bytes:
    return bytes(RATE // 1000 * silent_ms * 2) + SOUND


def respond(meter: LatencyMeter, response_id: str, at: float, pcm: bytes = SOUND, shown: float | None = None) -> None:
    """The model begins to speak at `at`, and its first chunk is shown 5 ms later."""
    meter.audio(response_id, pcm, RATE, at)
    meter.shown(response_id, at + 0.005 if shown is None else shown)


def taken(meter: LatencyMeter) -> TurnLatency:
    latency = meter.take()
    assert latency is not None
    return latency


def test_a_spoken_turn_that_a_client_reports_has_all_its_times() -> None:
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.002)
    respond(meter, "r", 100.4, silence_then_sound(150))
    assert meter.report(TurnTimes(response_id="r", first_audible_at=100.62, speech_end_at=99.98)) is None
    latency = taken(meter)
    assert latency.total_ms == pytest.approx(640.0)
    assert latency == TurnLatency(
        response_id="r",
        speech_end_at=99.98,
        server_in_at=100.0,
        model_out_at=100.002,
        first_byte_at=100.4,
        leading_silence_ms=150.0,
        server_out_at=100.405,
        first_audible_at=100.62,
        total_ms=latency.total_ms,
    )


def test_without_a_report_the_total_is_the_server_s_own() -> None:
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.002)
    respond(meter, "r", 100.4)
    latency = taken(meter)
    assert latency.total_ms == pytest.approx(405.0)
    assert (latency.speech_end_at, latency.first_audible_at) == (None, None)


def test_the_last_loud_chunk_before_the_answer_counts_and_later_ones_are_the_next_turn_s() -> None:
    meter = LatencyMeter()
    for at in (100.0, 100.1, 100.2):
        meter.user_spoke(at, at + 0.01)
    respond(meter, "one", 100.5)
    meter.user_spoke(101.0, 101.01)
    meter.turn_complete()
    respond(meter, "two", 101.3)
    assert [taken(meter).server_in_at, taken(meter).server_in_at] == [100.2, 101.0]


def test_speech_that_was_answered_does_not_cause_a_second_answer() -> None:
    """An engine that always hands in the latest loud chunk gets no nonsense for a turn that came unasked."""
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.0)
    respond(meter, "one", 100.5)
    meter.turn_complete()
    meter.user_spoke(100.0, 100.0)
    respond(meter, "unasked", 120.0)
    taken(meter)
    unasked = taken(meter)
    assert (unasked.server_in_at, unasked.total_ms) == (None, None)
    assert unasked.server_out_at == 120.005
    updated = meter.report(TurnTimes(response_id="unasked", first_audible_at=120.1, speech_end_at=99.9))
    assert updated is not None
    assert (updated.speech_end_at, updated.total_ms) == (None, None)


@pytest.mark.parametrize("typed_first", [True, False])
def test_of_typing_and_speaking_the_later_one_is_answered(typed_first: bool) -> None:
    meter = LatencyMeter()
    if typed_first:
        meter.typed(100.0, 100.0)
    meter.user_spoke(99.0, 99.0)
    if not typed_first:
        meter.typed(100.0, 100.0)
    respond(meter, "r", 100.3)
    meter.report(TurnTimes(response_id="r", first_audible_at=100.4, speech_end_at=98.9))
    latency = taken(meter)
    assert latency.server_in_at == 100.0
    assert latency.speech_end_at is None, "a typed turn has no end of speech"
    assert latency.total_ms == pytest.approx(400.0)


def test_a_turn_that_is_answered_without_sound_is_done_with() -> None:
    meter = LatencyMeter()
    meter.typed(100.0, 100.0)
    meter.turn_complete()
    respond(meter, "unasked", 130.0)
    assert taken(meter).server_in_at is None


def test_a_turn_that_is_answered_through_a_tool_keeps_its_cause() -> None:
    meter = LatencyMeter()
    meter.typed(100.0, 100.0)
    meter.turn_complete(goes_on=True)
    respond(meter, "r", 103.0)
    latency = taken(meter)
    assert latency.server_in_at == 100.0
    assert latency.total_ms == pytest.approx(3005.0)


def test_what_was_said_to_interrupt_is_answered_by_the_next_response() -> None:
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.0)
    respond(meter, "one", 100.5)
    meter.user_spoke(101.0, 101.0)
    meter.interrupted()
    meter.turn_complete()
    respond(meter, "two", 101.4)
    taken(meter)
    assert taken(meter).server_in_at == 101.0


def test_leading_silence_is_counted_over_chunks_until_the_first_sound() -> None:
    meter = LatencyMeter()
    for pcm in (SILENCE, SILENCE, silence_then_sound(10)):
        assert meter.wants_audio
        respond(meter, "r", 100.0, pcm)
    assert not meter.wants_audio
    meter.audio("later", SILENCE, RATE, 100.2)
    assert taken(meter).leading_silence_ms == pytest.approx(90.0)


def test_a_result_is_there_with_the_first_sound_or_at_the_end_and_once() -> None:
    meter = LatencyMeter()
    meter.audio("r", SILENCE, RATE, 100.0)
    meter.shown("r", 100.0)
    assert meter.take() is None, "only silence so far"
    meter.audio("s", SOUND, RATE, 100.1)
    assert taken(meter).response_id == "r"
    assert meter.take() is None
    meter.turn_complete()
    meter.audio("silent", SILENCE, RATE, 101.0)
    assert meter.take() is None
    meter.interrupted()
    silent = taken(meter)
    assert (silent.response_id, silent.leading_silence_ms, silent.server_out_at) == ("silent", 40.0, None)
    assert meter.take() is None
    assert meter.wants_audio


def test_only_the_first_showing_of_the_first_event_counts() -> None:
    meter = LatencyMeter()
    meter.audio("r", SOUND, RATE, 100.0)
    meter.shown("another", 100.1)
    assert meter.take() is None
    meter.shown("r", 100.2)
    meter.shown("r", 100.3)
    assert taken(meter).server_out_at == 100.2


def test_a_late_report_gives_the_result_anew_and_only_the_first_report_counts() -> None:
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.0)
    respond(meter, "r", 100.4)
    before = taken(meter)
    meter.turn_complete()
    after = meter.report(TurnTimes(response_id="r", first_audible_at=100.6))
    assert after is not None
    assert after.total_ms == pytest.approx(600.0)
    assert before.total_ms == pytest.approx(405.0), "what was handed out stays as it was"
    assert meter.report(TurnTimes(response_id="r", first_audible_at=100.7)) is None


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 0.0, 99.0, 1e12])
def test_a_first_sound_at_an_absurd_time_is_ignored(at: float) -> None:
    meter = LatencyMeter()
    meter.user_spoke(100.0, 100.0)
    respond(meter, "r", 100.4)
    taken(meter)
    assert meter.report(TurnTimes(response_id="r", first_audible_at=at)) is None
    assert meter.report(TurnTimes(response_id="r", first_audible_at=100.6)) is not None, "a true one still counts"


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, -1e6, 200.0])
def test_an_end_of_speech_at_an_absurd_time_is_ignored_alone(at: float) -> None:
    meter = LatencyMeter()
    meter.user_spoke(1000.0, 1000.0)
    respond(meter, "r", 1000.4)
    taken(meter)
    latency = meter.report(TurnTimes(response_id="r", first_audible_at=1000.6, speech_end_at=at + 1000.0))
    assert latency is not None
    assert (latency.speech_end_at, latency.first_audible_at) == (None, 1000.6)
    assert latency.total_ms == pytest.approx(600.0)


def test_a_report_on_an_unknown_or_forgotten_response_is_ignored() -> None:
    meter = LatencyMeter()
    assert meter.report(TurnTimes(response_id="never", first_audible_at=1.0)) is None
    for number in range(KEPT + 1):
        respond(meter, str(number), 100.0 + number)
        meter.turn_complete()
        taken(meter)
    assert meter.report(TurnTimes(response_id="0", first_audible_at=100.1)) is None
    assert meter.report(TurnTimes(response_id="1", first_audible_at=101.1)) is not None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["user_spoke", "typed", "sound", "silence", "shown", "report", "turn_complete", "interrupted", "take"]
        ),
        st.floats(0.0, 3.0),
        st.integers(0, 4),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_each_response_is_taken_once_and_its_times_are_in_order(
    steps: list[tuple[str, float, int]],
) -> None:
    meter, now, ids = LatencyMeter(), 1000.0, ["r0"]
    results: list[str | None] = []
    for step, seconds, back in steps:
        now += seconds
        known = ids[max(0, len(ids) - 1 - back)]
        if step in ("user_spoke", "typed"):
            getattr(meter, step)(now, now + 0.01)
        elif step in ("sound", "silence"):
            ids.append(f"r{len(ids)}")
            meter.audio(ids[-1], SOUND if step == "sound" else SILENCE, RATE, now)
        elif step == "shown":
            meter.shown(known, now)
        elif step == "report":
            meter.report(TurnTimes(response_id=known, first_audible_at=now, speech_end_at=now - seconds))
        elif step == "take":
            latency = meter.take()
            if latency is None:
                continue
            results.append(latency.response_id)
            moments = [latency.server_in_at, latency.first_byte_at, latency.server_out_at]
            there = [moment for moment in moments if moment is not None]
            assert there == sorted(there)
            assert latency.total_ms is None or latency.total_ms >= 0
        else:
            getattr(meter, step)()
    assert len(results) == len(set(results))
