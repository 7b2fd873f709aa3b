"""What comes down in a run: the model's messages become events, are kept and shown, and are followed to the user's ear.

Which line the messages come over is the supervisor's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.guard import Guard
from fullduplex.live.limits import Limits
from fullduplex.live.scribe import Scribe
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.latency import LatencyMeter
from fullduplex.turns.media_queue import audio_seconds, bytes_a_second, pcm_rate
from fullduplex.turns.playout import PlayoutCursor
from fullduplex.types.content import Blob
from fullduplex.types.live import LiveServerAudio, LiveServerContent, LiveServerMessage
from fullduplex.types.playout import Heard, PlayoutReport, TurnTimes

_INTERRUPTED = LiveServerMessage(server_content=LiveServerContent(interrupted=True))
_TURN_COMPLETE = LiveServerMessage(server_content=LiveServerContent(turn_complete=True))


class Conversation:
    """The downward side of one run.

    `last_speech` tells when the user's latest speech came in and went up (seconds), `awaits` whether the model waits
    for tools at work.
    """

    __slots__ = (
        "_ambient",
        "_calls",
        "_cursor",
        "_downstream",
        "_followers",
        "_goes_on_after",
        "_guard",
        "_is_whole",
        "_latency",
        "_latest",
        "_limits",
        "_may_release",
        "_patience",
        "_scribe",
        "awaits",
        "last_speech",
        "said",
    )

    def __init__(
        self,
        *,
        downstream: Downstream,
        scribe: Scribe,
        ambient: Ambient,
        limits: Limits | None = None,
        may_release: Callable[[], bool] = lambda: True,
    ) -> None:
        self._downstream = downstream
        self._scribe = scribe
        self._ambient = ambient
        self._limits = limits
        self._may_release = may_release
        self._cursor = PlayoutCursor()
        self._latency = LatencyMeter()
        self._latest = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self._guard: Guard | None = None
        self._followers: list[Callable[[list[Event]], None]] = []
        self.last_speech: Callable[[], tuple[float, float] | None] = lambda: None
        self.awaits: Callable[[], bool] = lambda: False
        self.said: set[str] = set()
        """Ids of the events that hold what the model has said in its present turn."""
        self._calls = False  # tools that the model waits for, and has said nothing about yet
        self._goes_on_after = ""  # id of the event that completes a turn, and is not the end of the answer
        self._is_whole = False  # what it has said: it generates no more, though the turn may last until it was heard

    @property
    def in_turn(self) -> bool:
        """Whether the model speaks, or has called a tool and goes on afterwards."""
        return self._downstream.in_turn

    @property
    def unfinished(self) -> set[str]:
        """As `said`, if the model has more to say; nothing of an answer that it has given."""
        return set() if self._is_whole else self.said

    def begin(self, downstream: Downstream) -> None:
        """Another agent's part begins."""
        self._downstream = downstream
        self._followers = []
        self.said.clear()

    def follow(self, follower: Callable[[list[Event]], None]) -> None:
        """Gives `follower` what the model says in this part, as it comes; sound by itself is passed over."""
        self._followers.append(follower)

    @contextlib.contextmanager
    def guarded(self, guard: Guard | None) -> Iterator[None]:
        """While in here, what the model says goes through `guard`."""
        if guard is not None and guard.only_watches:
            self.follow(guard.watch)
        else:
            self._guard = guard
        try:
            yield
        finally:
            self._guard = None
            if guard is not None:
                guard.close()

    def end_part(self, *, input_comes_again: bool) -> None:
        """The agent's part is over. If it has said something in this turn, its turn ends here.

        What the user was saying is not finished when it is to be heard again, by the next agent.
        """
        is_held = self._guard is not None and self._guard.holds
        if not self._downstream.in_turn or not (self._cursor.speaking or self.said or is_held):
            return
        if input_comes_again:
            self._downstream.forget_input()
        self.hear(_TURN_COMPLETE)

    def event(self, **fields: Any) -> Event:
        """An event of this run, stamped now."""
        return self._downstream.event(now=self._ambient.now(), **fields)

    def hear(self, message: LiveServerMessage) -> list[Event]:
        """Takes a message of the model; the events that it became, which are shown already."""
        now = self._latest = max(self._ambient.now(), self._latest)
        was_in_turn = self._downstream.in_turn
        events = self._downstream.feed(message, now)
        if not was_in_turn and self._downstream.in_turn:
            self.said.clear()
        if (content := message.server_content) is not None:
            self._is_whole = bool(content.generation_complete) or (self._is_whole and content.model_turn is None)
            if content.model_turn is not None and not (was_in_turn and self.awaits()):
                self._calls = False
        # Some models complete their turn when they have called, and some when they have answered. A turn of nothing at
        # all, or one that is interrupted, is over.
        goes_on = self._calls and was_in_turn and content is not None and not content.interrupted
        if goes_on and (ended := next((event for event in events if event.turn_complete), None)) is not None:
            self._goes_on_after = ended.id
        show = self.deliver if self._guard is None else self._hold
        for event in events:
            show(event, now)
        if self._followers and not _is_sound(events):
            for follow in self._followers:
                follow(events)
        if self._limits is not None:
            self._limits.hear(message, goes_on=goes_on)
        return events

    def called(self) -> None:
        """The model has called tools that it waits for: it goes on when they are answered."""
        self._calls = True

    def settled(self) -> None:
        """What the model has called comes to nothing that it would speak of."""
        self._calls = False
        if self._limits is not None:
            self._limits.settled()

    def hear_on(self, message: LiveServerAudio) -> bool:
        """Takes another chunk of the voice that speaks already: the busiest path downward, with nothing to find out.

        False when more than that is to be done, or somebody wants to know of it: `hear` the message then.
        """
        if self._latency.wants_audio or self._guard is not None or self._limits is not None:
            return False
        now = self._ambient.now()
        if now < self._latest:
            now = self._latest
        self._latest = now
        content = message.server_content
        said = content.model_turn if content is not None else None
        blob = said.parts[0].inline_data if said is not None and said.parts else None
        if blob is None or not blob.data or said is None or (event := self._downstream.go_on(said, now)) is None:
            return False
        self._cursor.audio(event.id, len(blob.data) / bytes_a_second(blob.mime_type), now)
        self._scribe.sound(event)
        return True

    def show(self, event: Event) -> None:
        """Shows an event that is the run's own, and none of the model's."""
        self.deliver(event, self.now())

    def relay(self, event: Event) -> None:
        """Shows an event that is not the model's, such as a tool's answer, behind what the model said before."""
        if self._guard is None:
            self._scribe.show(event)
        else:
            self._guard.later(functools.partial(self._scribe.show, event))

    def note(self, event: Event) -> None:
        """Has the session keep an event of the user's side, behind what the model said before."""
        if self._guard is None:
            self._scribe.note(event)
        else:
            self._guard.later(functools.partial(self._scribe.note, event))

    def interrupt(self) -> None:
        """The user wants silence: the answer ends here, whatever the model goes on to say."""
        self.hear(_INTERRUPTED)

    def cut_rest(self) -> None:
        """The user wants silence: an answer that was given, and still plays, ends here. The model has no part in it."""
        if self._cursor.still_plays(self.now()):
            self.show(self.event(interrupted=True))

    def typed(self, waited_s: float) -> None:
        """A turn of the user's was typed and has left, after so long in the queue."""
        now = self._ambient.now()
        self._latency.typed(now - waited_s, now)
        if self._limits is not None:
            self._limits.asked()

    def tell(self, error: BaseException, *, lives_on: bool) -> None:
        """An event that says what went wrong, and whether the run lives on."""
        code = error.code if isinstance(error, FullduplexError) else "internal"
        with contextlib.suppress(FullduplexError):
            self._scribe.show(self.event(error_code=code, error_message=str(error), recoverable=lives_on))

    def finish_input(self) -> bool:
        """Finishes what the user was saying, because the model answers it; whether the session has the words now."""
        if self._scribe.holds_back or (self._guard is not None and self._guard.holds):
            return False
        events = self._downstream.finish_input(self._ambient.now())
        for event in events:
            self._scribe.show(event)
        for follow in self._followers:
            follow(events)
        return bool(events)

    def break_off(self, *, input_comes_again: bool) -> set[str]:
        """The line is gone: what was said so far is finished. Gives the ids of an answer's events that was cut off.

        What the user was saying is not finished when it is to be heard again.
        """
        in_turn = self._downstream.in_turn
        if input_comes_again:
            self._downstream.forget_input()
        events = self._downstream.finish(self._ambient.now())
        for event in events:
            if self._guard is None:
                self._note_words(event)
                self._scribe.show(event)
            else:
                self._note_said(event)
                self._guard.follow(event, self.now())
        for follow in self._followers:
            follow(events)
        if self._guard is None:
            self._close_off()
        else:
            self._guard.broken_off(self.now())
            self._guard.later(self._close_off)
        return self.unfinished if in_turn else set()

    def _close_off(self) -> None:
        self._latency.interrupted()
        self._settle()
        self.release()

    def release(self) -> None:
        """What the session was not to have before the end of a turn it has now, unless another agent speaks."""
        if self._may_release():
            self._scribe.release()

    def end(self) -> None:
        """The run is over."""
        with contextlib.suppress(FullduplexError):
            self.break_off(input_comes_again=False)

    async def emptied(self) -> None:
        """Returns when nothing is held back any more."""
        if self._guard is not None:
            await self._guard.emptied()

    async def kept(self) -> None:
        """Returns when all that has happened is in the session."""
        await self.emptied()
        self._settle()
        while not self._scribe.is_settled:
            await self._scribe.settled()

    def report(self, report: PlayoutReport) -> None:
        """A player tells how much of a response was heard."""
        now = self.now()
        if self._cursor.report(report, now):
            self._settle(told=True)
        elif report.cleared and self._cursor.still_plays(now) == report.response_id:
            self.cut_rest()  # it was thrown away, and no interruption had asked for that

    def times(self, times: TurnTimes) -> None:
        """A client tells when its user spoke and heard."""
        if (latency := self._latency.report(times)) is not None:
            self._scribe.show(self.event(latency=latency))

    def _hold(self, event: Event, now: float) -> None:
        assert self._guard is not None
        self._note_said(event)
        self._guard.take(event, now)

    def now(self) -> float:
        """The time, which does not go back."""
        return max(self._ambient.now(), self._latest)

    def deliver(self, event: Event, now: float) -> None:
        """Shows an event of the model's, and follows it to the user's ear."""
        content = event.content
        blob = content.parts[0].inline_data if content is not None and content.parts else None
        if blob is not None and blob.data and event.author != "user":
            self._sound(event, blob, blob.data, now)
            return
        self._note_words(event)
        if event.interrupted:
            self._interrupted(event, now)
        elif event.turn_complete:
            self._cursor.turn_complete(now)
            self._latency.turn_complete(goes_on=event.id == self._goes_on_after)
            event.latency = self._latency.take()
            self._scribe.show(event)
        else:
            self._scribe.show(event)

    def _note_words(self, event: Event) -> None:
        """Follows what the model says in words."""
        spoken = event.output_transcription
        if spoken is not None:
            self._cursor.said(spoken, not event.partial)
        if self._guard is None:
            self._note_said(event)

    def _note_said(self, event: Event) -> None:
        spoken = event.output_transcription
        written = event.content is not None and event.content.text and event.author != "user"
        if not event.partial and (spoken is not None or written):
            self.said.add(event.id)

    def _sound(self, event: Event, blob: Blob, pcm: bytes, now: float) -> None:
        if not self._latency.wants_audio:
            self._cursor.audio(event.id, audio_seconds(len(pcm), blob.mime_type), now)
            self._scribe.show(event)
            return
        if (speech := self.last_speech()) is not None:
            self._latency.user_spoke(*speech)
        self._latency.audio(event.id, pcm, pcm_rate(blob.mime_type), event.timestamp)
        self._cursor.audio(event.id, audio_seconds(len(pcm), blob.mime_type), now)
        self._scribe.show(event)
        self._latency.shown(event.id, self._ambient.now())

    def _interrupted(self, event: Event, now: float) -> None:
        if self._cursor.speaking or self._cursor.still_plays(now):
            self._settle()  # an earlier one that still waits for its player
        self._cursor.interrupted(now)
        self._latency.interrupted()
        heard = self._cursor.heard(now)
        event.heard = heard if heard.response_id is not None else None
        if event.turn_complete:
            self._latency.turn_complete()
            event.latency = self._latency.take()
        self._scribe.show(event)
        deadline = self._cursor.deadline
        if deadline is None:
            self._scribe.settle(heard)
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(deadline - now, self._settle)

    def _settle(self, *, told: bool = False) -> None:
        """What was heard of an interrupted answer is known, or nobody waits for it any longer."""
        if self._patience is None:
            return
        self._patience.cancel()
        self._patience = None
        heard: Heard = self._cursor.heard(self._ambient.now())
        if told:
            self._scribe.show(self.event(heard=heard))
        self._scribe.settle(heard)


def _is_sound(events: list[Event]) -> bool:
    """Whether there is nothing but a piece of somebody's voice in `events`."""
    if len(events) != 1 or (content := events[0].content) is None or not content.parts:
        return False
    return content.parts[0].inline_data is not None
