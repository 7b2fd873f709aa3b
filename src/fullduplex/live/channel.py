"""What a user and an agent talk by: the queue with the user's input, and the way of events down to the user's ear.

The agents of a run follow one another on a channel: what was not yet answered, and what is still heard, goes on.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.answers import Answers
from fullduplex.live.conversation import Conversation
from fullduplex.live.gate import Gate
from fullduplex.live.limits import Limits
from fullduplex.live.microphone import Microphone
from fullduplex.live.scribe import Scribe
from fullduplex.live.settings import LiveSettings
from fullduplex.live.uplink import Uplink
from fullduplex.live.upstream import Upstream
from fullduplex.requests import Aside, LiveRequestQueue, Overload
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.floor import Floor
from fullduplex.types.content import Blob
from fullduplex.types.playout import PlayoutReport, TurnTimes

logger = logging.getLogger(__name__)


class Channel:
    """The two ways of one conversation. `interrupt` silences the agent at work; `is_begun`: there was one.

    `tap` takes what media go up. Where several agents work at once each has a `branch` of the channel, with a `gate`.
    """

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        queue: LiveRequestQueue,
        scribe: Scribe,
        limits: Limits | None,
        ambient: Ambient,
        settings: LiveSettings,
        tap: Callable[[Blob], None] | None = None,
        trunk: Channel | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.queue = queue
        self.gate = gate or Gate()
        self.branches: list[Channel] = []
        self.floor: Floor[Any] | None = None
        self._of_run: dict[str, Any] = {
            "scribe": scribe,
            "limits": limits,
            "ambient": ambient,
            "settings": settings,
            "tap": tap,
        }
        self._tap = tap
        self._trunk = trunk
        self.scribe = scribe
        self.answers = Answers(queue)
        self.conversation = Conversation(
            downstream=Downstream(author=ctx.agent_name, invocation_id=ctx.invocation_id, new_id=ambient.new_id),
            scribe=scribe,
            ambient=ambient,
            limits=limits,
            may_release=self.gate.may_speak,
        )
        self.upstream = Upstream(
            event=self.conversation.event,
            note=self.conversation.note if trunk is None else None,  # what all hear is kept once
            microphone=Microphone(now=ambient.now, tell=self.warn),
            tap=self._record if tap is not None else None,
        )
        self.uplink = Uplink(
            queue=queue,
            session=ctx.session,
            conversation=self.conversation,
            upstream=self.upstream,
            answers=self.answers,
            ambient=ambient,
            settings=settings,
        )
        self.interrupt: Callable[[], None] = lambda: None
        self._numbers: Iterator[int] = itertools.count(1) if trunk is None else trunk._numbers
        self.is_begun = False
        self.cut_off: set[str] = set()
        """Ids of the words of an answer that a loss cut off, until another one is whole."""

    def note(self, event: Event) -> None:
        """Has the session keep an event of the user's side: once, where several agents are told of it."""
        if self._trunk is None:
            self.conversation.note(event)

    def branch(self, ctx: InvocationContext, gate: Gate) -> Channel:
        """A branch for `ctx.agent`, with a queue of its own."""
        return Channel(ctx=ctx, queue=ctx.queue, trunk=self, gate=gate, **self._of_run)

    def _record(self, blob: Blob) -> None:
        if self._tap is not None and self.gate.hears():
            self._tap(blob)

    def next_line(self) -> int:
        """The number of the next line to the model."""
        return next(self._numbers)

    def aside(self, message: Aside) -> None:
        """What the app says to the engine, and not to the model."""
        for branch in self.branches:
            branch.aside(message)
        if isinstance(message, PlayoutReport):
            self.conversation.report(message)
        elif isinstance(message, TurnTimes):
            self.conversation.times(message)
        elif isinstance(message, Overload):
            late = "the model does not keep up: waiting audio is dropped, the oldest first"
            self.conversation.tell(FullduplexError(late, code="input_dropped"), lives_on=True)
        else:
            self.interrupt()

    def warn(self, error: FullduplexError) -> None:
        """Tells of what the run survives."""
        logger.warning("%s", error)
        self.conversation.tell(error, lives_on=True)
