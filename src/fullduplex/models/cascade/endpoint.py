"""When a turn of speech begins and ends. Pure: a frame's verdict and its time go in, what happened comes out.

Begin: some frames of speech in a row. End: some silence after the last frame of speech, or a turn that has lasted too
long. Times in seconds of whatever clock the caller keeps (here: the position in the audio).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class Edge(Enum):
    """What a frame changed."""

    NONE = "none"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True)
class EndpointSettings:
    """How readily a turn begins and ends; seconds."""

    start: float = 0.064
    silence: float = 0.4
    max_turn: float = 20.0


class Endpointer:
    """Follows one stream of frames.

    `started_at` is when the first frame of the current turn began, so that the caller can go back to it.
    """

    def __init__(self, settings: EndpointSettings, frame: float) -> None:
        self._settings = settings
        self._frame = frame
        self._needed = max(1, math.ceil(settings.start / frame - 1e-9))
        self._run = 0
        self._last_speech = 0.0
        self.in_speech = False
        self.started_at = 0.0

    def feed(self, speech: bool, now: float) -> Edge:
        """Takes the verdict on the frame that ends at `now`."""
        self._run = self._run + 1 if speech else 0
        if not self.in_speech:
            if self._run < self._needed:
                return Edge.NONE
            self.in_speech = True
            self.started_at = now - self._run * self._frame
            self._last_speech = now
            return Edge.STARTED
        if speech:
            self._last_speech = now
        silent = now - self._last_speech >= self._settings.silence - 1e-9
        too_long = now - self.started_at >= self._settings.max_turn - 1e-9
        if silent or too_long:
            self.reset()
            return Edge.ENDED
        return Edge.NONE

    def reset(self) -> None:
        """Forgets the current turn, as when the stream ends."""
        self.in_speech = False
        self._run = 0
