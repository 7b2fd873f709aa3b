"""Live audio in any rate and number of channels reaches the model as 16,000 Hz mono, whole and in tune."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.errors import ConnectionLost, InvalidInput
from fullduplex.events import Event
from fullduplex.live.microphone import Microphone
from fullduplex.live.upstream import Upstream
from fullduplex.models.base import ConnectRequest
from fullduplex.requests import LiveRequest
from fullduplex.testing.scripted_model import ScriptedConnection
from fullduplex.types.content import Blob
from fullduplex.types.live import ActivityEnd, ActivityStart
from tests.live.kit import virtual

TONE_HZ = 440.0
pytestmark = pytest.mark.spec(181)


def tone(rate: int, seconds: float, channels: int = 1) -> bytes:
    """A tone, the same in each channel."""
    samples = 8000 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(rate * seconds)) / rate)
    return np.repeat(samples.astype("<i2"), channels).tobytes()


def pitch(pcm: bytes) -> float:
    """The strongest frequency of PCM16 at 16,000 Hz."""
    samples = np.frombuffer(pcm, dtype="<i2")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 16_000 / len(samples))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def heard(microphone: Microphone, mime_type: str, data: bytes, size: int = 4096) -> bytes:
    """What a model hears of `data` when it comes in pieces of `size` bytes, up to the signal that ends it."""
    blobs = [microphone.take(Blob(data=piece, mime_type=mime_type)) for piece in pieces(data, size)]
    blobs.append(microphone.flush())
    assert {blob.mime_type for blob in blobs if blob} <= {"audio/pcm;rate=16000", mime_type}
    return b"".join(blob.data for blob in blobs if blob is not None)


def alike(one: bytes, other: bytes) -> bool:
    """Whether they sound the same: the resampler rounds a little differently at other cuts."""
    if len(one) != len(other):
        return False
    samples = [np.frombuffer(pcm, dtype="<i2").astype(np.int32) for pcm in (one, other)]
    return not len(samples[0]) or int(np.abs(samples[0] - samples[1]).max()) <= 2


@pytest.mark.parametrize("mime_type", ["audio/pcm;rate=16000", "audio/pcm", "audio/pcm;rate=16000;channels=1"])
def test_what_models_hear_passes_untouched(mime_type: str) -> None:
    microphone = Microphone()
    blob = Blob(data=tone(16_000, 0.02), mime_type=mime_type)
    assert microphone.passes(blob)
    assert microphone.take(blob) is blob
    assert microphone.flush() is None


@pytest.mark.parametrize(
    "blob", [Blob(data=b"odd", mime_type="image/jpeg"), Blob(data=b"odd"), Blob(mime_type="audio/pcm")]
)
def test_what_is_no_audio_is_left_to_the_backend(blob: Blob) -> None:
    microphone = Microphone()
    assert microphone.passes(blob)
    assert microphone.take(blob) is blob


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_number_of_channels_comes_out_in_length_and_tune(rate: int, channels: int) -> None:
    mime_type = f"audio/pcm;rate={rate};channels={channels}"
    microphone = Microphone()
    assert not microphone.passes(Blob(data=bytes(4), mime_type=mime_type))
    pcm = heard(microphone, mime_type, tone(rate, 2.0, channels), size=1000)
    assert len(pcm) / 2 / 16_000 == pytest.approx(2.0, abs=0.001)
    assert pitch(pcm) == pytest.approx(TONE_HZ, abs=1)
    loud = np.abs(np.frombuffer(pcm, dtype="<i2")[800:-800]).max()
    assert loud == pytest.approx(8000, rel=0.05)


@pytest.mark.parametrize("mime_type", ["audio/l16;rate=48000", "audio/pcm;rate=48000"])
def test_little_is_held_back_while_audio_comes(mime_type: str) -> None:
    microphone = Microphone()
    data = tone(48_000, 1.0)
    blobs = [microphone.take(Blob(data=piece, mime_type=mime_type)) for piece in pieces(data, 1920)]
    assert sum(len(blob.data or b"") for blob in blobs if blob) / 32_000 > 1.0 - 0.015


def test_channels_are_mixed_and_not_taken_for_time() -> None:
    left = np.frombuffer(tone(16_000, 0.5), dtype="<i2")
    stereo = np.stack([left, np.zeros_like(left)], axis=1).tobytes()
    mixed = np.frombuffer(heard(Microphone(), "audio/pcm;rate=16000;channels=2", stereo), dtype="<i2")
    assert np.array_equal(mixed, (left / 2).astype("<i2"))


@given(
    sizes=st.lists(st.integers(1, 999), min_size=1, max_size=40),
    mime_type=st.sampled_from(["audio/pcm;rate=16000", "audio/pcm;rate=16000;channels=2", "audio/pcm;rate=48000"]),
)
def test_chunks_may_cut_a_sample_in_two(sizes: list[int], mime_type: str) -> None:
    size = sum(sizes) - sum(sizes) % 4
    data = np.random.default_rng(size).integers(-9000, 9000, size // 2).astype("<i2").tobytes()
    whole, cut = Microphone(), Microphone()
    expected = heard(whole, mime_type, data, size=size or 1)
    got, at = [], 0
    for length in sizes:
        got.append(cut.take(Blob(data=data[at : at + length], mime_type=mime_type)))
        at += length
    got.append(cut.flush())
    assert alike(b"".join(blob.data for blob in got if blob is not None), expected)


def test_half_a_sample_at_the_end_does_not_spoil_what_comes_next() -> None:
    microphone = Microphone()
    speech = tone(16_000, 0.1)
    assert heard(microphone, "audio/pcm", speech + b"\x7f") == speech
    assert heard(microphone, "audio/pcm", speech) == speech


def test_after_a_signal_the_next_words_are_whole_again() -> None:
    microphone = Microphone()
    first = heard(microphone, "audio/pcm;rate=48000", tone(48_000, 0.5))
    assert alike(heard(microphone, "audio/pcm;rate=48000", tone(48_000, 0.5)), first)


def test_the_format_may_change_in_the_middle() -> None:
    microphone = Microphone()
    parts = [("audio/pcm;rate=48000", 48_000), ("audio/pcm;rate=16000", 16_000), ("audio/pcm;rate=8000", 8_000)]
    pcm = b""
    for mime_type, rate in parts:
        for piece in pieces(tone(rate, 0.5), 640):
            blob = microphone.take(Blob(data=piece, mime_type=mime_type))
            pcm += blob.data or b"" if blob else b""
    last = microphone.flush()
    pcm += last.data or b"" if last else b""
    assert len(pcm) / 32_000 == pytest.approx(1.5, abs=0.001)
    assert pitch(pcm) == pytest.approx(TONE_HZ, abs=2)
    assert microphone.passes(Blob(data=bytes(2), mime_type="image/jpeg"))


@pytest.mark.parametrize("size", [7, 4096, 10**6])
def test_a_wav_file_is_read_by_its_header(size: int) -> None:
    stream = BytesIO()
    with wave.open(stream, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(48_000)
        writer.writeframes(tone(48_000, 0.5, 2))
    pcm = heard(Microphone(), "audio/wav", stream.getvalue(), size=size)
    assert len(pcm) / 32_000 == pytest.approx(0.5, abs=0.001)
    assert pitch(pcm) == pytest.approx(TONE_HZ, abs=2)


@pytest.mark.parametrize(
    ("mime_type", "code"),
    [
        ("audio/webm", "unsupported_mime_type"),
        ("audio/pcm;rate=1", "unsupported_mime_type"),
        ("audio/wav", "invalid_audio"),
    ],
)
def test_what_cannot_be_heard_is_refused_and_the_rest_goes_on(mime_type: str, code: str) -> None:
    microphone = Microphone()
    speech = tone(48_000, 0.2)
    expected = heard(Microphone(), "audio/pcm;rate=48000", speech + speech)
    pcm = b""
    for half in (speech, speech):
        bad = Blob(data=b"something else", mime_type=mime_type)
        assert not microphone.passes(bad)
        with pytest.raises(InvalidInput) as caught:
            microphone.take(bad)
        assert caught.value.code == code
        blob = microphone.take(Blob(data=half, mime_type="audio/pcm;rate=48000"))
        assert blob is not None
        pcm += blob.data or b""
    last = microphone.flush()
    assert alike(pcm + (last.data or b"" if last else b""), expected)


@pytest.mark.parametrize(
    ("mime_type", "bytes_a_second", "likely"),
    [
        ("audio/pcm;rate=16000", 96_000, 48_000),
        ("audio/pcm", 48_000, 24_000),
        ("audio/pcm;rate=48000", 32_000, 16_000),
        ("audio/pcm;rate=16000", 32_000, None),
        ("audio/pcm;rate=48000;channels=2", 192_000, None),
    ],
)
@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("own_words", [False, True], ids=["one mime type", "a new string for each chunk"])
def test_a_rate_that_is_not_the_declared_one_is_warned_of_once(
    mime_type: str, bytes_a_second: int, likely: int | None, straight: bool, own_words: bool
) -> None:
    warnings: list[InvalidInput] = []
    now = 0.0
    microphone = Microphone(now=lambda: now, tell=warnings.append)
    passed: list[tuple[Blob, float]] = []
    for number in range(1500):  # thirty seconds
        now = number * 0.02
        mime = "".join(list(mime_type)) if own_words else mime_type
        blob = Blob(data=bytes(bytes_a_second // 50), mime_type=mime)
        if straight and microphone.passes(blob):
            passed.append((blob, now))
        else:
            microphone.take(blob)
        if len(passed) == 4:  # together, as the uplink tells of them
            for one, at in passed:
                microphone.meter(one, at)
            passed.clear()
    if likely is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.code == "audio_rate_mismatch"
        assert f"{likely} Hz" in str(warning)


def upstream() -> Upstream:
    return Upstream(event=Event, note=lambda event: None)


def connection() -> ScriptedConnection:
    return ScriptedConnection(ConnectRequest(model="x"))


@pytest.mark.parametrize(
    "signal", [{"activity_end": ActivityEnd()}, {"activity_start": ActivityStart()}, {"audio_stream_end": True}]
)
@virtual
async def test_the_last_of_the_audio_goes_up_before_the_signal_that_follows_it(signal: dict[str, Any]) -> None:
    up, model = upstream(), connection()
    for piece in pieces(tone(48_000, 0.5), 1920):
        await up.send(LiveRequest(blob=Blob(data=piece, mime_type="audio/pcm;rate=48000")), model)
    assert await up.send(LiveRequest(**signal), model) is not None
    assert [kind for kind, _ in model.sent][-2:] == ["realtime", "activity"]
    assert sum(len(value.data) for kind, value in model.sent if kind == "realtime") == pytest.approx(16_000, abs=32)


@virtual
async def test_a_piece_that_a_lost_connection_did_not_take_is_converted_once() -> None:
    up, lost, model = upstream(), connection(), connection()
    speech = tone(16_000, 0.1)
    halves = (speech[:641], speech[641:])
    first, second = (LiveRequest(blob=Blob(data=half, mime_type="audio/pcm")) for half in halves)
    await lost.close()
    with pytest.raises(ConnectionLost):
        await up.send(first, lost)
    sent = [(await up.send(request, model)).media for request in (first, second)]
    assert b"".join(blob.data or b"" for blob in sent if blob) == speech
    assert [value for _, value in model.sent] == sent


@virtual
async def test_the_short_way_takes_only_what_needs_no_conversion() -> None:
    passes = upstream().passes
    assert passes(Blob(data=bytes(640), mime_type="audio/pcm;rate=16000"))
    assert passes(Blob(data=b"picture", mime_type="image/jpeg"))
    for mime_type in ("audio/pcm;rate=48000", "audio/pcm;rate=16000;channels=2", "audio/wav", "audio/mpeg"):
        assert not passes(Blob(data=bytes(640), mime_type=mime_type))
    assert not passes(Blob(data=bytes(641), mime_type="audio/pcm;rate=16000"))
    changing = Blob(mime_type="audio/pcm;rate=16000")
    changing.data = bytearray(640)  # type: ignore[assignment]
    assert not passes(changing)


def test_pictures_have_no_rate() -> None:
    warnings: list[InvalidInput] = []
    now = 0.0
    microphone = Microphone(now=lambda: now, tell=warnings.append)
    for number in range(600):
        now = number * 0.05
        microphone.meter(Blob(data=bytes(96_000 // 20), mime_type="image/jpeg"), now)
        microphone.take(Blob(data=bytes(96_000 // 20), mime_type="image/jpeg"))
    assert warnings == []
