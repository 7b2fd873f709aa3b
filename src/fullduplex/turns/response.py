"""One response of the agent: its audio, its words, and how far its player has come.

A response is the agent's audio between two of the boundaries `turn_complete` and `interrupted`; which one is the
current one is known in `playout`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fullduplex.turns.speech import Speech
from fullduplex.types.playout import Heard

EXTRAPOLATED_S = 0.25


@dataclass(slots=True)
class Response:
    """One answer's audio and words, and where its player stands. Times in seconds; positions from the audio's start."""

    id: str
    words: Speech
    words_first: bool
    plays_until: float  # in real time, of what was sent
    sent: float = 0.0
    chunk_at: float = 0.0
    played: float | None = None
    reported_at: float = 0.0
    going_on: bool = False
    cleared: bool = False
    stopped_at: float = math.inf
    final: bool = False  # reports change nothing any more
    whole: bool = False  # all of its audio has come
    ended: bool = False  # its turn is over
    late_at: float | None = None  # where words that come after its audio begin
    told: tuple[float, int] = (0.0, 0)

    def position(self, now: float) -> float:
        """How many seconds of it have been heard."""
        now = min(now, self.stopped_at)
        if self.played is None:
            return max(0.0, self.sent - max(0.0, self.plays_until - now))
        if self.cleared or not self.going_on:
            return self.played
        return min(self.sent, self.played + min(max(0.0, now - self.reported_at), EXTRAPOLATED_S))

    def report(self, played: float, cleared: bool, now: float) -> None:
        """Takes the player's word. It cannot have played more than was sent, nor unplay anything."""
        before = self.played or 0.0
        if played < before and not cleared:
            return
        if self.played is None:
            self.told = (0.0, 0)  # that was an estimate
        played = max(before, min(played, self.sent))
        self.going_on = played > before
        self.cleared = cleared or (self.cleared and not self.going_on)
        self.played, self.reported_at = played, now

    def heard(self, now: float) -> Heard:
        """What was heard. What was once told is taken back only for a better source: a first report, or a clear."""
        position, characters = self.position(now), 0
        floor, told = (0.0, 0) if self.cleared else self.told
        position = max(position, floor)
        text: str | None = None
        if self.words:
            characters = max(self.words.until(position, self.sent, self.whole), told)
            text = self.words.text[:characters].rstrip()
        self.told = (position, characters)
        return Heard(
            response_id=self.id,
            text=text,
            played_ms=round(position * 1000, 3),
            estimated=True if self.played is None else None,
        )
