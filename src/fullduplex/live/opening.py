"""Opens lines to the model: the first, and the next after a loss, under the policy of `turns.reconnect`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fullduplex.errors import ConnectionLost, ModelError
from fullduplex.live.ambient import Ambient
from fullduplex.live.briefing import Handle
from fullduplex.live.line import Line, Take
from fullduplex.live.setup import Setup
from fullduplex.models.base import LiveModel
from fullduplex.sessions import Session
from fullduplex.turns.reconnect import ABNORMAL_CLOSE, Loss, ReconnectPolicy, Reconnects, Verdict, verdict

logger = logging.getLogger(__name__)


class Opening:
    """Makes the lines of one agent's part. `handle` is the latest point that a line can go on from.

    `number` gives the lines of a run their numbers. The part that begins the run (`is_first`) goes on from the handle
    that the run was given, if any.
    """

    def __init__(
        self,
        *,
        model: LiveModel,
        setup: Setup,
        session: Session,
        group: asyncio.TaskGroup,
        policy: ReconnectPolicy,
        ambient: Ambient,
        take: Take,
        number: Callable[[], int],
        is_first: bool,
    ) -> None:
        self.handle = setup.handle(session) if is_first else None
        self._model = model
        self._setup = setup
        self._session = session
        self._group = group
        self._ambient = ambient
        self._take = take
        self._reconnects = Reconnects(policy)
        self._number = number
        self._begins = is_first

    def new_line(self, handle: Handle | None) -> Line:
        """The next line, which is being opened."""
        request = self._setup.request(self._session, handle, first=self._begins)
        self._begins = False
        return Line(self._number(), self._model, request, handle=handle, group=self._group, take=self._take)

    def next_delay(self) -> float | None:
        """Seconds to wait before the next attempt; None when it would be one too many."""
        return self._reconnects.next_delay(asyncio.get_running_loop().time(), self._ambient.chance())

    def is_first_delay(self, delay: float) -> bool:
        """Whether `delay` is that of a first attempt."""
        return delay < self._reconnects.policy.first_delay_s * self._reconnects.policy.factor * 0.9

    def connected(self) -> None:
        """The model is there."""
        self._reconnects.connected()

    async def open(
        self, line: Line, closed: asyncio.Future[None], waits: Callable[[], bool], patience_s: float
    ) -> bool:
        """Whether `line` has come to its opening, well or not. False when the app hung up first and nothing waits, or
        what waits has done so for `patience_s` since. Raises `ConnectionLost` when the model has been away too long."""
        opened = asyncio.ensure_future(line.opened())
        left = self._reconnects.time_left(asyncio.get_running_loop().time())
        try:
            done, _ = await asyncio.wait({opened, closed}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                away = f"the model could not be reached again within {self._reconnects.policy.deadline_s:g} s"
                raise ConnectionLost(away, close_code=ABNORMAL_CLOSE)
            if not opened.done() and waits():
                await asyncio.wait({opened}, timeout=patience_s)
            return opened.done()
        finally:
            if not opened.done():
                opened.cancel()
                line.leave()

    def verdict(self, lost: ModelError, *, refused: bool, closed: bool, sent_off: bool = False) -> Verdict:
        """What follows the loss of a line that was `sent_off` by a goAway or not, or (`refused`) was not let in."""
        code = lost.close_code if isinstance(lost, ConnectionLost) else None
        goes_on = sent_off or self.handle is not None
        return verdict(
            Loss(code, lost.recoverable, refused and self.handle is not None, goes_on=goes_on, closed=closed)
        )

    async def may_try_again(
        self,
        lost: ModelError,
        *,
        refused: bool,
        sent_off: bool,
        closed: asyncio.Future[None],
        tell: Callable[[ModelError, float], None],
    ) -> bool:
        """Waits as long as the policy says; False when the conversation is over. Raises `lost` when it is hopeless."""
        what = self.verdict(lost, refused=refused, closed=closed.done(), sent_off=sent_off)
        if what is Verdict.FAIL:
            raise lost
        if what is Verdict.WITHOUT_HANDLE:
            logger.warning("the model does not know the handle any more (%s); it is told the session instead", lost)
            self.handle = None
            return True
        if what is Verdict.END:
            return False
        delay = self.next_delay()
        if delay is None:
            lost.recoverable = False  # we have tried, and give up
            raise lost
        tell(lost, delay)
        await asyncio.wait({closed}, timeout=delay)
        return True
