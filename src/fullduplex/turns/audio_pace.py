"""Notices audio whose rate is not the one it is said to have, by how fast it comes.

A microphone gives one second of audio a second. Audio of 48,000 Hz that is called 16,000 comes three times too fast,
and no model understands it. Recordings that are sent flat out, bursts after a stall and microphones that are opened for
words only are none of that: only a rate that sound cards have, held for several seconds without a gap, counts.
"""

from __future__ import annotations

import math

WINDOW_S = 2.0
"""The length of one measurement, in seconds."""
WINDOWS = 3
"""How many measurements in a row must agree."""

_MAX_GAP_S = 0.4
_TOLERANCE = math.log(1.045)  # 44,100 and 48,000 lie 1.088 apart
_LIKELY = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)


class AudioPace:
    """Measures one stream of audio that is said to have `rate` samples a second (per channel)."""

    __slots__ = ("_agreeing", "_last", "_rate", "_samples", "_since", "_suspect")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._since: float | None = None
        self._last = 0.0
        self._samples = 0
        self._suspect: int | None = None
        self._agreeing = 0

    def hear(self, samples: int, now: float) -> int | None:
        """`samples` came at `now` (seconds): the rate that they most likely have, if it is not the declared one.

        None as long as nothing is certain. What is called `n` samples may as well be `n / 2` of two channels.
        """
        if self._since is None or not 0 <= now - self._last <= _MAX_GAP_S:
            self._since = self._last = now
            self._samples = self._agreeing = 0
            return None
        self._last = now
        self._samples += samples
        length = now - self._since
        if length < WINDOW_S:
            return None
        measured, self._since, self._samples = self._samples / length, now, 0
        return self._judge(measured)

    def _judge(self, measured: float) -> int | None:
        """Whether the last measurements agree on another rate than the declared one."""
        likely = min(_LIKELY, key=lambda rate: _distance(rate, measured))
        suspicious = _distance(likely, measured) <= _TOLERANCE < _distance(self._rate, measured)
        if not suspicious:
            self._suspect = None
            return None
        self._agreeing = self._agreeing + 1 if likely == self._suspect else 1
        self._suspect = likely
        return likely if self._agreeing >= WINDOWS else None


def _distance(rate: int, measured: float) -> float:
    return abs(math.log(max(measured, 1.0) / rate))
