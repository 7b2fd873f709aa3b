"""What a piece of live audio says of itself: rate and channels, in its mime type or in the header of a WAV file.

The samples themselves are not looked at here. All are PCM16, little-endian: `audio/l16` too, whose standard says
otherwise, because the models and programs that use the name for live audio mean that.
"""

from __future__ import annotations

import functools
import struct
import sys
from typing import NamedTuple

from fullduplex.errors import InvalidInput

MODEL_RATE = 16_000
"""Samples a second that models listen at."""
MODEL_MIME = f"audio/pcm;rate={MODEL_RATE}"
"""How audio is named on its way to a model."""

_PCM = ("audio/pcm", "audio/l16")
_WAV = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
_RATES = range(4_000, 192_001)
_CHANNELS = range(1, 9)
_MAX_HEADER = 65_536
_OPEN_END = 0x7FFF_0000  # writers that do not know how long it gets give a size at the top of the range, or none
_FORMAT_PCM, _FORMAT_EXTENSIBLE = 1, 0xFFFE


class AudioFormat(NamedTuple):
    """Samples a second, and how many channels are interleaved."""

    rate: int = MODEL_RATE
    channels: int = 1

    @property
    def frame_bytes(self) -> int:
        """The size of one sample of every channel."""
        return 2 * self.channels


NATIVE = AudioFormat()
"""The format that needs no conversion."""


def is_wav(mime_type: str) -> bool:
    """Whether the format stands in the data, as a WAV header."""
    return _name(mime_type) in _WAV


@functools.lru_cache(maxsize=64)
def format_of(mime_type: str) -> AudioFormat:
    """The format that the mime type of raw PCM names: `audio/pcm;rate=48000;channels=2`; 16,000 Hz mono by default.

    Raises `InvalidInput` (`unsupported_mime_type`) for anything else.
    """
    if _name(mime_type) not in _PCM:
        raise _unsupported(f"cannot hear {mime_type}: send audio/pcm, audio/l16 or audio/wav, 16 bits a sample")
    named = dict(_parameters(mime_type))
    return AudioFormat(
        _within(_RATES, named.get("rate", MODEL_RATE), f"the rate in {mime_type}"),
        _within(_CHANNELS, named.get("channels", 1), f"the number of channels in {mime_type}"),
    )


class WavReader:
    """Finds the samples in WAV data that comes in pieces; a piece that begins with a header begins a new file.

    `format` is that of the file that is being read, None before its header is whole.
    """

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The samples in the next piece; `InvalidInput` (`invalid_audio`) when it is no WAV file of PCM16."""
        if not self._head and data[:4] == b"RIFF":
            self.format = None
        if self.format is None:
            head, self._head = self._head + data, b""
            found = _read_header(head)
            if found is None:
                self._head = head
                return b""
            self.format, start, self._left = found
            data = head[start:]
        samples = data[: self._left]
        self._left -= len(samples)
        return samples


def _read_header(head: bytes) -> tuple[AudioFormat, int, int] | None:
    """Format, place of the samples and their size in bytes; None while the header is not whole."""
    if not b"RIFF".startswith(head[:4]) or (len(head) >= 12 and head[8:12] != b"WAVE"):
        raise _unreadable("audio/wav that does not begin with the header of a WAV file")
    found: AudioFormat | None = None
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        if name == b"data":
            if found is None:
                raise _unreadable("a WAV file whose samples come before their format")
            return found, at + 8, size if 0 < size < _OPEN_END else sys.maxsize
        if name == b"fmt ":
            if at + 8 + size > len(head):
                break
            found = _read_format(head[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    if len(head) > _MAX_HEADER:
        raise _unreadable("a WAV file without samples")
    return None


def _read_format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise _unreadable("a WAV file with half a format")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _FORMAT_EXTENSIBLE and len(chunk) >= 26:
        kind = int.from_bytes(chunk[24:26], "little")
    if kind != _FORMAT_PCM or bits != 16 or rate not in _RATES or channels not in _CHANNELS:
        raise _unreadable(f"a WAV file of {bits} bits, {channels} channels, {rate} Hz, kind {kind}: send PCM16")
    return AudioFormat(rate, channels)


def _name(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()


def _parameters(mime_type: str) -> list[tuple[str, str]]:
    pairs = (piece.partition("=") for piece in mime_type.lower().split(";")[1:])
    return [(name.strip(), value.strip().strip('"')) for name, _, value in pairs]


def _within(allowed: range, value: str | int, what: str) -> int:
    digits = str(value)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 6 and int(digits) in allowed):
        raise _unsupported(f"{what} is not between {allowed.start:,} and {allowed.stop - 1:,}")
    return int(digits)


def _unsupported(message: str) -> InvalidInput:
    return InvalidInput(message, code="unsupported_mime_type", field="blob.mimeType")


def _unreadable(message: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_audio", field="blob.data")
