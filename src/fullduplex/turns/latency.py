"""Where the time of a turn went: one `TurnLatency` for every response that has sound.

A meter is told what happens when (all times in seconds on the server's clock, since the epoch) and adds up. It asks
nothing and sends nothing; the clocks of page and server are brought together elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from fullduplex.turns.loudness import is_loud, leading_silence_ms
from fullduplex.types.playout import TurnLatency, TurnTimes

KEPT = 8
"""Responses for which a late report of a client is still taken."""

CLOCK_ERROR_S = 0.5
"""How far a client's clock may be off before its times are not believed."""

LONGEST_S = 600.0
"""Reported times further than this from the response are not believed."""


class _Cause(NamedTuple):
    """What a response answers: when it came in, when the model had it, and whether it was typed."""

    in_at: float
    out_at: float
    typed: bool


@dataclass(slots=True)
class _Response:
    """One response that is measured, and what is known of it beside its times."""

    times: TurnLatency
    to_speech: bool
    sounded: bool = False
    ended: bool = False
    taken: bool = False
    reported: bool = False

    @property
    def complete(self) -> bool:
        """Whether the server will learn no more of it."""
        return self.ended or (self.sounded and self.times.server_out_at is not None)

    def copy(self) -> TurnLatency:
        """The times as they are now, with their total."""
        times = self.times
        start = times.server_in_at if times.speech_end_at is None else times.speech_end_at
        end = times.server_out_at if times.first_audible_at is None else times.first_audible_at
        total = None if start is None or end is None else 1000.0 * max(0.0, end - start)
        return times.model_copy(update={"total_ms": total})


class LatencyMeter:
    """Measures the responses of one run.

    The order of calls: `user_spoke` or `typed`, then `audio` for the chunks of the response while `wants_audio`,
    `shown` for its events, `report` when a client tells, `turn_complete` or `interrupted` at its end; and `take`
    whenever the caller would like to pass a result on. `user_spoke` may be called for each loud chunk, or only once
    just before `audio`, with the latest. What was said since belongs to the next response.
    """

    __slots__ = ("_answered_at", "_cause", "_current", "_interrupted", "_kept", "wants_audio")

    def __init__(self) -> None:
        self._cause: _Cause | None = None
        self._answered_at = -math.inf
        self._current: _Response | None = None
        self._kept: dict[str, _Response] = {}
        self._interrupted = False
        self.wants_audio = True
        """Whether the next chunk of the model's audio can tell anything: the response has had no sound yet."""

    def user_spoke(self, in_at: float, out_at: float) -> None:
        """Sound of the user came in at `in_at` and was handed to the model at `out_at`."""
        self._caused(_Cause(in_at, out_at, typed=False))

    def typed(self, in_at: float, out_at: float) -> None:
        """A turn that was typed came in at `in_at` and was handed to the model at `out_at`."""
        self._caused(_Cause(in_at, out_at, typed=True))

    def _caused(self, cause: _Cause) -> None:
        # The latest input is what is answered. What an earlier response answered causes no second one.
        if cause.in_at > max(self._answered_at, self._cause.in_at if self._cause else -math.inf):
            self._cause = cause

    def audio(self, event_id: str, pcm: bytes, rate: int, now: float) -> None:
        """A chunk of the model's audio (PCM16 mono at `rate` Hz) came; the first one begins a response."""
        response = self._current or self._begin(event_id, now)
        if not response.sounded:
            silence = (response.times.leading_silence_ms or 0.0) + leading_silence_ms(pcm, rate)
            response.times.leading_silence_ms = silence
            response.sounded = is_loud(pcm)
        self.wants_audio = not response.sounded

    def _begin(self, event_id: str, now: float) -> _Response:
        cause, self._cause = self._cause, None
        times = TurnLatency(response_id=event_id, first_byte_at=now)
        if cause is not None:
            self._answered_at = cause.in_at
            times.server_in_at, times.model_out_at = cause.in_at, cause.out_at
        response = _Response(times, to_speech=cause is not None and not cause.typed)
        self._current = self._kept[event_id] = response
        self._interrupted = False
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return response

    def shown(self, event_id: str, now: float) -> None:
        """The event was handed to the app or its client; counts for the one that began a response."""
        response = self._kept.get(event_id)
        if response is not None and response.times.server_out_at is None:
            response.times.server_out_at = now

    def report(self, told: TurnTimes) -> TurnLatency | None:
        """A client tells its times: the result anew if it was taken before, else None, and `take` will have them.

        Only the first report of a response counts. Unknown responses and times that cannot be are ignored, and so is
        the end of a speech that the response does not answer, because it was typed to or came unasked.
        """
        response = self._kept.get(told.response_id)
        if response is None or response.reported or not _audible(told, response.times):
            return None
        response.reported = True
        response.times.first_audible_at = told.first_audible_at
        if response.to_speech and _spoken(told.speech_end_at, response.times):
            response.times.speech_end_at = told.speech_end_at
        return response.copy() if response.taken else None

    def turn_complete(self, *, goes_on: bool = False) -> None:
        """The model's turn is over. `goes_on`: it has called tools, and answers when it knows what came of them."""
        if self._current is None and not self._interrupted and not goes_on:
            self._cause = None  # answered without sound
        self._interrupted = False
        self._end()

    def interrupted(self) -> None:
        """The user cut the response off. What they said to do so is answered by the next one."""
        self._interrupted = True
        self._end()

    def _end(self) -> None:
        if self._current is not None:
            self._current.ended = True
            self._current = None
        self.wants_audio = True

    def take(self) -> TurnLatency | None:
        """The oldest result that is complete and was not taken: shown and with its first sound, or at its end.

        Call it when the response's events have been shown, or `server_out_at` may be missing. Nobody waits here for
        what a client reports: see `report`. Of responses that nobody takes, the last few are kept.
        """
        for response in self._kept.values():
            if response.complete and not response.taken:
                response.taken = True
                return response.copy()
        return None


def _audible(told: TurnTimes, times: TurnLatency) -> bool:
    earliest = times.server_out_at or times.first_byte_at or 0.0
    return earliest - CLOCK_ERROR_S <= told.first_audible_at <= earliest + LONGEST_S


def _spoken(at: float | None, times: TurnLatency) -> bool:
    first_byte = times.first_byte_at or 0.0
    return at is not None and first_byte - LONGEST_S <= at <= first_byte + CLOCK_ERROR_S
