"""Brings live audio into the one format that every model hears: PCM16, mono, 16,000 Hz.

Audio that is in it already, and all that is no audio, passes as it is. The rest is converted as a stream: samples that
chunks cut in two wait for their other half, and the resampler keeps its state. It decides nothing about speech.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from fullduplex.errors import InvalidInput
from fullduplex.turns.audio_format import MODEL_MIME, MODEL_RATE, NATIVE, AudioFormat, WavReader, format_of, is_wav
from fullduplex.turns.audio_pace import AudioPace
from fullduplex.types.content import Blob

logger = logging.getLogger(__name__)

_REMEMBERED = 64
_NATIVE_BYTES = NATIVE.frame_bytes


@functools.lru_cache(maxsize=_REMEMBERED)
def _is_plain(mime_type: str | None) -> bool | None:
    """Whether audio of this type needs no conversion; None for what is no audio, or says nothing at all."""
    if not mime_type or not mime_type.lower().startswith("audio/"):
        return None
    try:
        return mime_type.startswith("audio/pcm") and format_of(mime_type) == NATIVE
    except InvalidInput:
        return False


def _log(error: InvalidInput) -> None:
    logger.warning("%s", error)


class Microphone:
    """The live audio of one run. `now` gives seconds; `tell` takes a warning that the run survives, at most one."""

    __slots__ = ("_converter", "_format", "_now", "_odd", "_pace", "_tell", "_told", "_wav")

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, tell: Callable[[InvalidInput], None] = _log
    ) -> None:
        self._now = now
        self._tell = tell
        self._told = False
        self._format = NATIVE
        self._converter: _Converter | None = None
        self._wav = WavReader()
        self._odd = b""
        self._pace = AudioPace(NATIVE.rate)

    def passes(self, blob: Blob) -> bool:
        """Whether `take` would give back this blob as it is. Never raises."""
        plain = _is_plain(blob.mime_type)
        if plain is None:  # no audio
            return True
        data = blob.data or b""
        # What the app can still change is copied by `take`.
        is_whole = not self._odd and not len(data) & 1
        return plain and self._converter is None and is_whole and isinstance(data, bytes)

    def meter(self, blob: Blob, now: float) -> None:
        """Notes a blob that passed and was sent without `take`, at `now`, for the watch over its rate."""
        if blob.data and _is_plain(blob.mime_type):
            likely = self._pace.hear(len(blob.data) // _NATIVE_BYTES, now)
            if likely is not None:
                self._doubt(likely)

    def take(self, blob: Blob) -> Blob | None:
        """The blob as models hear it; None when it is too short to give a sample yet.

        Raises `InvalidInput`: `unsupported_mime_type` for audio that is not PCM16, `invalid_audio` for a WAV file that
        holds something else. What came before is not touched by that.
        """
        if self.passes(blob):
            self.meter(blob, self._now())
            return blob
        mime_type = blob.mime_type or ""
        data = bytes(blob.data or b"")
        if is_wav(mime_type):
            data = self._wav.feed(data)
            source = self._wav.format
        else:
            source = format_of(mime_type)
        tail = b"" if source in (self._format, None) else self._change(source or NATIVE)
        likely = self._pace.hear(len(data) // self._format.frame_bytes, self._now())
        if likely is not None:
            self._doubt(likely)
        return _blob(tail + self._convert(data))

    def flush(self) -> Blob | None:
        """What is still held back: to be sent before a signal that ends, or begins, a piece of audio."""
        tail = self._converter.end() if self._converter is not None else b""
        self._odd = b""
        if self._converter is not None:
            self._converter = _Converter(self._format)
        return _blob(tail)

    def _change(self, source: AudioFormat) -> bytes:
        """Another format begins; what the last one left."""
        tail = self._converter.end() if self._converter is not None else b""
        self._odd = b""
        self._format = source
        self._converter = None if source == NATIVE else _Converter(source)
        self._pace = AudioPace(source.rate)
        return tail

    def _convert(self, data: bytes) -> bytes:
        data = self._odd + data
        cut = len(data) - len(data) % self._format.frame_bytes
        self._odd = data[cut:]
        return data[:cut] if self._converter is None else self._converter.feed(data[:cut])

    def _doubt(self, likely: int) -> None:
        """The audio comes as fast as at another rate."""
        if self._told:
            return
        self._told = True
        self._tell(
            InvalidInput(
                f"the audio is called {self._format.rate} Hz and comes as fast as {likely} Hz would"
                f" (or {likely // 2} Hz in two channels): name its rate, audio/pcm;rate={likely}",
                code="audio_rate_mismatch",
                field="blob.mimeType",
            )
        )


class _Converter:
    """A stream of one format, mixed down to mono and resampled. Only those who need one load the libraries."""

    def __init__(self, source: AudioFormat) -> None:
        import numpy
        import soxr

        self._numpy = numpy
        self._channels = source.channels
        self._stream: Any = None
        if source.rate != MODEL_RATE:
            # LQ on purpose: the default quality holds back 12 to 29 ms.
            self._stream = soxr.ResampleStream(source.rate, MODEL_RATE, 1, dtype="int16", quality="LQ")

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """The next whole frames as mono at the model's rate, as far as they are ready."""
        samples = self._numpy.frombuffer(pcm, dtype="<i2")
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype("<i2")
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples, last=last)
        return bytes(samples.tobytes())

    def end(self) -> bytes:
        """What is held back. The converter is used up then."""
        return self.feed(b"", last=True)


def _blob(pcm: bytes) -> Blob | None:
    return Blob(data=pcm, mime_type=MODEL_MIME) if pcm else None
