"""What the user says, as WAV files for the browser's microphone: sentences by flite's voices and pauses between them.

    speech.wav(Line("count to thirty"), 3.0, Line("what time is it in Paris", "rms"))

Every file has a soft noise under all of it, as every room has: 60 dB below full scale, so never "loud".
"""

from __future__ import annotations

import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.web.browser import write_wav

RATE = 16_000
VOICES = ("slt", "rms", "awb")

_LOUD = 400
_ROOM = 33  # about -60 dB
_LEAD_S = 0.15
_TAIL_S = 1.5


@dataclass(frozen=True)
class Line:
    """A sentence and the voice that says it."""

    text: str
    voice: str = "slt"


class Speech:
    """Makes WAV files in `folder` with the program `flite`."""

    def __init__(self, flite: str, folder: Path) -> None:
        self._flite = flite
        self._folder = folder
        self._spoken: dict[Line, NDArray[np.int16]] = {}
        self._files = 0

    def say(self, line: Line) -> NDArray[np.int16]:
        """The sentence alone, from its first to its last loud sample."""
        if line not in self._spoken:
            path = self._folder / "flite.wav"
            subprocess.run([self._flite, "-voice", line.voice, "-t", line.text, "-o", str(path)], check=True)
            with wave.open(str(path)) as reader:
                assert (reader.getframerate(), reader.getnchannels()) == (RATE, 1)
                samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
            loud = np.nonzero(np.abs(samples.astype(np.int32)) > _LOUD)[0]
            self._spoken[line] = samples[loud[0] : loud[-1] + 1]
        return self._spoken[line]

    def wav(self, *parts: Line | float, tail: float = _TAIL_S) -> Path:
        """A file of sentences and of pauses in seconds; it ends with `tail` seconds of pause."""
        told = (_LEAD_S, *parts, tail)
        return self._write([self.say(part) if isinstance(part, Line) else _pause(part) for part in told])

    def click(self) -> Path:
        """A file with a loud knock of 20 ms in a quiet room, and no word."""
        knock = np.random.default_rng(1).normal(0.0, 8_000, RATE // 50).clip(-32_768, 32_767).astype(np.int16)
        return self._write([_pause(0.4), knock, _pause(_TAIL_S)])

    def _write(self, pieces: list[NDArray[np.int16]]) -> Path:
        samples = np.concatenate(pieces).astype(np.int32)
        room = np.random.default_rng(len(samples)).normal(0.0, _ROOM, len(samples))
        mixed = np.clip(samples + room, -32_768, 32_767).astype("<i2")
        self._files += 1
        path = self._folder / f"said-{self._files}.wav"
        write_wav(path, mixed.tobytes(), RATE)
        return path


def _pause(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * RATE), dtype=np.int16)
