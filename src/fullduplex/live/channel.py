"""What a user and an agent talk by: the queue with the user's input, and the way of events down to the user's ear.

The agents of a run follow one another on a channel: what was not yet answered, and what is still heard, goes on.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import FullduplexError
from fullduplex.live.ambient import Ambient
from fullduplex.live.answers import Answers
from fullduplex.live.conversation import Conversation
from fullduplex.live.limits import Limits
from fullduplex.live.microphone import Microphone
from fullduplex.live.scribe import Scribe
from fullduplex.live.settings import LiveSettings
from fullduplex.live.uplink import Uplink
from fullduplex.live.upstream import Upstream
from fullduplex.requests import Aside, LiveRequestQueue, Overload
from fullduplex.turns.downstream import Downstream
from fullduplex.types.content import Blob
from fullduplex.types.playout import PlayoutReport, TurnTimes

logger = logging.getLogger(__name__)


class Channel:
    """The two ways of one conversation. `interrupt` silences the agent at work; `is_begun`: there was one.

    `tap` takes what media go up.
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
    ) -> None:
        self.queue = queue
        self.scribe = scribe
        self.answers = Answers(queue)
        self.conversation = Conversation(
            downstream=Downstream(author=ctx.agent_name, invocation_id=ctx.invocation_id, new_id=ambient.new_id),
            scribe=scribe,
            ambient=ambient,
            limits=limits,
        )
        self.uplink = Uplink(
            queue=queue,
            session=ctx.session,
            conversation=self.conversation,
            upstream=Upstream(
                event=self.conversation.event,
                note=self.conversation.note,
                microphone=Microphone(now=ambient.now, tell=self.warn),
                tap=tap,
            ),
            answers=self.answers,
            ambient=ambient,
            settings=settings,
        )
        self.interrupt: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        self.is_begun = False

    def next_line(self) -> int:
        """The number of the next line to the model."""
        return next(self._numbers)

    def aside(self, message: Aside) -> None:
        """What the app says to the engine, and not to the model."""
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
