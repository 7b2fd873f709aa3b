"""What belongs to one event loop, as connections do: made when the loop first asks, closed at its end at the latest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One thing for each event loop that asks for it: `make` makes it, `end` closes it in its own loop.

    So an object may be used in several loops, one after another (`asyncio.run` twice) or at once (in threads).
    """

    def __init__(self, make: Callable[[], T], end: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._end = end
        self._things: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}

    async def here(self) -> T:
        """The running loop's own."""
        loop = asyncio.get_running_loop()
        if loop not in self._things:
            thing = self._make()
            keeper = self._keep(loop, thing)
            self._things[loop] = thing, keeper
            await anext(keeper)
        return self._things[loop][0]

    async def close(self) -> None:
        """Closes the running loop's own; another is made when it is asked for."""
        if (kept := self._things.get(asyncio.get_running_loop())) is not None:
            await kept[1].aclose()

    def __len__(self) -> int:
        return len(self._things)

    async def _keep(self, loop: asyncio.AbstractEventLoop, thing: T) -> AsyncGenerator[None, None]:
        """Waits for its end: a loop that `asyncio.run` ends closes the generators that are left."""
        try:
            yield
        finally:
            del self._things[loop]
            await self._end(thing)
