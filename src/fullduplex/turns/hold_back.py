"""Holds an agent's voice back until its words are known: audio, words and all else come out in the order they went in.

A transcript comes later than its sound. Audio waits `hold_s` for it: when that has passed, and every word that came
until then has passed its check, nothing was wrong with the sound either. Where the words come with times, audio that
they cover need not wait so long. In strict mode it waits for just that, or for the end of the answer's transcript, up
to a deadline. What the words are checked for, and what follows from a bad one, is decided elsewhere.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SLACK_S = 0.001
"""By so much longer audio is held, so that words that come just in time are in time."""


class Kind(enum.Enum):
    """What is held."""

    AUDIO = "audio"
    WORDS = "words"
    OTHER = "other"


@dataclass(slots=True)
class _Held(Generic[T]):
    item: T
    kind: Kind
    at: float = 0.0
    response: int = 0
    seconds: float = 0.0
    ends: float = 0.0  # audio: where it ends in its response, in seconds
    over_at: float | None = None  # audio: when the last of its response had come
    version: int = 0  # words: the check that must have passed


class _Pending(NamedTuple):
    """Words that came and have not passed yet; with times, up to where they cover the audio of their response."""

    version: int
    at: float
    response: int
    covers: float


class HoldBack(Generic[T]):
    """A buffer of items of any type; `now` is seconds on one clock. `strict_s` is the deadline of strict mode.

    Words carry the number of the check that has to pass them; numbers never go down.
    """

    def __init__(self, hold_s: float, *, strict_s: float | None = None) -> None:
        self._hold_s = hold_s + SLACK_S
        self._strict_s = strict_s
        self._held: deque[_Held[T]] = deque()
        self._pending: deque[_Pending] = deque()
        self._passed = 0
        self._response = 0
        self._sent = 0.0
        self._covered = (0, 0.0)
        self.unchecked_s = 0.0
        """Seconds of audio that strict mode let go at its deadline, though nobody knew their words."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def holds_audio(self) -> bool:
        """Whether any sound is held."""
        return any(held.kind is Kind.AUDIO for held in self._held)

    @property
    def sent(self) -> float:
        """How many seconds of this response's audio have come."""
        return self._sent

    def audio(self, item: T, seconds: float, now: float) -> None:
        """Takes a piece of sound."""
        self._sent += seconds
        self._held.append(_Held(item, Kind.AUDIO, now, self._response, seconds, self._sent))

    def words(self, item: T, version: int, now: float, *, covers: float = 0.0) -> None:
        """Takes words; they cover the first `covers` seconds of this response's audio, as far as that is known."""
        self._held.append(_Held(item, Kind.WORDS, now, version=version))
        if version > self._passed:
            self._pending.append(_Pending(version, now, self._response, covers))
        else:
            self._cover(self._response, covers)

    def other(self, item: T) -> None:
        """Takes what need not be checked, but keeps its place."""
        self._held.append(_Held(item, Kind.OTHER))

    def response_over(self, now: float) -> None:
        """The answer has ended; audio that comes now is that of the next."""
        for held in self._held:
            if held.kind is Kind.AUDIO and held.response == self._response:
                held.over_at = now
        self._response += 1
        self._sent = 0.0

    def passed(self, version: int) -> None:
        """The words of all checks up to `version` are good."""
        self._passed = max(self._passed, version)
        while self._pending and self._pending[0].version <= version:
            words = self._pending.popleft()
            self._cover(words.response, words.covers)

    def release(self, now: float) -> list[T]:
        """What may go now, in order."""
        released: list[T] = []
        while self._held and self._may_go(self._held[0], now):
            released.append(self._held.popleft().item)
        return released

    @property
    def due(self) -> float | None:
        """When to ask `release` again if nothing comes before; None when time alone releases nothing."""
        if not self._held or self._held[0].kind is not Kind.AUDIO:
            return None
        goes_at = self._goes_at(self._held[0])
        return None if self._is_awaited(goes_at) else goes_at

    def clear(self) -> list[tuple[T, Kind]]:
        """Takes out all that is held; no word of it is waited for any more."""
        held = [(one.item, one.kind) for one in self._held]
        self._held.clear()
        self._pending.clear()
        return held

    def _may_go(self, held: _Held[T], now: float) -> bool:
        if held.kind is Kind.WORDS:
            return held.version <= self._passed
        if held.kind is Kind.OTHER or self._is_covered(held):
            return True
        goes_at = self._goes_at(held)
        if now < goes_at or self._is_awaited(goes_at):
            return False
        if self._strict_s is not None and goes_at == held.at + self._strict_s:
            self.unchecked_s += held.seconds
        return True

    def _goes_at(self, audio: _Held[T]) -> float:
        """When the time of `audio` is up."""
        if self._strict_s is None:
            return audio.at + self._hold_s
        if audio.over_at is None:
            return audio.at + self._strict_s
        return min(audio.at + self._strict_s, audio.over_at + self._hold_s)

    def _is_awaited(self, goes_at: float) -> bool:
        """Whether words that came by then are still being checked."""
        return bool(self._pending) and self._pending[0].at <= goes_at

    def _is_covered(self, audio: _Held[T]) -> bool:
        response, seconds = self._covered
        return audio.response == response and audio.ends <= seconds

    def _cover(self, response: int, seconds: float) -> None:
        self._covered = max(self._covered, (response, seconds))
