"""Where the words of an answer lie in its audio, as far as its transcript tells.

A piece of the transcript is anchored to the audio with which it came. Between two anchors the words are spread by their
characters, so a word ends where the next one begins; a backend's own word times, where it gives usable ones, go before.
The text after the last anchor ends with the audio when the answer is whole; before that it is taken to be spoken at 15
characters a second, or slower when more audio than that has come. Times are seconds from the start of the answer's
audio. Which audio was played is not known here: that is `playout`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fullduplex.types.live import Transcription

CHARACTERS_PER_S = 15.0
SLOWEST, FASTEST = 8.0, 30.0
PACE_AFTER_S = 1.0
AHEAD_S = 1.0
ROUNDING_S = 1e-6

# Scripts that put no space between words are cut after any character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"(?:[{_UNSPACED}][^\s\w]*|[^\s{_UNSPACED}]+)\s*")


class Knot(NamedTuple):
    """The character at `offset` begins, or what stands before it ends, at `time`."""

    offset: int
    time: float


class _Piece(NamedTuple):
    text: str
    at: float
    knots: list[Knot]


class Speech:
    """The transcript of one answer, piece by piece; it grows with the answer and no more."""

    def __init__(self) -> None:
        self._segments: list[list[_Piece]] = []
        self._finished = True

    def __bool__(self) -> bool:
        """Whether there are any words."""
        return bool(self._segments)

    @property
    def text(self) -> str:
        """All the words so far; segments stand apart by a space."""
        return "".join(piece.text for piece in self._pieces())

    def add(self, transcription: Transcription, at: float, sent: float) -> None:
        """New words, which are spoken from `at` on; `sent` is how much audio there was when they came."""
        if not transcription.text:
            return
        if self._finished:
            self._segments.append([])
            self._finished = False
        self._segments[-1].append(_piece(transcription, at, sent))

    def finish(self, transcription: Transcription, at: float, sent: float) -> None:
        """The whole of the segment that the last pieces began: its words are right where the pieces' differ."""
        if self._finished:
            self.add(transcription, at, sent)
        elif text := transcription.text:
            pieces = self._segments[-1]
            timed = _piece(transcription, pieces[0].at, sent)
            if len(timed.knots) > 1:
                self._segments[-1] = [timed]
            elif "".join(piece.text for piece in pieces) != text:
                self._segments[-1] = list(_retold(pieces, text))
        self._finished = True

    def until(self, position: float, sent: float, whole: bool) -> int:
        """How many characters of `text` were spoken by `position`, of `sent` seconds of audio (`whole`: of all).

        A word counts when more than half of it was; the space behind it counts with it.
        """
        text, knots = self.text, self._knots(sent, whole)
        position += ROUNDING_S
        if not knots or position <= 2 * ROUNDING_S:
            return 0
        if whole and position >= sent:
            return len(text)
        count = 0
        for word in _WORD.finditer(text):
            begins, ends = _begins(knots, word.start()), _ends(knots, word.end())
            if position <= (begins + ends) / 2 and position < ends:
                break
            count = word.end()
        return count

    def _pieces(self) -> Iterator[_Piece]:
        last = " "
        for segment in self._segments:
            for piece in segment:
                if piece is segment[0] and not last.isspace() and not piece.text[0].isspace():
                    yield _Piece(" ", piece.at, [])
                yield piece
                last = piece.text[-1]

    def _knots(self, sent: float, whole: bool) -> list[Knot]:
        """The knots of the whole text, in time; pieces with one anchor share its knot."""
        knots: list[Knot] = []
        offset = 0
        for piece in self._pieces():
            for knot in piece.knots:
                if not knots or knot.time > knots[-1].time + ROUNDING_S:
                    knots.append(Knot(offset + knot.offset, knot.time))
            offset += len(piece.text)
        if knots and knots[-1].offset < offset:
            last = knots[-1]
            speaking = 0.0 if whole else (offset - last.offset) / _pace(knots)
            knots.append(Knot(offset, max(sent, last.time + speaking)))
        return knots


def covers(transcription: Transcription, sent: float) -> float:
    """Up to which second the backend's own word times tell all that is said in `sent` seconds of audio; 0 without any.

    The last word of an unfinished transcript may go on in the next piece.
    """
    words = transcription.words if sent else None  # without audio these may be late words of the last answer
    knots = _timed(transcription.text or "", words, sent) if words else []
    return knots[-1 if transcription.finished else -2].time if knots else 0.0


