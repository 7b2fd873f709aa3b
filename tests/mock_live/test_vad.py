"""Voice activity by energy, in audio time."""

from __future__ import annotations

import pytest

from fullduplex.mock_live.vad import VadConfig, VoiceDetector
from fullduplex.testing import tagged_audio

CONFIG = VadConfig(threshold=0.01, prefix_ms=20, silence_ms=100)
LOUD = tagged_audio.encode(0, 50, 16_000)
MS = 32  # bytes of a millisecond at 16 kHz


@pytest.mark.parametrize("piece", [37, 320, 640, 5000, 10**6])
def test_start_and_end_wherever_the_chunks_are_cut(piece: int) -> None:
    stream = bytes(200 * MS) + LOUD[: 300 * MS] + bytes(300 * MS)
    detector = VoiceDetector(CONFIG, 16_000)
    found = [activity for i in range(0, len(stream), piece) for activity in detector.feed(stream[i : i + piece])]
    assert [(activity.kind, activity.offset_ms) for activity in found] == [("start", 200), ("end", 500)]
    assert found[1].audio == LOUD[: 300 * MS]


def test_a_pause_shorter_than_the_silence_does_not_end_speech() -> None:
    detector = VoiceDetector(CONFIG, 16_000)
    kinds = [a.kind for a in detector.feed(LOUD[: 100 * MS] + bytes(90 * MS) + LOUD[: 100 * MS] + bytes(100 * MS))]
    assert kinds == ["start", "end"]


def test_a_click_shorter_than_the_prefix_is_no_speech() -> None:
    detector = VoiceDetector(VadConfig(0.01, 50, 100), 16_000)
    assert detector.feed(LOUD[: 40 * MS] + bytes(200 * MS)) == []
    assert not detector.pending
    assert [a.kind for a in detector.feed(LOUD[: 50 * MS])] == ["start"]


def test_quiet_sound_is_below_the_threshold() -> None:
    detector = VoiceDetector(VadConfig(0.5, 20, 100), 16_000)
    assert detector.feed(LOUD) == []


def test_flush_ends_what_is_going_on() -> None:
    detector = VoiceDetector(CONFIG, 16_000)
    assert detector.flush() is None
    detector.feed(LOUD[: 60 * MS])
    activity = detector.flush()
    assert activity is not None
    assert (activity.kind, activity.offset_ms, len(activity.audio)) == ("end", 60, 60 * MS)
    assert not detector.speaking


def test_other_rates() -> None:
    detector = VoiceDetector(CONFIG, 8_000)
    assert [a.kind for a in detector.feed(tagged_audio.encode(0, 5, 8_000) + bytes(1600))] == ["start", "end"]
