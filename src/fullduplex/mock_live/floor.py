"""Who has the floor in a session: which turn is played now, which wait, when time lets it go on, and interruptions.

Pure: the time is set by the session before each call. What a turn says is played by `performer.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from . import steps
from .conversation import UserTurn
from .messages import duration
from .performer import Performer, Play, Sleep, Until
from .reactors import Reactor
from .script import Item, Turn
from .stage import Stage
from .wire import JsonDict

_IMMEDIATE = (
    steps.Transcript
    | steps.ToolCallCancellation
    | steps.Interrupt
    | steps.GoAway
    | steps.Drop
    | steps.Close
    | steps.Malformed
    | steps.Raw
    | steps.Content
    | steps.Quota
    | steps.UnknownMessage
    | steps.Usage
    | steps.Grounding
    | steps.VoiceActivity
    | steps.ResumptionUpdate
)


class Floor:
    """The turns of one session. `now` is the time in seconds, set from outside."""

    def __init__(self, stage: Stage, reactor: Reactor, now: float) -> None:
        self.now = now
        self._stage = stage
        self._reactor = reactor
        self._performer = Performer(stage, self._follow_up, self.go_away)
        self._play: Play | None = None
        self._resume_at = 0.0
        self._blocked: Callable[[], bool] | None = None
        self._hold_until = -math.inf
        self._queue: deque[tuple[Turn, UserTurn]] = deque()
        self._timers: list[tuple[float, Callable[[], None]]] = []

    @property
    def taken(self) -> bool:
        """Whether a turn of the model is being played (waiting for a tool included)."""
        return self._play is not None

    @property
    def wakeup(self) -> float | None:
        """When something is due next, or None."""
        times = [at for at, _ in self._timers]
        if self._play is not None:
            times.append(max(self._resume_at, self._hold_until))
        return min((at for at in times if at < math.inf), default=None)

    # -- what the user does ------------------------------------------------------------------------------------------

    def begin(self, user: UserTurn) -> None:
        """Queues the answer to a user's turn: the script's next turn if it is one for this, else the reactor's."""
        cursor = self._stage.cursor
        turn = cursor.take_for(user.kind) if cursor else None
        if turn is None:
            answer = self._reactor(user, self._stage.conversation)
            if not answer:
                return
            turn = Turn(answer)
        self._queue.append((turn, user))

    def interrupt(self) -> None:
        """The user cuts in: the present turn ends as an interrupted one, and queued ones are dropped."""
        self._queue.clear()
        if self._play is None:
            return
        self._stop()
        self._stage.interrupted()
        self.plan_unprompted()

    def expects(self, kinds: set[str]) -> bool:
        """Whether the present turn waits for a message of these kinds; it then counts as come."""
        expectation = self._performer.expectation
        return expectation is not None and expectation.take(kinds)

    @property
    def awaits_tools(self) -> bool:
        """Whether the present turn waits for tool responses."""
        return bool(self._performer.awaited)

    def answer(self, call_id: str, response: JsonDict) -> bool:
        """A tool response. False if the present turn does not wait for it."""
        performer = self._performer
        if call_id not in performer.awaited:
            return False
        performer.answers.append(response)
        if not response.get("willContinue"):
            performer.awaited.discard(call_id)
        return True

    # -- what the test or time does ----------------------------------------------------------------------------------

    def push(self, items: Sequence[Item]) -> None:
        """These steps at once if none of them takes time, else as a turn of their own after the present one."""
        if len(items) == 1 and isinstance(items[0], steps.Stall):
            seconds = items[0].seconds
            self._hold_until = math.inf if seconds is None else self.now + seconds
            return
        at_once = [item for item in items if isinstance(item, _IMMEDIATE)]
        if len(at_once) < len(items):
            self._queue.append((Turn(list(items), on="now"), UserTurn("unprompted")))
            return
        for step in at_once:
            if isinstance(step, steps.Interrupt):
                self.interrupt()
            else:
                self._performer.at_once(step)

    def go_away(self, step: steps.GoAway) -> None:
        """goAway now, and the close when its time is over."""
        self._stage.send({"goAway": {"timeLeft": duration(step.time_left)}})
        code = step.close_code
        if code is not None:
            self.after(step.time_left, lambda: self._stage.close(code, step.reason))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Does something so many seconds from now (at once if there are none)."""
        if seconds <= 0:
            action()
        else:
            self._timers.append((self.now + seconds, action))

    def run_timers(self) -> None:
        """Does what is due."""
        due = [timer for timer in self._timers if timer[0] <= self.now]
        self._timers = [timer for timer in self._timers if timer[0] > self.now]
        for _, action in sorted(due, key=lambda timer: timer[0]):
            action()

    def plan_unprompted(self) -> None:
        """If the script's next turn is one that the model begins by itself, sets the time for it."""
        cursor = self._stage.cursor
        turn = cursor.peek() if cursor else None
        if cursor is None or turn is None or turn.on != "now":
            return

        def begin() -> None:
            if self._play is None and not self._queue and cursor.take(turn):
                self._queue.append((turn, UserTurn("unprompted")))

        self.after(turn.after, begin)

    def advance(self) -> None:
        """Plays on as far as the present time allows."""
        while not self._stage.ended:
            if self._play is None:
                if not self._queue:
                    return
                self._play = self._performer.play(*self._queue.popleft())
                self._resume_at = self.now
            if not self._may_go_on():
                return
            self._step(self._play)

    def _may_go_on(self) -> bool:
        if self.now < self._hold_until:
            return False
        if self._blocked is not None and self._blocked():
            self._blocked = None
            self._resume_at = self.now
        return self.now >= self._resume_at

    def _step(self, play: Play) -> None:
        self._blocked = None
        try:
            pause = next(play)
        except StopIteration:
            self._stop()
            self.plan_unprompted()
            return
        if isinstance(pause, Sleep):
            # Counted from when the last pause was due, so that paced audio does not drift.
            self._resume_at = math.inf if pause.seconds is None else self._resume_at + pause.seconds
        else:
            assert isinstance(pause, Until)
            self._blocked = pause.ready
            self._resume_at = math.inf if pause.timeout is None else self.now + pause.timeout

    def _stop(self) -> None:
        if self._play is not None:
            self._play.close()
        self._play = None
        self._blocked = None
        self._performer.expectation = None
        self._performer.awaited = set()

    def _follow_up(self, user: UserTurn) -> Sequence[Item]:
        """What is said after the tool responses when the turn that called has no step left."""
        cursor = self._stage.cursor
        turn = cursor.take_for("tool_response") if cursor else None
        talk = self._stage.conversation
        return turn.items(user, talk) if turn else self._reactor(user, talk)