def _pace(knots: list[Knot]) -> float:
    """Characters a second: as they were spoken so far, or the usual, if there were too few to tell."""
    spoken = knots[-1].time - knots[0].time
    told = (knots[-1].offset - knots[0].offset) / spoken if spoken >= PACE_AFTER_S else CHARACTERS_PER_S
    return min(max(told, SLOWEST), FASTEST)


def _begins(knots: list[Knot], offset: int) -> float:
    return _between(knots, bisect_right(knots, (offset, math.inf)) - 1, offset)


def _ends(knots: list[Knot], offset: int) -> float:
    return _between(knots, bisect_left(knots, (offset, -math.inf)) - 1, offset)


def _between(knots: list[Knot], index: int, offset: int) -> float:
    """The time of `offset`, which lies between the knots `index` and `index` + 1."""
    if not 0 <= index < len(knots) - 1:
        return knots[max(0, min(index, len(knots) - 1))].time
    before, after = knots[index], knots[index + 1]
    share = (offset - before.offset) / max(1, after.offset - before.offset)
    return before.time + share * (after.time - before.time)


def _piece(transcription: Transcription, at: float, sent: float) -> _Piece:
    text = transcription.text or ""
    timed = _timed(text, transcription.words, sent) if transcription.words else []
    return _Piece(text, at, timed or _anchored(text, at))


def _anchored(text: str, at: float) -> list[Knot]:
    # Some backends put the space before a word and some behind it: the anchor is that of the word.
    words = text.lstrip()
    return [Knot(len(text) - len(words), at)] if words else []


def _retold(pieces: list[_Piece], text: str) -> Iterator[_Piece]:
    """`text` in pieces with the anchors of `pieces`, in proportion."""
    scale = len(text) / max(1, sum(len(piece.text) for piece in pieces))
    start, length = 0, 0
    for index, piece in enumerate(pieces):
        length += len(piece.text)
        end = len(text) if index == len(pieces) - 1 else round(length * scale)
        if end > start:
            yield _Piece(text[start:end], piece.at, _anchored(text[start:end], piece.at))
        start = end


def _timed(text: str, words: list[dict[str, Any]], sent: float) -> list[Knot]:
    """The knots that a backend's word times make in `text`; none when they are unusable.

    They are usable when they are the words of the text (cumulative ones: end with them), run forwards, and do not begin
    long after the audio that was `sent` (as times that count from the start of a whole call would).
    """
    letters = [index for index, character in enumerate(text) if character.isalnum()]
    spoken = [time for word in words if (time := _word_time(word)) is not None]
    if len(spoken) < len(words):
        return []
    surplus = sum(len(name) for name, _, _ in spoken) - len(letters)
    while surplus > 0:
        surplus -= len(spoken.pop(0)[0])
    if "".join(name for name, _, _ in spoken).casefold() != "".join(text[index] for index in letters).casefold():
        return []
    starts = [start for _, start, _ in spoken]
    if not starts or starts != sorted(starts) or starts[0] < 0 or starts[0] > sent + AHEAD_S:
        return []
    knots, position = [], 0
    for index, (name, start, end) in enumerate(spoken):
        knots.append(Knot(letters[position] if position else 0, start))
        position += len(name)
        following = starts[index + 1] if index + 1 < len(starts) else end
        knots.append(Knot(letters[position] if position < len(letters) else len(text), max(start, min(end, following))))
    return knots


def _word_time(word: Mapping[str, Any]) -> tuple[str, float, float] | None:
    """The letters of a backend's word, its start and its end; without an end, the start is both."""
    name = word.get("word") or word.get("text")
    start = _seconds(word, "startOffset", "start_offset", "start")
    end = _seconds(word, "endOffset", "end_offset", "end")
    letters = "".join(filter(str.isalnum, name)) if isinstance(name, str) else ""
    if not letters or start is None:
        return None
    return letters, start, start if end is None else end


def _seconds(word: Mapping[str, Any], *names: str) -> float | None:
    value = next((word[name] for name in names if word.get(name) is not None), None)
    try:
        seconds = float(value.removesuffix("s") if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
