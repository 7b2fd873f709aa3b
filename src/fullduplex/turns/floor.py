"""Who may speak, where several agents talk with one user: one at a time. Pure.

The first that begins to speak has the floor until its turn is over. What the others say meanwhile waits, each turn as a
whole, and follows in the order in which they began; so does what comes behind it from the same speaker. What is no
speech and stands behind none, such as a call of a tool, does not wait. An interruption drops all speech that waits,
with the rest of those turns: the user has heard enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Kind(Enum):
    """What a message is to the floor."""

    SPEECH = "speech"
    """A part of an answer, in sound or in words."""
    END = "end"
    """The end of a turn."""
    INTERRUPTION = "interruption"
    OTHER = "other"


class Said(NamedTuple, Generic[T]):
    """A message that may pass; `quiet`: without the interruption that it tells of, which concerns nobody."""

    item: T
    quiet: bool = False


class _Entry(NamedTuple, Generic[T]):
    item: T
    kind: Kind
    seconds: float


@dataclass
class _Turn(Generic[T]):
    """What waits of one speaker, and how many seconds of sound it is."""

    entries: list[_Entry[T]] = field(default_factory=list)
    seconds: float = 0.0


class Floor(Generic[T]):
    """Messages in, messages out: each call gives those that may pass now, in order.

    Past `max_s` seconds of sound of one speaker, the rest of what that one is saying is dropped and counted.
    """

    def __init__(self, max_s: float = 120.0) -> None:
        self._max_s = max_s
        self._waiting: dict[str, _Turn[T]] = {}
        self._dropping: set[str] = set()
        self.holder: str | None = None
        self.dropped = 0
        """How many turns were cut because they had grown too long while they waited."""

    def take(self, speaker: str, item: T, kind: Kind, seconds: float = 0.0) -> list[Said[T]]:
        """A message of `speaker`, with so many seconds of sound."""
        unheard = speaker in self._dropping
        if unheard and kind is Kind.SPEECH:
            return []
        if unheard and kind is Kind.END:
            self._dropping.discard(speaker)
        if speaker in self._waiting:
            return self._behind(speaker, _Entry(item, kind, seconds))
        if self.holder not in (None, speaker):
            if kind in (Kind.SPEECH, Kind.END):
                return self._behind(speaker, _Entry(item, kind, seconds))
            return [Said(item, quiet=kind is Kind.INTERRUPTION)]
        passed = [Said(item, quiet=unheard and kind is Kind.INTERRUPTION)]
        held, self.holder = self.holder, speaker if kind is Kind.SPEECH else self.holder
        if kind in (Kind.END, Kind.INTERRUPTION):
            self.holder = None
        if kind is Kind.INTERRUPTION and held is not None:
            passed += self.hush()
        return [*passed, *self._next()]

    def hush(self) -> list[Said[T]]:
        """The user wants silence: neither the speech that waits is heard, nor the rest of what is being said."""
        if self.holder is not None:
            self._dropping.add(self.holder)
            self.holder = None
        waiting, self._waiting = self._waiting, {}
        return [said for speaker, turn in waiting.items() for said in self._without_speech(speaker, turn)]

    def leave(self, speaker: str) -> list[Said[T]]:
        """`speaker` has broken off or is gone, and what it still had to say with it."""
        self._waiting.pop(speaker, None)
        self._dropping.discard(speaker)
        if self.holder == speaker:
            self.holder = None
        return list(self._next())

    def _behind(self, speaker: str, entry: _Entry[T]) -> list[Said[T]]:
        turn = self._waiting.setdefault(speaker, _Turn())
        if entry.kind is Kind.INTERRUPTION:  # nobody has heard what it interrupts
            del self._waiting[speaker]
            return [*self._without_speech(speaker, turn), Said(entry.item, quiet=True)]
        if turn.seconds + entry.seconds > self._max_s:
            self.dropped += 1
            self._dropping.add(speaker)
            return []
        turn.seconds += entry.seconds
        turn.entries.append(entry)
        return []

    def _without_speech(self, speaker: str, turn: _Turn[T]) -> Iterator[Said[T]]:
        ended = True
        for entry in turn.entries:
            if entry.kind is Kind.SPEECH:
                ended = False
            else:
                ended = ended or entry.kind is Kind.END
                yield Said(entry.item, quiet=entry.kind is Kind.INTERRUPTION)
        if not ended:
            self._dropping.add(speaker)

    def _next(self) -> Iterator[Said[T]]:
        while self.holder is None and self._waiting:
            speaker = next(iter(self._waiting))
            turn = self._waiting.pop(speaker)
            while turn.entries:
                entry = turn.entries.pop(0)
                yield Said(entry.item)
                if entry.kind is Kind.SPEECH:
                    self.holder = speaker
                elif entry.kind is Kind.END:
                    self.holder = None
                    if turn.entries:
                        turn.seconds = sum(entry.seconds for entry in turn.entries)
                        self._waiting[speaker] = turn
                    break
