"""Tagged audio: numbers survive slicing, concatenation, gain and noise, and damage is seen."""

from __future__ import annotations

import numpy as np
import pytest

from fullduplex.testing import tagged_audio

RATES = [8_000, 16_000, 24_000, 44_100, 48_000]


@pytest.mark.parametrize("rate", RATES)
def test_numbers_come_back_in_order(rate: int) -> None:
    pcm = tagged_audio.encode(7, 25, rate)
    assert len(pcm) == 25 * rate // 50 * 2
    assert tagged_audio.decode(pcm, rate) == list(range(7, 32))


@pytest.mark.parametrize("rate", RATES)
def test_slices_survive_cutting_and_joining_on_boundaries(rate: int) -> None:
    size = tagged_audio.slice_bytes(rate)
    pcm = tagged_audio.encode(0, 6, rate)
    pieces = [pcm[i * size : (i + 1) * size] for i in (5, 0, 0, 3)]
    assert tagged_audio.decode(b"".join(pieces), rate) == [5, 0, 0, 3]


def test_large_numbers_wrap_at_32_bits() -> None:
    assert tagged_audio.decode(tagged_audio.encode(2**32 - 1, 2, 16_000), 16_000) == [2**32 - 1, 0]


def test_gain_and_noise_do_no_harm() -> None:
    noise = np.random.default_rng(1).normal(0, 600, 24_000 // 50 * 40)
    wave = np.frombuffer(tagged_audio.encode(0, 40, 24_000), dtype="<i2") * 0.4 + noise
    assert tagged_audio.decode(wave.astype("<i2").tobytes(), 24_000) == list(range(40))


def test_silence_foreign_sound_and_a_cut_are_unreadable() -> None:
    size = tagged_audio.slice_bytes(24_000)
    noise = np.random.default_rng(2).normal(0, 5000, size // 2).astype("<i2").tobytes()
    mixed = tagged_audio.encode(3, 1, 24_000) + bytes(size) + noise + tagged_audio.encode(4, 1, 24_000)[:100]
    assert tagged_audio.decode(mixed, 24_000) == [3, -1, -1, -1]


def test_audio_shifted_off_its_boundary_is_not_read_as_something_else() -> None:
    pcm = tagged_audio.encode(0, 10, 24_000)
    assert set(tagged_audio.decode(pcm[100:], 24_000)) == {tagged_audio.UNREADABLE}


def test_encode_ms_covers_the_duration() -> None:
    assert len(tagged_audio.encode_ms(0, 50, 24_000)) == 3 * tagged_audio.slice_bytes(24_000)


def test_a_stamp_rides_along_and_the_numbers_still_read() -> None:
    pcm = tagged_audio.stamp(tagged_audio.encode(10, 2, 24_000), 123_456_789_012, 77)
    assert tagged_audio.read_stamp(pcm) == (123_456_789_012, 77)
    assert tagged_audio.decode(pcm, 24_000) == [10, 11]
    with pytest.raises(ValueError, match="12 bytes"):
        tagged_audio.read_stamp(b"short")


@pytest.mark.parametrize("rate", [2_400, 22_051])
def test_unsuitable_rates_are_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        tagged_audio.encode(0, 1, rate)


def test_it_is_loud_enough_for_a_voice_detector() -> None:
    wave = np.frombuffer(tagged_audio.encode(0, 5, 16_000), dtype="<i2") / 32768
    assert 0.1 < float(np.sqrt(np.mean(wave**2))) < 0.3
