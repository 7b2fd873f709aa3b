"""Energy-based voice activity detection: PCM in, starts and ends of speech out. Its clock is the audio itself.

Good enough for clean test audio; it is not meant for real rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

_WINDOW_MS = 10


@dataclass(frozen=True)
class VadConfig:
    """`threshold`: RMS of 10 ms as a part of full scale. `prefix_ms` of speech make a start, `silence_ms` an end."""

    threshold: float
    prefix_ms: int
    silence_ms: int


@dataclass(frozen=True)
class Activity:
    """Speech started or ended, `offset_ms` into the audio. An end carries the utterance without its closing silence."""

    kind: Literal["start", "end"]
    offset_ms: int
    audio: bytes = b""


class VoiceDetector:
    """Feed it PCM16 mono at one rate; it tells where speech starts and ends."""

    def __init__(self, config: VadConfig, rate: int) -> None:
        self._config = config
        self._window = max(rate * _WINDOW_MS // 1000, 1) * 2
        self._rest = b""
        self._heard_ms = 0
        self._onset = bytearray()
        self._speech = bytearray()
        self._silence_ms = 0
        self.speaking = False

    @property
    def pending(self) -> bool:
        """Whether audio is held that may belong to an utterance: speech goes on, or its onset is being judged."""
        return self.speaking or bool(self._onset)

    def feed(self, pcm: bytes) -> list[Activity]:
        """What the next piece of audio, of any length, brings to light."""
        data = self._rest + pcm
        whole = len(data) // self._window
        self._rest = data[whole * self._window :]
        if not whole:
            return []
        windows = np.frombuffer(data, dtype="<i2", count=whole * self._window // 2).reshape(whole, -1)
        loudness = np.sqrt(np.mean(np.square(windows / 32768.0), axis=1))
        found: list[Activity] = []
        for index, rms in enumerate(loudness):
            piece = data[index * self._window : (index + 1) * self._window]
            self._heard_ms += _WINDOW_MS
            activity = self._next(piece, bool(rms >= self._config.threshold))
            if activity is not None:
                found.append(activity)
        return found

    def flush(self) -> Activity | None:
        """The stream has paused: the end of the speech that was going on, if any."""
        self._rest = b""
        self._onset.clear()
        return self._end() if self.speaking else None

    def _next(self, piece: bytes, loud: bool) -> Activity | None:
        if self.speaking:
            self._speech += piece
            self._silence_ms = 0 if loud else self._silence_ms + _WINDOW_MS
            return self._end() if self._silence_ms >= max(self._config.silence_ms, _WINDOW_MS) else None
        if not loud:
            self._onset.clear()
            return None
        self._onset += piece
        onset_ms = len(self._onset) // self._window * _WINDOW_MS
        if onset_ms < self._config.prefix_ms:
            return None
        self.speaking = True
        self._silence_ms = 0
        self._speech[:] = self._onset
        self._onset.clear()
        return Activity("start", self._heard_ms - onset_ms)

    def _end(self) -> Activity:
        self.speaking = False
        silence = self._silence_ms // _WINDOW_MS * self._window
        audio = bytes(self._speech[: len(self._speech) - silence])
        self._speech.clear()
        offset = self._heard_ms - self._silence_ms
        self._silence_ms = 0
        return Activity("end", offset, audio)
