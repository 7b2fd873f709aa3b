"""What was sent up and is not known to be in the model's memory: what the next connection must be told again.

The backend's own count of what it has consumed is followed where it gives one. Else the turns tell: what the model has
answered it has heard, except for speech that was still going on when the answer began, and for what had left without
having reached the model (a network that stands still lets go of all at once): that interrupts the answer at once. Until
time has shown that nothing does, only the first of the user's turns is known to be heard. What the model has put into
words is of one turn of the user's at least, in their order; never of what was said into the answer in which the words
came, nor of what was said later. Typed turns and tool answers are in the session and are told from there; they stand
here only to say that something is still open. Silence is not kept.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable
from itertools import islice, takewhile
from typing import Generic, TypeVar

from fullduplex.turns.utterances import (
    BYTES_A_SECOND,
    LONG_PAUSE_S,
    LOOK_BACK_S,
    PAUSE_S,
    PRE_ROLL_BYTES,
    STOOD_STILL_S,
    Entry,
    Kind,
    before_open_speech,
    before_second_turn,
)
from fullduplex.types.binary import UNTRACKED
from fullduplex.types.content import Blob

T = TypeVar("T")

TRIM_EVERY_BYTES = 3_200
CROSSING_S = 1.0  # within which an answer is interrupted by what crossed its beginning on the way
_FRAMES = 4
_CONTEXTS = 64


@functools.lru_cache(maxsize=64)
def _form(mime_type: str) -> Blob:
    """Stands for all audio of this type."""
    return Blob(mime_type=mime_type)


class Backlog(Generic[T]):
    """The unacknowledged input of one run, in the order of sending. `T` is a request; media stand here as blobs."""

    __slots__ = (
        "_began_at",
        "_bytes",
        "_context",
        "_entries",
        "_frames",
        "_gone_until",
        "_heard_out",
        "_marked",
        "_max_bytes",
        "_spoke_at",
        "_sure",
        "_to_come",
        "_trim_at",
        "_unanswered",
        "_uncovered",
        "_worded",
        "lost_bytes",
    )

    def __init__(self, max_bytes: int = 30 * BYTES_A_SECOND) -> None:
        self._max_bytes = max_bytes
        self._entries: deque[Entry[T]] = deque()
        self._context: list[T] = []
        self._uncovered: list[Entry[T]] = []  # the end of it that no handle covers
        self._bytes = 0  # of audio
        self._frames = 0
        self._trim_at = TRIM_EVERY_BYTES
        self._marked = 0  # so many stood here when the model's turn began
        self._sure = 0  # and so many of those it certainly had
        self._heard_out = 0  # and so many stood before a pause of the user's then
        self._began_at: float | None = None  # when that was
        self._worded = 0  # so many stood here when the latest words came, which may be of more than one turn
        self._to_come = 0  # words of so many turns may still come of what is not here any more
        self._unanswered = False
        self._gone_until: tuple[int, int | None] = (0, None)  # line and message of the latest speech that is not here
        self._spoke_at: tuple[float, float] | None = None
        self.lost_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def media(self, blob: Blob, line: int, index: int | None, now: float, waited: float = 0.0) -> None:
        """A piece of live input has left. The busiest path upward."""
        data, mime_type = blob.data, blob.mime_type
        if data and mime_type and mime_type.startswith("audio/"):
            kept = data if type(data) is UNTRACKED else bytes(data)
            self._entries.append(Entry(Kind.MEDIA, _form(mime_type), line, index, now, waited, kept))
            self._bytes += len(data)
            if self._bytes > self._trim_at:
                self._trim()
            return
        self._entries.append(Entry(Kind.MEDIA, blob, line, index, now, waited))
        self._frames += 1
        if self._frames > _FRAMES:
            self._drop(self._first_media(frames=True))

    def sent(self, kind: Kind, request: T, line: int, index: int | None, now: float) -> None:
        """A request other than media has left."""
        self._entries.append(Entry(kind, request, line, index, now))

    # -- what the model has ------------------------------------------------------------------------------------------

    def consumed(self, line: int, index: int) -> None:
        """The backend says that it has everything up to this message of that connection."""
        while self._entries and self._is_before(self._entries[0], line, index):
            self._drop(0)

    def heard(self) -> None:
        """The model shows that it has heard the user out: what was sent is its, but for speech that still goes on."""
        self._marked = max(self._marked, self._boundary())

    def transcribed(self, now: float) -> None:
        """The model's ears have put speech into words, and the session has them: nobody needs the sound any more.

        Of what was typed this says nothing. Words to which no answer has begun are owed one. Words come in order: while
        those are missing that the present answer is to, these are they. Else they are of one turn of the user's at
        least, and no more is known: when several were stuck on the way together, the others' are still to come.
        """
        self.went_on(now)
        late = self._is_loud(0, self._marked)
        if self._is_loud(0, self._sure):
            told = self._sure
            self._to_come = self._turns(told) - 1
        elif late:
            told = self._first_turn(self._marked)
        elif self._began_at is not None and self._is_loud(0, self._heard_out):
            told = self._first_turn(self._heard_out)  # what came into the answer is told of after it
        elif self._to_come:
            told = 0
            self._to_come -= 1
        else:
            # In an answer they are of what stood still before that began, though it seemed to go on.
            still_s = math.inf if self._began_at is None else STOOD_STILL_S
            told = self._first_turn(self._ended, still_s=still_s)
        self._unanswered |= self._is_loud(self._marked, told)
        self._in_words(told)
        self._worded = self._ended if self._began_at is None else self._heard_out

    def turn_began(self, now: float) -> None:
        """The model answers, or speaks of its own accord; or it goes on, after a tool."""
        self.went_on(now)
        # What was typed and what a tool answered is answered at once: then the user's speech may still go on.
        at_once = any(entry.kind in (Kind.TURN, Kind.ANSWER) for entry in self._entries)
        boundary = self._boundary(LONG_PAUSE_S, math.inf) if at_once else self._boundary()
        if self._began_at is None:
            self._sure = self._first_turn(boundary, asks=True)
            if not self._unanswered:
                self._worded = 0
        self._heard_out = self._boundary()
        self._began_at = now
        self._unanswered = False
        self._marked = max(self._marked, boundary)

    def went_on(self, now: float) -> None:
        """The model's turn, if there is one, goes on until now: after a while, nothing crossed its beginning. Then
        words that came, and that it answers, are of all that they can be of.
        """
        if self._began_at is None or now - self._began_at < CROSSING_S:
            return
        self._sure = self._marked
        if self._is_loud(0, worded := min(self._marked, self._worded)):
            self._to_come = self._turns(worded)
            self._in_words(worded)

    def interrupted(self, now: float) -> None:
        """The model's turn was interrupted, perhaps by what had crossed its beginning on the way: that is still open.

        Unless speech did, the last typed turn may have.
        """
        self.went_on(now)
        last = max((n for n, entry in enumerate(self._entries) if entry.kind is Kind.TURN), default=None)
        if last is not None and not self._is_loud(last, len(self._entries)):
            self._marked = min(self._marked, last)
        if self._began_at is not None and now - self._began_at < CROSSING_S:
            self._marked = min(self._marked, self._sure)
        self._sure = self._marked
        self._began_at = None
        self._to_come = 0

    def turn_over(self) -> None:
        """The model's turn is complete, and what it answered is settled."""
        self.settled()
        self._began_at = None
        self._to_come = 0
        # What a tool answered in the middle of this turn was used in it.
        for number in range(len(self._entries) - 1, -1, -1):
            if self._entries[number].kind is Kind.ANSWER:
                self._drop(number)

    def settled(self) -> None:
        """What was heard is in the session as well, or answered: nobody needs it any more."""
        self._spoke_at = self.last_speech()
        for _ in range(min(self._marked, len(self._entries))):
            self._drop(0)
        self._marked = self._sure = 0

    def covered(self, line: int = 0, index: int | None = None) -> None:
        """A handle was taken up: a connection that goes on from it knows all context up to this message of that
        connection, or, where the backend does not count, all, also where the user is about to speak."""
        number = 0
        while index is None and number < len(self._entries):
            if self._entries[number].kind is Kind.CONTEXT:
                self._drop(number)
            else:
                number += 1
        self._uncovered = [
            entry for entry in self._uncovered if index is not None and not self._is_before(entry, line, index)
        ]

    # -- what is open ------------------------------------------------------------------------------------------------

    @property
    def speech(self) -> bool:
        """Whether speech is here that the model is not known to have."""
        return any(entry.loud for entry in self._entries)

    @property
    def loud_bytes(self) -> int:
        """How much of such speech there is, without its pauses."""
        return sum(len(entry.audio) for entry in self._entries if entry.loud)

    def speech_until(self, line: int, index: int) -> bool:
        """Whether such speech was sent up to this message of that connection."""
        return any(entry.loud and self._is_before(entry, line, index) for entry in self._entries)

    def speech_gone_since(self, line: int, index: int) -> bool:
        """Whether speech that is not here any more was sent after this message of that connection."""
        gone_on, until = self._gone_until
        return gone_on == line and until is not None and until > index

    @property
    def asked(self) -> bool:
        """Whether words of the user's, typed or put into words by the model, wait for an answer that has not begun."""
        fresh = islice(self._entries, self._marked, None)
        return self._unanswered or any(entry.kind is Kind.TURN for entry in fresh)

    @property
    def owed(self) -> bool:
        """Whether words of the user's or a tool's answer wait for the model's next turn."""
        return self._unanswered or any(entry.kind in (Kind.TURN, Kind.ANSWER) for entry in self._entries)

    def last_speech(self) -> tuple[float, float] | None:
        """When the latest speech came and when it left (seconds); None when there is none."""
        times = ((entry.at - entry.waited, entry.at) for entry in reversed(self._entries) if entry.loud)
        return next(times, self._spoke_at)

    @property
    def unheard(self) -> list[T]:
        """Context that the model is not known to have."""
        entries = (entry for entry in self._entries if entry.kind is Kind.CONTEXT)
        return [entry.item for entry in entries if not isinstance(entry.item, Blob)]

    def take_back(self, *, afresh: bool, held: Callable[[T], bool] = lambda _: False) -> list[Blob | T]:
        """What the next connection must be sent again, in order; nothing of it stays here.

        Typed turns are among it when speech that must be sent again was before them; they and answers, when they are
        `held` and not in the session yet. `afresh`: the model remembers nothing but the session, so that context that
        it once consumed is sent anew.
        """
        entries, self._entries = self._entries, deque()
        again: list[Blob | T] = list(self._context) if afresh else [entry.item for entry in self._uncovered]
        for _ in again:
            self._context.pop()
        self._uncovered.clear()
        spoke = False
        speaks = any(entry.loud for entry in entries)
        for entry in entries:
            spoke = spoke or entry.loud
            if entry.kind is Kind.MEDIA:
                wanted = speaks or not entry.audio
            elif entry.kind in (Kind.TURN, Kind.ANSWER):
                again_spoken = spoke and entry.kind is Kind.TURN
                wanted = again_spoken or (not isinstance(entry.item, Blob) and held(entry.item))
            else:
                wanted = True
            if wanted:
                again.append(entry.whole)
        self._bytes, self._frames, self._trim_at, self._marked, self._sure = 0, 0, TRIM_EVERY_BYTES, 0, 0
        self._heard_out = self._worded = self._to_come = 0
        self._began_at = None
        self._unanswered = False
        return again

    # -- keeping it small --------------------------------------------------------------------------------------------

    def _trim(self) -> None:
        before_speech = sum(len(entry.audio) for entry in takewhile(lambda entry: not entry.loud, self._entries))
        speaks = before_speech < self._bytes
        superfluous = before_speech - PRE_ROLL_BYTES
        while superfluous > 0:
            first = self._first_media()
            superfluous -= len(self._entries[first].audio)
            self._drop(first)
        while self._bytes > self._max_bytes:
            first = self._first_media()
            self.lost_bytes += len(self._entries[first].audio)
            self._drop(first)
        # What follows speech is kept, so that there is nothing to look for until speech is dropped.
        soon = self._bytes + TRIM_EVERY_BYTES
        self._trim_at = max(soon, self._max_bytes) if speaks else soon

    def _first_media(self, *, frames: bool = False) -> int:
        """Where the oldest audio stands, or the oldest frame."""
        if not frames and self._entries[0].audio:
            return 0
        return next(
            n for n, one in enumerate(self._entries) if one.kind is Kind.MEDIA and frames is not bool(one.audio)
        )

    def _drop(self, number: int) -> None:
        entry = self._entries[number]
        del self._entries[number]
        if number < self._marked:
            self._marked -= 1
        if number < self._sure:
            self._sure -= 1
        if number < self._heard_out:
            self._heard_out -= 1
        if number < self._worded:
            self._worded -= 1
        if entry.kind is Kind.CONTEXT and not isinstance(entry.item, Blob):
            self._context = [*self._context, entry.item][-_CONTEXTS:]
            self._uncovered = [*self._uncovered, entry][-_CONTEXTS:]
        elif entry.kind is Kind.MEDIA:
            if entry.loud:
                self._gone_until = entry.line, entry.index
            self._bytes -= len(entry.audio)
            self._frames -= not entry.audio
            self._trim_at = min(self._trim_at, self._bytes + TRIM_EVERY_BYTES)

    def _in_words(self, count: int) -> None:
        """The session has the words of the first `count` entries; of what was typed among them it needs nothing."""
        self._spoke_at = self.last_speech()
        kept = 0
        for _ in range(count):
            if self._entries[kept].kind in (Kind.TURN, Kind.ANSWER):
                kept += 1
            else:
                self._drop(kept)

    def _is_loud(self, start: int, stop: int) -> bool:
        return any(entry.loud for entry in islice(self._entries, start, stop))

    def _boundary(self, pause_s: float = PAUSE_S, look_back_s: float = LOOK_BACK_S) -> int:
        return before_open_speech(self._entries, pause_s, look_back_s)

    @property
    def _ended(self) -> int:
        """How many stand before what the user still says, however long that is: words that are whole are not of it."""
        return self._boundary(look_back_s=math.inf)

    def _first_turn(self, count: int, *, asks: bool = False, still_s: float = math.inf) -> int:
        begun = asks and self._unanswered
        return before_second_turn(self._entries, count, asks=asks, begun=begun, still_s=still_s)

    def _turns(self, count: int) -> int:
        """How many turns the user's speech among the first `count` entries may be."""
        entries, turns = list(islice(self._entries, count)), 0
        while any(entry.loud for entry in entries):
            del entries[: before_second_turn(entries, len(entries), asks=False, begun=False)]
            turns += 1
        return turns

    @staticmethod
    def _is_before(entry: Entry[T], line: int, index: int) -> bool:
        if entry.line != line:
            return entry.line < line
        return entry.index is not None and entry.index <= index
