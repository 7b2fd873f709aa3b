"""Which run has which session: no two have one, because each would write what the other does not know."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from fullduplex.agents.stop import Stop
from fullduplex.errors import FullduplexError, SessionBusy
from fullduplex.requests import LiveRequestQueue

logger = logging.getLogger(__name__)

Conflict = Literal["refuse", "take_over"]
Key = tuple[str, str]

_LEAVING_S = 1.0
_ENDING_S = 30.0


class Leases:
    """The leases of runs, by user and session id; the runs may be on several event loops.

    `conflict` says what a live run does where another run is. A text run never ends another one.
    """

    def __init__(self, conflict: Conflict) -> None:
        self._conflict = conflict
        self._lock = threading.Lock()
        self._leases: dict[Key, _Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    async def claim(self, key: Key, stop: Stop, queue: LiveRequestQueue | None = None) -> None:
        """Leases a session to a run, as soon as no other run has it. Raises `SessionBusy` when it is refused.

        `queue` is what feeds a live run; a text run has none.
        """
        lease = _Lease(stop, queue)
        while (other := self._holder(key, lease)) is not lease:
            if queue is not None and self._conflict == "take_over":
                if not await other.end(key, SessionBusy(f"Another live run took over session {key[1]}.")):
                    raise SessionBusy(f"Session {key[1]} is in another {other.kind} run, which does not end.")
            elif not await other.is_leaving():
                raise SessionBusy(f"Session {key[1]} is in another {other.kind} run.")

    def release(self, key: Key, stop: Stop) -> None:
        """The run that ends by `stop` has its session no more."""
        with self._lock:
            if (lease := self._leases.get(key)) is not None and lease.stop is stop:
                del self._leases[key]
        stop.over()

    async def end_all(self) -> None:
        """Ends every live run that has a session. One that does not end within 30 s is logged and left behind."""
        leases = list(self._leases.items())
        await asyncio.gather(*(lease.end(key) for key, lease in leases if lease.queue is not None))

    def _holder(self, key: Key, lease: _Lease) -> _Lease:
        """Who has the session: `lease` does, if nobody else did."""
        with self._lock:
            other = self._leases.get(key)
            if other is None or other.is_over:
                self._leases[key] = other = lease
            return other


@dataclass(eq=False, slots=True)
class _Lease:
    """A run that has a session: how to end it, and the queue that feeds it if it is live."""

    stop: Stop
    queue: LiveRequestQueue | None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @property
    def kind(self) -> str:
        return "text" if self.queue is None else "live"

    @property
    def is_over(self) -> bool:
        return self.stop.is_over or self.loop.is_closed()  # with its loop a run is gone, though it could not say so

    async def end(self, key: Key, reason: FullduplexError | None = None) -> bool:
        """Ends the run; whether it has ended."""
        self.stop.ask(reason)
        if not (has_ended := await self._has_ended()):
            logger.error("the %s run of session %s does not end within %g s", self.kind, key[1], _ENDING_S)
        return has_ended

    async def _has_ended(self) -> bool:
        try:
            async with asyncio.timeout(_ENDING_S):
                await self.stop.ended()
        except TimeoutError:
            pass
        return self.is_over

    async def is_leaving(self) -> bool:
        """Whether the run has ended, for which one that is about to has some time.

        A client that comes back at once, as a page does when it is loaded anew, is given the moment that its old run
        needs to notice that it left; so is one that reads no answer to its end.
        """
        signs: set[asyncio.Future[Any]] = {asyncio.create_task(self.stop.ended(), name="watch over another run")}
        if self.queue is not None:
            signs.add(self.queue.closing())
        try:
            done, _ = await asyncio.wait(signs, timeout=_LEAVING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sign in signs:
                sign.cancel()
        return bool(done) and await self._has_ended()
