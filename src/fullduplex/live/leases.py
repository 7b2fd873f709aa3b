"""Which live run has which session: no two have one, because each would write what the other does not know."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, NamedTuple

from fullduplex.agents.contexts import Stop
from fullduplex.errors import SessionBusy
from fullduplex.requests import LiveRequestQueue

Conflict = Literal["refuse", "take_over"]
Key = tuple[str, str]

_LEAVING_S = 1.0


class Leases:
    """The leases of live runs, by user and session id. `conflict` says what becomes of a second run on a session."""

    def __init__(self, conflict: Conflict) -> None:
        self._conflict = conflict
        self._leases: dict[Key, _Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    async def claim(self, key: Key, stop: Stop, queue: LiveRequestQueue) -> None:
        """Leases a session to a run, as soon as no other run has it. Raises `SessionBusy` when it is refused."""
        while (other := self._leases.get(key)) is not None and not other.stop.done.is_set():
            if self._conflict == "take_over":
                await other.stop.now(SessionBusy(f"Another live run took over session {key[1]}."))
            elif not await other.is_leaving():
                raise SessionBusy(f"Session {key[1]} is in another live run.")
        self._leases[key] = _Lease(stop, queue)

    def release(self, key: Key, stop: Stop) -> None:
        """The run that ends by `stop` has its session no more."""
        if (lease := self._leases.get(key)) is not None and lease.stop is stop:
            del self._leases[key]
        stop.done.set()

    async def end_all(self) -> None:
        """Ends every run that has a session."""
        await asyncio.gather(*(lease.stop.now() for lease in list(self._leases.values())))


class _Lease(NamedTuple):
    """A run that has a session: how to end it, and the queue that feeds it."""

    stop: Stop
    queue: LiveRequestQueue

    async def is_leaving(self) -> bool:
        """Whether the run has ended. A client that comes back at once, as a page does when it is loaded anew, is
        given the moment that its old run needs to notice that it left."""
        signs: set[asyncio.Future[Any]] = {asyncio.create_task(self.stop.done.wait()), self.queue.closing()}
        try:
            done, _ = await asyncio.wait(signs, timeout=_LEAVING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sign in signs:
                sign.cancel()
        if done:
            await self.stop.done.wait()
        return bool(done)
