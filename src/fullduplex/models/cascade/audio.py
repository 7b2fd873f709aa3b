"""PCM16 helpers of the cascade: rates from mime types, resampling with soxr LQ, trimming silence.

LQ on purpose: soxr's default quality holds back 12 to 29 ms, LQ at most 12.5.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from fullduplex.errors import InvalidInput

INPUT_RATE = 16_000
"""Samples per second that detection and recognition work at."""
OUTPUT_RATE = 24_000
"""Samples per second of the agent's speech."""

_RATE = re.compile(r"rate\s*=\s*(\d+)")
_SILENT = 250
_FRAME_MS = 5


def rate_of(mime_type: str | None) -> int:
    """The sample rate that an audio mime type names; 16,000 where it names none. `InvalidInput` if not raw PCM."""
    mime = (mime_type or "audio/pcm").lower()
    if not mime.startswith(("audio/pcm", "audio/l16")):
        raise InvalidInput(f"cannot hear {mime_type}: send audio/pcm (16-bit mono)", field="mime_type")
    found = _RATE.search(mime)
    rate = int(found.group(1)) if found else INPUT_RATE
    if not 4_000 <= rate <= 192_000:
        raise InvalidInput(f"an audio rate of {rate} is not sensible", field="mime_type")
    return rate


class Resampler:
    """Brings a stream of PCM16 at any rate to one rate; keeps its state while the rate stays the same."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._rate = target
        self._stream: Any = None
        self._odd = b""

    def feed(self, pcm: bytes, rate: int) -> bytes:
        """The next piece at the target rate; half samples wait for their other half."""
        pcm = self._odd + pcm
        self._odd = pcm[len(pcm) & ~1 :]
        pcm = pcm[: len(pcm) & ~1]
        if rate != self._rate:
            self._rate = rate
            self._stream = soxr.ResampleStream(rate, self.target, 1, dtype="int16", quality="LQ")
        if rate == self.target or not pcm:
            return pcm
        out: NDArray[np.int16] = self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2"))
        return out.tobytes()


def resample(pcm: bytes, rate: int, target: int) -> bytes:
    """A whole piece of PCM16 at another rate."""
    if rate == target or not pcm:
        return pcm
    out: NDArray[np.int16] = soxr.resample(np.frombuffer(pcm, dtype="<i2"), rate, target, quality="LQ")
    return out.astype("<i2").tobytes()


def trim(pcm: bytes, rate: int, *, lead_ms: int, tail_ms: int) -> bytes:
    """PCM16 with at most `lead_ms` of silence before the speech and `tail_ms` behind it; empty if all is silence."""
    samples = np.frombuffer(pcm, dtype="<i2")
    size = rate * _FRAME_MS // 1000
    frames = len(samples) // size
    if not frames:
        return pcm
    peaks = np.abs(samples[: frames * size].astype(np.int32)).reshape(frames, size).max(axis=1)
    loud = np.nonzero(peaks > _SILENT)[0]
    if not len(loud):
        return b""
    start = max(0, int(loud[0]) * size - rate * lead_ms // 1000)
    end = min(len(samples), (int(loud[-1]) + 1) * size + rate * tail_ms // 1000)
    return samples[start:end].tobytes()
