"""What the user's hang-up cuts short: nobody waits for an agent that gets ready when nobody will talk with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fullduplex.requests import LiveRequestQueue
from fullduplex.tools.running import cancelled_from_outside

logger = logging.getLogger(__name__)


@dataclass
class Waited:
    """Whether the user `hung_up` before it was done."""

    hung_up: bool = False


@contextlib.asynccontextmanager
async def unless_hung_up(
    queue: LiveRequestQueue, is_owed: Callable[[], bool], deadline_s: float
) -> AsyncIterator[Waited]:
    """What is awaited in here is cancelled when `queue` is closed: at once, or after `deadline_s` seconds, if the queue
    was closed before or the user is owed that it goes on (`is_owed`)."""
    waited = Waited()
    was_closed = queue.closed
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(None)
    done = False

    def hang_up(_: asyncio.Future[None]) -> None:
        if not (closed.cancelled() or done):  # it may have been on its way when it was taken back
            scope.reschedule(loop.time() + (deadline_s if was_closed or is_owed() else 0.0))

    closed = queue.closing()
    try:
        async with scope:
            closed.add_done_callback(hang_up)
            try:
                yield waited
            finally:
                done = True
                closed.remove_done_callback(hang_up)
            if cancelled_from_outside():  # and the developer's code has kept it to itself
                raise asyncio.CancelledError
    except TimeoutError:
        if not scope.expired():
            raise
        waited.hung_up = True
        if is_owed():
            logger.warning("closed with words unsent: the agent that they are for does not get ready")
    finally:
        closed.cancel()
