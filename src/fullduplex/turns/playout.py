"""The heard cursor: how much of an answer has left the user's speaker, in time and in words.

Where the player reports, its word counts: the last report, plus the time since then (at most 250 ms) if the player was
going on; what it reports when it is cleared is exact. Where no player has reported, the audio is taken to play from its
arrival in real time, and the position is marked as an estimate. Which events are kept for it is decided in `journal`.
"""

from __future__ import annotations

import math

from fullduplex.turns.response import Response
from fullduplex.turns.speech import Speech
from fullduplex.types.live import Transcription
from fullduplex.types.playout import Heard, PlayoutReport

PATIENCE_S = 1.0
PLAYED_OUT_S = 0.05  # with so much left, an answer was heard to its end


class PlayoutCursor:
    """Fed with what the app is shown, in order; `now` is seconds on one clock that does not go back."""

    __slots__ = ("_awaited", "_deadline", "_early", "_last", "_open", "_player", "_subject")

    def __init__(self) -> None:
        self._open: Response | None = None
        self._last: Response | None = None
        self._awaited: Response | None = None
        self._subject: Response | None = None
        self._early = Speech()
        self._deadline: float | None = None
        self._player = False

    @property
    def speaking(self) -> bool:
        """Whether a response has begun and not ended: an interruption would break it off."""
        return self._open is not None

    def still_plays(self, now: float) -> str | None:
        """The response that has ended, none begun since, of which the rest was not heard and not broken off; its id."""
        last = self._last
        if self._open is not None or last is None or not last.ended or last.stopped_at != math.inf:
            return None
        return last.id if last.sent - last.position(now) > PLAYED_OUT_S else None

    @property
    def awaits_player(self) -> bool:
        """Whether an interruption waits for the player to say where it was cleared."""
        return self._awaited is not None

    @property
    def deadline(self) -> float | None:
        """Until when it waits; any call with a later time, `heard` for one, ends the waiting with what is known."""
        return self._deadline

    def audio(self, event_id: str, seconds: float, now: float) -> None:
        """A chunk of the agent's audio leaves; the first one since a boundary gives its id to a new response."""
        response = self._open
        if response is None:
            response = self._begin(event_id, now)
        response.chunk_at = response.sent
        response.sent += seconds
        response.plays_until = (now if now > response.plays_until else response.plays_until) + seconds

    def said(self, transcription: Transcription, finished: bool) -> None:
        """New words of the agent's transcript, or the whole of a segment (`finished`).

        Words begin in the chunk that was sent just before them; with a backend that sends words before their audio (it
        shows by the first ones of the answer), in the chunk that follows. Words that come when the audio has ended
        belong to it if its turn is not over, or if it had no words: to all of its audio if it had none, else to none.
        """
        response, words, at, sent = self._open, self._early, 0.0, 0.0
        if response is not None:
            words, sent = response.words, response.sent
            at = sent if response.words_first else response.chunk_at
        elif (last := self._last) is not None and (not last.ended or last.late_at == 0.0):
            words, at, sent = last.words, last.late_at or 0.0, last.sent
        (words.finish if finished else words.add)(transcription, at, sent)

    def turn_complete(self, now: float) -> None:
        """The turn is over, and with it the response, whose audio may play on."""
        self._expire(now)
        if (response := self._open) is not None:
            response.whole = True
            self._close(response)
        elif (last := self._last) is not None and last.ended:  # a turn without audio
            self._last = None
            self._tell_of(None)
        if (last := self._last) is not None:
            last.ended = True
        self._early = Speech()

    def interrupted(self, now: float) -> None:
        """The response ends here, or the one that still plays; a player that reports may say until `deadline` where.

        An earlier interruption that still waits for its player ends with what is known: ask `heard` for it before.
        """
        self._expire(now)
        last, response = self._last, self._open
        if response is None and last is not None:
            if not last.ended:
                return  # said twice
            if last.stopped_at == math.inf and last.position(now) < last.sent:
                response = last
        self._early = Speech()
        if response is None:
            self._tell_of(None)
            return
        self._settle()
        self._close(response)
        response.stopped_at = now
        if self._player and not response.cleared:
            self._awaited, self._deadline = response, now + PATIENCE_S
        else:
            response.final = True

    def report(self, report: PlayoutReport, now: float) -> bool:
        """Takes a player's report; true when it settles an interruption. One that makes no sense changes nothing."""
        self._expire(now)
        known = (self._awaited, self._open, self._last)
        response = next((one for one in known if one is not None and one.id == report.response_id), None)
        if response is None or response.final or not math.isfinite(report.played_ms):
            return False
        self._player = True
        response.report(report.played_ms / 1000, bool(report.cleared), now)
        if response is not self._awaited or not report.cleared:
            return False
        self._settle()
        return True

    def heard(self, now: float) -> Heard:
        """What was heard of the current response; after an interruption, of the interrupted one.

        That holds until the next response begins, or ends if it began while the interruption waited for the player.
        All is None when there is no response. `text` ends with the last word of which more than half was heard; it is
        None when the response has no transcript.
        """
        self._expire(now)
        return self._subject.heard(now) if self._subject is not None else Heard()

    def _begin(self, event_id: str, now: float) -> Response:
        self._expire(now)
        # A player goes through its queue: after a whole response the next one waits until that has been played.
        last = self._last
        queued_until = last.plays_until if last is not None and last.stopped_at == math.inf else -math.inf
        response = self._open = Response(event_id, self._early, bool(self._early), queued_until)
        self._early = Speech()
        self._tell_of(response)
        return response

    def _close(self, response: Response) -> None:
        if response is self._open:
            response.late_at = response.sent if response.words else 0.0
        self._open, self._last = None, response
        self._tell_of(response)

    def _tell_of(self, response: Response | None) -> None:
        if self._awaited is None:
            self._subject = response

    def _expire(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._settle()

    def _settle(self) -> None:
        if self._awaited is not None:
            self._awaited.final = True
        self._awaited = self._deadline = None
