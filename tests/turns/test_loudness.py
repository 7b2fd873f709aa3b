"""Sound or silence: soft speech counts, dither does not, and the silence before a sound is measured to the sample."""

from __future__ import annotations

import struct
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.loudness import DEFAULT_THRESHOLD, is_loud, leading_silence_ms

SAMPLES = st.lists(st.integers(-32_768, 32_767), max_size=200)


def pcm(*samples: int) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def test_silence_and_dither_are_not_loud() -> None:
    assert not is_loud(b"")
    assert not is_loud(bytes(1920))
    assert not is_loud(pcm(0, 1, -1, 2, -2) * 100)


@pytest.mark.parametrize("soft", [400, -400])
def test_one_soft_sample_among_silence_is_heard_wherever_it_is(soft: int) -> None:
    for place in range(320):
        chunk = [0] * 320
        chunk[place] = soft
        assert is_loud(pcm(*chunk))


@given(SAMPLES)
def test_a_chunk_is_loud_when_one_sample_reaches_the_threshold(samples: list[int]) -> None:
    loud = any(sample >= DEFAULT_THRESHOLD or sample < -DEFAULT_THRESHOLD for sample in samples)
    assert is_loud(pcm(*samples)) is loud


def test_a_higher_threshold_hears_less() -> None:
    assert is_loud(pcm(1500), 1024)
    assert not is_loud(pcm(1000, -1000), 1024)
    assert not is_loud(pcm(255, -255), 1), "the lowest threshold is one step"


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_half_a_sample_at_the_end_is_not_looked_at(kind: type[bytes]) -> None:
    assert not is_loud(kind(bytes(640) + b"\x7f"))
    assert is_loud(kind(pcm(0, 9000) + b"\x00"))
    assert leading_silence_ms(kind(bytes(96) + b"\x7f"), 48_000) == 1.0


@pytest.mark.parametrize(("rate", "silent"), [(24_000, 3600), (16_000, 2400), (24_000, 1), (8_000, 0)])
def test_the_silence_before_a_sound_is_exact(rate: int, silent: int) -> None:
    chunk = pcm(*[1, -1] * silent)[: 2 * silent] + pcm(*[3000] * 480)
    assert leading_silence_ms(chunk, rate) == pytest.approx(1000 * silent / rate)


def test_of_a_silent_chunk_all_is_silence() -> None:
    assert leading_silence_ms(bytes(1920), 24_000) == pytest.approx(40.0)
    assert leading_silence_ms(b"", 24_000) == 0.0


@given(SAMPLES)
def test_a_chunk_is_loud_unless_all_of_it_is_leading_silence(samples: list[int]) -> None:
    assert is_loud(pcm(*samples)) is (leading_silence_ms(pcm(*samples), 1000) < len(samples))


@pytest.mark.parametrize("size", [640, 1920])
def test_a_look_at_a_chunk_costs_microseconds(size: int) -> None:
    for chunk in (bytes(size), pcm(*[20_000] * (size // 2))):
        best = min(timeit.repeat(lambda chunk=chunk: is_loud(chunk), number=2000, repeat=20)) / 2000
        assert best < 10e-6, "ten times the time that it takes on a machine that is idle"
