"""Pacing, clauses, trimming, resampling, calls and phones: the pure pieces around the voice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fullduplex.errors import InvalidInput
from fullduplex.models.cascade.audio import Resampler, rate_of, resample, trim
from fullduplex.models.cascade.calls import CallBook
from fullduplex.models.cascade.pacing import Pacer, WordTrack
from fullduplex.models.cascade.pronounce import arpabet
from fullduplex.models.cascade.router import Call
from fullduplex.models.cascade.tts import clauses
from fullduplex.models.cascade.vad import LevelGate, level_db
from fullduplex.types import FunctionResponse


def test_pacer_is_never_further_ahead_than_allowed() -> None:
    pacer, now, sent = Pacer(ahead=0.2), 10.0, 0.0
    for _ in range(100):
        now += pacer.wait(now, 0.04)
        pacer.sent(now, 0.04)
        sent += 0.04
        assert sent - (now - 10.0) <= 0.2 + 1e-9
    assert now - 10.0 == pytest.approx(100 * 0.04 - 0.2)
    assert pacer.remaining(now) == pytest.approx(0.2)


def test_pacer_starts_anew_after_a_gap() -> None:
    pacer = Pacer(ahead=0.2)
    pacer.sent(0.0, 0.04)
    assert pacer.wait(5.0, 0.04) == 0.0
    pacer.sent(5.0, 0.04)
    assert pacer.remaining(5.0) == pytest.approx(0.04)


def test_words_keep_step_and_none_is_lost() -> None:
    track = WordTrack("one two three four ", 2.0)
    parts = [track.until(position) for position in (0.1, 0.6, 0.61, 1.2, float("inf"))]
    assert parts[0] == "one "
    assert "".join(parts) == "one two three four "


def test_clauses_begin_short_and_join_to_the_text() -> None:
    text = "It is noon in Tokyo, Friday. And this goes on, with commas, for quite some time; and then it ends."
    pieces = clauses(text)
    assert "".join(pieces) == text
    assert pieces[0] == "It is noon in Tokyo, "
    assert clauses("one  two") == ["one two"]
    assert clauses("") == []


def test_trim_leaves_ten_milliseconds_in_front() -> None:
    speech = (8000 * np.sin(np.arange(1600) / 3)).astype("<i2")
    pcm = np.concatenate([np.zeros(3632, "<i2"), speech, np.zeros(4000, "<i2")]).tobytes()
    trimmed = np.frombuffer(trim(pcm, 16_000, lead_ms=10, tail_ms=50), "<i2")
    assert 160 <= int(np.nonzero(np.abs(trimmed) > 250)[0][0]) <= 160 + 80
    assert len(trimmed) <= 1600 + 160 + 800 + 160
    assert trim(bytes(3200), 16_000, lead_ms=10, tail_ms=50) == b""


@pytest.mark.parametrize(
    ("mime", "rate"), [("audio/pcm", 16_000), ("audio/pcm;rate=48000", 48_000), ("audio/pcm; rate=8000", 8_000)]
)
def test_rates(mime: str, rate: int) -> None:
    assert rate_of(mime) == rate


@pytest.mark.parametrize("mime", ["audio/mp3", "text/plain", "audio/pcm;rate=1"])
def test_what_cannot_be_heard_is_refused(mime: str) -> None:
    with pytest.raises(InvalidInput):
        rate_of(mime)


def test_resampling_a_stream_keeps_the_tone_and_half_samples() -> None:
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype("<i2").tobytes()
    resampler = Resampler(16_000)
    out = b"".join(resampler.feed(tone[start : start + 961], 48_000) for start in range(0, len(tone), 961))
    samples = np.frombuffer(out, "<i2").astype(float)
    assert 15_000 <= len(samples) <= 16_000
    spectrum = np.abs(np.fft.rfft(samples[-8000:]))
    assert int(spectrum.argmax()) * 2 == 440
    assert len(resample(tone, 48_000, 24_000)) == len(tone) // 2


def test_gate_opens_for_speech_above_its_floor_and_follows_noise() -> None:
    gate = LevelGate(margin=9.0, lowest=-65.0)
    for _ in range(300):
        gate.feed(-45.0, False)
    assert gate.floor == pytest.approx(-45.0)
    assert not gate.feed(-40.0, True)
    assert all(gate.feed(-25.0, True) for _ in range(300))
    gate.feed(-96.0, False)
    assert gate.floor < -46.0


def test_level() -> None:
    assert level_db(bytes(1024)) == -96.0
    square = np.full(512, 16_384, "<i2").tobytes()
    assert level_db(square) == pytest.approx(20 * math.log10(0.5), abs=0.01)


def test_calls_are_answered_in_their_order_and_once() -> None:
    ids = iter("abc")
    book = CallBook(lambda: next(ids))
    book.begin([Call("f", {}), Call("g", {})])
    assert book.pending == ["a", "b"]
    assert book.answer(FunctionResponse(id="b", name="g", response={"result": 2})) is None
    assert book.answer(FunctionResponse(name="f", response={"result": 1})) is None
    assert [book.name_of(answer) for answer in book.close()] == ["f", "g"]
    late = FunctionResponse(id="b", response={"result": 3})
    assert book.answer(late) is late
    assert book.name_of(late) == "g"


def test_answers_to_cancelled_calls_are_dropped() -> None:
    book = CallBook(lambda: "a")
    book.begin([Call("f", {})])
    assert book.cancel() == ["a"]
    assert book.answer(FunctionResponse(id="a", name="f", response={})) is None


@pytest.mark.parametrize(
    ("ipa", "phones"), [("mˈæɹeɪkəʃ", "M AE R EY K AH SH"), ("kjˈɪv", "K Y IH V"), ("tʃˈiːz", "CH IY Z"), ("ʘ", None)]
)
def test_phones(ipa: str, phones: str | None) -> None:
    assert arpabet(ipa) == phones
