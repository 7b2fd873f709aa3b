"""Whether a piece of PCM16 holds any sound, and after how much silence it begins.

It tells sound from silence and from dither, nothing more: it cannot tell speech from noise and is no voice detector.
It looks at the upper byte of every sample alone, which is what makes it cheap (below 2 µs for 40 ms at 24,000 Hz), so
thresholds come in steps of 256 of 32,768.
"""

from __future__ import annotations

import functools

DEFAULT_THRESHOLD = 256
"""The peak from which a sample counts as sound: soft speech is above it, digital silence and dither below."""

_STEP = 256


def is_loud(pcm: bytes, threshold: int = DEFAULT_THRESHOLD) -> bool:
    """Whether any sample of `pcm` (PCM16 little endian, mono) reaches `threshold`, rounded to a step of 256.

    Half a sample at the end is not looked at.
    """
    return bool(pcm[1::2].translate(None, _quiet(threshold)))


def leading_silence_ms(pcm: bytes, rate: int, threshold: int = DEFAULT_THRESHOLD) -> float:
    """Milliseconds of `pcm` at `rate` Hz before the first sample that reaches `threshold`; all of it if none does."""
    samples = pcm[1::2]
    silent = len(samples) - len(samples.lstrip(_quiet(threshold)))
    return 1000.0 * silent / rate


@functools.lru_cache(maxsize=16)
def _quiet(threshold: int) -> bytes:
    """The upper bytes of the samples below `threshold`, on both sides of zero."""
    steps = max(1, round(threshold / _STEP))
    return bytes(upper for upper in range(256) if min(upper, 255 - upper) < steps)
