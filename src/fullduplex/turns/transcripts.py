"""Assembles the pieces of one side's transcript into deltas and a whole, whatever style the backend sends them in.

Backends differ: pieces that follow each other (deltas), the whole so far each time (cumulative), a last message that
repeats everything or only ends it, or no end at all. A `Transcript` takes them all and doubles no word. One case cannot
be told apart by looking at it: a second piece that happens to begin with the whole first one ("no", "not"). It is
taken for cumulative until a later piece shows that it was not.
"""

from __future__ import annotations

from typing import NamedTuple

from fullduplex.types.live import Transcription


class Piece(NamedTuple):
    """What to tell the user: new words (`finished` false), or all the words (`finished` true)."""

    transcription: Transcription
    finished: bool


class Transcript:
    """What one side has said since its last finished transcript."""

    def __init__(self) -> None:
        self._shown = 0
        self._clear()

    def _clear(self) -> None:
        self._text = ""
        self._joined = ""
        self._growths = 0

    @property
    def pending(self) -> str:
        """The words so far that no finished transcript has covered yet."""
        return self._text

    def feed(self, piece: Transcription) -> list[Piece]:
        """Takes a piece; returns the new words, if any, and the whole if the piece ends it."""
        pieces = []
        if piece.text:
            delta = self._unseen(self._add(piece.text, bool(piece.finished)))
            if delta:
                pieces.append(Piece(piece.model_copy(update={"text": delta, "finished": False}), False))
        if piece.finished:
            pieces.extend(self.flush(piece))
        return pieces

    def flush(self, like: Transcription | None = None) -> list[Piece]:
        """The whole as a finished transcript, if anything is pending; `like` lends its language and speaker."""
        text = self._text
        self._clear()
        self._shown = 0
        if not text:
            return []
        like = like or Transcription()
        return [Piece(like.model_copy(update={"text": text, "finished": True}), True)]

    def begin_again(self) -> None:
        """The same words will come anew, from the first one: they are told once they go beyond what was told."""
        self._shown = max(self._shown, len(self._text))
        self._clear()

    def _unseen(self, delta: str) -> str:
        """The part of `delta`, which ends the words so far, that was not told before they began anew."""
        seen = max(0, min(len(delta), self._shown - (len(self._text) - len(delta))))
        return delta[seen:]

    def _add(self, text: str, finished: bool) -> str:
        """Takes `text` in, and returns the part of it that is new."""
        before = self._text
        self._joined += text
        if before and text.startswith(before) and (len(text) > len(before) or finished or self._growths):
            self._growths += len(text) > len(before)
            self._text = text
            return text[len(before) :]
        if self._growths > 1 or (self._growths and _alike(before, text)) or (finished and _retold(before, text)):
            # The backend changed its mind about earlier words: deltas cannot take words back, the whole will be right.
            self._text = text
            return ""
        # After one growth that was a coincidence, what was taken for the whole is put together from its pieces again.
        self._text = self._joined if self._growths else before + text
        self._growths = 0
        return text


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _alike(before: str, text: str) -> bool:
    """Whether `text` is `before` told anew: they share at least half of the shorter one from the start."""
    one, two = _letters(before), _letters(text)
    shorter = min(len(one), len(two))
    shared = next((index for index in range(shorter) if one[index] != two[index]), shorter)
    return shorter > 0 and 2 * shared >= shorter


def _retold(before: str, text: str) -> bool:
    """Whether a last message repeats several words of `before` with other capitals or punctuation."""
    return len(before.split()) > 1 and _letters(text).startswith(_letters(before))
