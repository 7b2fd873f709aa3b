"""Audio whose rate is another than the one it is said to have: noticed by how fast it comes, and only then."""

from __future__ import annotations

import random

import pytest

from fullduplex.turns.audio_pace import WINDOW_S, WINDOWS, AudioPace


def told(
    pace: AudioPace, rate: float, seconds: float, *, chunk_s: float = 0.02, began: float = 0.0, jitter: float = 0.0
) -> list[int]:
    """What is said of `seconds` of audio that comes at `rate`, in chunks, each up to `jitter` seconds late."""
    chance = random.Random(7)
    found, now = [], began
    for number in range(int(seconds / chunk_s)):
        now = max(now, began + number * chunk_s + chance.uniform(0, jitter))
        if (likely := pace.hear(round(rate * chunk_s), now)) is not None:
            found.append(likely)
    return found


@pytest.mark.spec(181)
@pytest.mark.parametrize("declared", [16_000, 48_000])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("chunk_s", [0.01, 0.1])
def test_a_rate_that_is_not_the_declared_one_is_named(declared: int, rate: int, chunk_s: float) -> None:
    found = told(AudioPace(declared), rate, 20, chunk_s=chunk_s, jitter=0.03)
    assert set(found) == (set() if rate == declared else {rate})


def test_it_takes_several_seconds_to_be_sure() -> None:
    sure = WINDOW_S * WINDOWS
    assert told(AudioPace(16_000), 48_000, sure - 0.5) == []
    assert told(AudioPace(16_000), 48_000, sure + 0.5) == [48_000]


def test_a_clock_that_is_a_little_off_is_no_other_rate() -> None:
    for drift in (0.97, 1.03):
        assert told(AudioPace(16_000), 16_000 * drift, 30) == []


def test_a_recording_sent_flat_out_says_nothing() -> None:
    assert told(AudioPace(16_000), 16_000 * 40, 60) == []
    pace = AudioPace(16_000)
    assert all(pace.hear(320, 1.0) is None for _ in range(100_000))


def test_a_burst_after_a_stall_says_nothing() -> None:
    pace = AudioPace(16_000)
    for began in range(0, 60, 6):
        assert told(pace, 16_000, 3, began=began) == []
        assert told(pace, 48_000, 2.5, began=began + 3) == []


def test_a_microphone_that_is_opened_for_words_only_says_nothing() -> None:
    pace = AudioPace(16_000)
    for began in range(30):  # half of each second: on the whole that is 8,000 samples a second
        assert told(pace, 16_000, 0.5, began=began) == []


def test_a_clock_that_is_set_back_says_nothing() -> None:
    pace = AudioPace(16_000)
    assert told(pace, 48_000, 5, began=100) == []
    assert told(pace, 48_000, 5, began=50) == []
