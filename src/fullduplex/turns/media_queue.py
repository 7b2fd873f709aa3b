"""What waits to be sent up, bounded, with a policy for each kind and counters of all that is dropped.

Text, tool answers and control signals are never dropped: past the limit the sender is told (`QueueFull`). Audio is
dropped by age: when more than `max_audio_s` waits, only the newest `keep_audio_s` is kept (the newest chunk whatever
its length), then and until all of it has left, because a model that hears stale speech answers a conversation that is
over. Of video, past `max_frames`
the latest frame is kept. Within the limits everything leaves in the order in which it came, one by one. No clock here:
time comes in as an argument.
"""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from fullduplex.errors import QueueFull

T = TypeVar("T")

DEFAULT_RATE = 16_000
BYTES_PER_SAMPLE = 2
MAX_DIGITS = 6
MIN_AUDIO_S = 0.001
ROUNDING_S = 1e-6


class Kind(Enum):
    """What an entry is, which decides its policy."""

    CONTROL = "control"
    ANSWER = "answer"  # of a tool: bounded by the calls, and nobody is there who could be told that there is no room
    AUDIO = "audio"
    VIDEO = "video"


@functools.lru_cache(maxsize=256)
def pcm_rate(mime_type: str | None) -> int:
    """Samples a second of a PCM mime type (`audio/pcm;rate=24000`); 16,000 when it does not say."""
    return _number(mime_type, "rate") or DEFAULT_RATE


@functools.lru_cache(maxsize=256)
def bytes_a_second(mime_type: str | None) -> int:
    """How many bytes of PCM16 play in a second; mono unless the mime type says `channels=2`."""
    return BYTES_PER_SAMPLE * pcm_rate(mime_type) * (_number(mime_type, "channels") or 1)


def _number(mime_type: str | None, wanted: str) -> int:
    for piece in (mime_type or "").split(";")[1:]:
        name, _, value = piece.partition("=")
        digits = value.strip()
        if name.strip() == wanted and digits.isdecimal() and len(digits) <= MAX_DIGITS:
            return int(digits)
    return 0


def audio_seconds(size: int, mime_type: str | None) -> float:
    """How long `size` bytes of PCM16 play, in seconds; mono unless the mime type says `channels=2`."""
    return size / bytes_a_second(mime_type)


_EMPTY: deque[Any] = deque(maxlen=0)
"""Stands in the place of a deque with nothing in it, which would take 0.7 kB: most queues are empty, and there are two
for each session."""


class Entry(NamedTuple, Generic[T]):
    """One thing that waits: since when, of which kind, and how many seconds of audio it holds."""

    item: T
    since: float
    kind: Kind
    seconds: float


@dataclass(frozen=True)
class Limits:
    """How much may wait: messages that are never dropped, seconds of audio, video frames."""

    max_messages: int = 10_000
    max_audio_s: float = 5.0
    keep_audio_s: float = 0.5
    max_frames: int = 25


@dataclass
class Counters:
    """What was dropped so far."""

    dropped_audio_chunks: int = 0
    dropped_audio_s: float = 0.0
    dropped_frames: int = 0


class MediaQueue(Generic[T]):
    """A first-in, first-out queue with a limit for each kind. Not thread-safe: its owner holds the lock."""

    __slots__ = ("_audio_s", "_chunks", "_entries", "_frames", "counters", "limits", "overloaded")

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self._entries: deque[Entry[T]] = _EMPTY
        self._audio_s = 0.0
        self._chunks = 0
        self._frames = 0
        self.overloaded = False
        """Whether audio was dropped since last none waited."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def audio_s(self) -> float:
        """Seconds of audio that wait."""
        return self._audio_s

    def age(self, now: float) -> float:
        """Seconds for which the oldest entry has waited; 0 when nothing waits."""
        return now - self._entries[0].since if self._entries else 0.0

    def items(self) -> list[T]:
        """What waits, oldest first."""
        return [entry.item for entry in self._entries]

    def push(self, item: T, now: float, kind: Kind = Kind.CONTROL, seconds: float = 0.0) -> None:
        """Adds `item`; raises `QueueFull` when it may not be dropped and too many such wait already."""
        if kind is Kind.AUDIO:
            seconds = max(seconds, MIN_AUDIO_S)  # so that empty chunks have a limit too
            self._audio_s += seconds
            self._chunks += 1
            self._append(Entry(item, now, kind, seconds))
            limit = self.limits.keep_audio_s if self.overloaded else self.limits.max_audio_s
            if self._audio_s > limit + ROUNDING_S and self._chunks > 1:
                self._shed_audio()
        elif kind is Kind.VIDEO:
            self._frames += 1
            self._append(Entry(item, now, kind, 0.0))
            if self._frames > self.limits.max_frames:
                self._shed_frames()
        else:
            waiting = len(self._entries) - self._chunks - self._frames
            if kind is Kind.CONTROL and waiting >= self.limits.max_messages:
                raise QueueFull(f"{waiting:,} messages wait to be sent to the model")
            self._append(Entry(item, now, kind, 0.0))

    def drop_audio(self) -> None:
        """Drops all audio that waits."""
        kept: deque[Entry[T]] = deque()
        for entry in self._entries:
            if entry.kind is Kind.AUDIO:
                self._drop(entry)
            else:
                kept.append(entry)
        self._entries = kept or _EMPTY

    def _append(self, entry: Entry[T]) -> None:
        if self._entries is _EMPTY:
            self._entries = deque()
        self._entries.append(entry)

    def pop(self) -> T:
        """The oldest entry; `IndexError` when nothing waits."""
        entry = self._entries.popleft()
        if not self._entries:
            self._entries = _EMPTY
        if entry.kind is Kind.AUDIO:
            self._take_off(entry)
        elif entry.kind is Kind.VIDEO:
            self._frames -= 1
        return entry.item

    def _take_off(self, entry: Entry[T]) -> None:
        self._chunks -= 1
        # Sums of floats drift; where nothing waits the sum is known.
        self._audio_s = self._audio_s - entry.seconds if self._chunks else 0.0
        self.overloaded = self.overloaded and self._chunks > 0

    def _shed_audio(self) -> None:
        self.overloaded = True
        kept: deque[Entry[T]] = deque()
        room = self.limits.keep_audio_s + ROUNDING_S
        newest = True
        for entry in reversed(self._entries):
            if entry.kind is not Kind.AUDIO:
                kept.appendleft(entry)
            elif entry.seconds <= room or newest:
                room -= entry.seconds
                kept.appendleft(entry)
                newest = False
            else:
                room = 0.0
                self._drop(entry)
        self._entries = kept

    def _drop(self, entry: Entry[T]) -> None:
        self._take_off(entry)
        self.counters.dropped_audio_chunks += 1
        self.counters.dropped_audio_s += entry.seconds

    def _shed_frames(self) -> None:
        latest = next(entry for entry in reversed(self._entries) if entry.kind is Kind.VIDEO)
        self.counters.dropped_frames += self._frames - 1
        self._frames = 1
        self._entries = deque(entry for entry in self._entries if entry.kind is not Kind.VIDEO or entry is latest)
