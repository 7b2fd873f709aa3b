"""What live audio says of itself: its mime type, and the header of a WAV file, whole or in pieces."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.errors import InvalidInput
from fullduplex.turns.audio_format import AudioFormat, WavReader, format_of, is_wav

PCM = struct.pack("<8h", *range(8))


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def wav(
    body: bytes = PCM, *, kind: int = 1, channels: int = 2, rate: int = 48_000, bits: int = 16, size: int | None = None
) -> bytes:
    fmt = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * 2, channels * 2, bits)
    if kind == 0xFFFE:
        fmt += struct.pack("<HHIH", 22, bits, 3, 1) + bytes(14)
    return b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"odd") + chunk(b"fmt ", fmt) + chunk(b"data", body, size)


@pytest.mark.parametrize(
    ("mime_type", "expected"),
    [
        ("audio/pcm", (16_000, 1)),
        ("audio/pcm;rate=16000", (16_000, 1)),
        ("Audio/PCM; Rate=48000; Channels=2", (48_000, 2)),
        ('audio/l16;rate="44100";channels=1', (44_100, 1)),
        ("audio/L16;codec=pcm;rate=24000", (24_000, 1)),
    ],
)
def test_the_mime_type_names_rate_and_channels(mime_type: str, expected: tuple[int, int]) -> None:
    assert format_of(mime_type) == expected


@pytest.mark.parametrize(
    "mime_type",
    [
        "audio/mpeg",
        "audio/webm;codecs=opus",
        "audio/pcmu",
        "audio/pcm;rate=0",
        "audio/pcm;rate=fast",
        "audio/pcm;rate=-16000",
        "audio/pcm;rate=²",
        "audio/pcm;rate=1000000",
        "audio/pcm;channels=0",
        "audio/pcm;channels=9",
    ],
)
def test_what_cannot_be_heard_is_refused(mime_type: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        format_of(mime_type)
    assert (caught.value.code, caught.value.field) == ("unsupported_mime_type", "blob.mimeType")


@pytest.mark.parametrize(
    ("mime_type", "expected"), [("audio/wav", True), ("AUDIO/X-WAV;x=1", True), ("audio/pcm", False)]
)
def test_wav_goes_by_several_names(mime_type: str, expected: bool) -> None:
    assert is_wav(mime_type) is expected


@given(cuts=st.lists(st.integers(0, len(wav())), max_size=6), kind=st.sampled_from([1, 0xFFFE]))
def test_a_wav_file_may_be_cut_anywhere(cuts: list[int], kind: int) -> None:
    data = wav(kind=kind) + chunk(b"LIST", b"a title behind the samples")
    reader = WavReader()
    pieces = [data[a:b] for a, b in pairwise(sorted({0, *cuts, len(data)}))]
    assert b"".join(map(reader.feed, pieces)) == PCM
    assert reader.format == AudioFormat(48_000, 2)


def test_each_piece_may_be_a_file_of_its_own() -> None:
    reader = WavReader()
    assert reader.feed(wav()) == PCM
    assert reader.feed(wav(rate=16_000, channels=1)) == PCM
    assert reader.format == AudioFormat(16_000, 1)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_file_that_does_not_know_its_length_goes_on(size: int) -> None:
    reader = WavReader()
    assert reader.feed(wav(size=size)) + reader.feed(PCM) == PCM + PCM


@pytest.mark.parametrize(
    "data",
    [
        b"OggS\0\0\0\0",
        b"RIFF\0\0\0\0AVI ",
        wav(bits=8),
        wav(kind=3, bits=32),
        wav(channels=0),
        wav(rate=1),
        b"RIFF\0\0\0\0WAVE" + chunk(b"data", PCM),
        b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"\1\0"),
        b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", bytes(70_000)),
    ],
)
def test_a_file_of_anything_else_is_refused_and_the_next_is_read(data: bytes) -> None:
    reader = WavReader()
    with pytest.raises(InvalidInput) as caught:
        reader.feed(data)
    assert (caught.value.code, caught.value.field) == ("invalid_audio", "blob.data")
    assert reader.feed(wav()) == PCM
