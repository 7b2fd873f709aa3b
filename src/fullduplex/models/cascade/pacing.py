"""When the next piece of speech may go out, and which words go with it. Pure: time comes in as an argument.

Speech is synthesised far faster than it is heard, so stopping it is a matter of not having sent it: at most `ahead`
seconds of audio are in flight beyond what the listener can have played.
"""

from __future__ import annotations

import re

CHUNK_MS = 40
"""Length of one audio message."""


class Pacer:
    """Keeps sent audio at most `ahead` seconds in front of real time. Times in seconds."""

    def __init__(self, ahead: float = 0.2) -> None:
        self.ahead = ahead
        self._ends_at: float | None = None

    def wait(self, now: float, duration: float) -> float:
        """How long to wait before a piece of that duration may be sent; 0 when it may go at once."""
        if self._ends_at is None:
            return 0.0
        return max(0.0, self._ends_at + duration - self.ahead - now)

    def sent(self, now: float, duration: float) -> None:
        """A piece was sent. After a gap the listener's clock starts anew."""
        start = now if self._ends_at is None else max(now, self._ends_at)
        self._ends_at = start + duration

    def remaining(self, now: float) -> float:
        """How much of what was sent cannot have been played yet."""
        return 0.0 if self._ends_at is None else max(0.0, self._ends_at - now)


class WordTrack:
    """Spreads the words of a clause over its audio by their length: the transcript keeps step with the voice."""

    def __init__(self, text: str, duration: float) -> None:
        self._words = re.findall(r"\S+\s*", text)
        total = sum(map(len, self._words)) or 1
        self._starts = []
        position = 0
        for word in self._words:
            self._starts.append(duration * position / total)
            position += len(word)
        self._next = 0

    def until(self, position: float) -> str:
        """The words that begin before `position` (seconds into the clause) and were not given out yet."""
        first = self._next
        while self._next < len(self._words) and self._starts[self._next] < position:
            self._next += 1
        return "".join(self._words[first : self._next])
