"""What was sent up, piece by piece, and where the user's turns begin and end in it, as far as its sound tells.

Which of it the model has is the business of `backlog`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

from fullduplex.turns.loudness import is_loud
from fullduplex.types.content import Blob

T = TypeVar("T")

BYTES_A_SECOND = 32_000  # what models hear: PCM16 mono at 16 kHz
PRE_ROLL_BYTES = 3_200  # how a first syllable begins is quiet
PAUSE_S = 0.25
TURN_PAUSE_S = 0.5  # after which models may take the user's turn for ended
LONG_PAUSE_S = 1.0  # after which every model does
STOOD_STILL_S = 0.85  # where nothing comes for so long: as LONG_PAUSE_S, less a chunk, at whose ends others look
LOOK_BACK_S = 2.0


class Kind(Enum):
    """What an entry is, which decides how the next connection learns of it."""

    MEDIA = "media"
    SIGNAL = "signal"
    START = "start"  # of the user's activity: without it the speech after it is not listened to
    CONTEXT = "context"  # content that asked for no answer: the session does not keep it
    TURN = "turn"  # a typed turn: in the session
    ANSWER = "answer"  # of a tool: in the session


class Entry(msgspec.Struct, Generic[T], gc=False):
    """One thing that was sent: on which connection, as its which message (None: not counted), when (seconds), and how
    long it had waited for that. There are many, and no cycles in them: the collector need not look at them.
    """

    kind: Kind
    item: Blob | T
    line: int
    index: int | None
    at: float
    waited: float = 0.0
    audio: bytes = b""
    """Its PCM, without which `item` stands here then: plain bytes, which the collector does not look at. Else empty."""
    judged: bool | None = None

    @property
    def loud(self) -> bool:
        """Whether it may be speech."""
        if self.judged is None:
            self.judged = is_loud(self.audio)
        return self.judged

    @property
    def whole(self) -> Blob | T:
        """What was sent."""
        if self.audio and isinstance(self.item, Blob):
            return Blob(data=self.audio, mime_type=self.item.mime_type)
        return self.item


def before_open_speech(entries: Sequence[Entry[Any]], pause_s: float, look_back_s: float) -> int:
    """How many of `entries` stand before the speech that still goes on at their end.

    Pauses within it are shorter than `pause_s`: in audio, which is all that a model hears, or where none came for very
    long. An answer is never begun long after the speech that it answers: what goes on for longer than `look_back_s` and
    did not leave at once, was heard, too.
    """
    boundary = len(entries)
    seen = quiet = 0.0
    began: float | None = None  # when the speech after `entry` did
    last: float | None = None  # when the latest audio left
    for number in range(len(entries) - 1, -1, -1):
        entry = entries[number]
        if entry.kind is Kind.START:
            return number
        if last is None and entry.audio:
            last = entry.at
        seconds = len(entry.audio) / BYTES_A_SECOND
        seen += seconds
        quiet = 0.0 if entry.loud else quiet + seconds
        came = entry.at - entry.waited
        paused = quiet > pause_s or (entry.loud and began is not None and began - came > LONG_PAUSE_S)
        if entry.kind is Kind.SIGNAL or paused:
            return boundary
        if entry.loud:
            boundary, began = number, came - seconds
        if last is not None and min(seen, last - entry.at) > look_back_s:
            return len(entries)
    return boundary


def before_second_turn(
    entries: Sequence[Entry[Any]], count: int, *, asks: bool, begun: bool, still_s: float = math.inf
) -> int:
    """How many of the first `count` entries stand before the second of the user's turns that are among them: of the
    spoken ones, or (`asks`) of all that ask for an answer. `begun`: the first of them stood before all entries.

    What parts spoken turns is what the model hears of it: silence and signals. When they came says nothing, unless
    nothing came for `still_s`.
    """
    quiet = TURN_PAUSE_S if begun else 0.0
    last: float | None = None
    for number, entry in enumerate(islice(entries, count)):
        typed = asks and entry.kind in (Kind.TURN, Kind.ANSWER)
        if begun and (typed or entry.kind is Kind.START):
            return number
        if typed:
            begun = True
        if typed or entry.kind is Kind.SIGNAL:
            quiet = TURN_PAUSE_S
        seconds = len(entry.audio) / BYTES_A_SECOND
        if entry.audio:
            came = entry.at - entry.waited
            if last is not None and came - seconds - last > still_s:
                quiet = TURN_PAUSE_S
            last = came
        if not entry.loud:
            quiet += seconds
            continue
        if begun and quiet >= TURN_PAUSE_S:
            return _with_pre_roll(entries, number)
        begun, quiet = True, 0.0
    return count


def _with_pre_roll(entries: Sequence[Entry[Any]], number: int) -> int:
    """Where the silence stands with which the speech at `number` begins."""
    wanted = PRE_ROLL_BYTES
    while wanted > 0 and number > 0 and (before := entries[number - 1]).audio and not before.loud:
        wanted -= len(before.audio)
        number -= 1
    return number
