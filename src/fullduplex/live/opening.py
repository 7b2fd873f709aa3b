"""Opens a connection for as long as somebody wants it: a user who hangs up meanwhile need not wait for the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from fullduplex.models.base import LiveConnection
from fullduplex.requests import LiveRequestQueue


async def open_unless_closed(
    stack: AsyncExitStack,
    opening: AbstractAsyncContextManager[LiveConnection],
    queue: LiveRequestQueue,
    waits: Callable[[], bool],
) -> LiveConnection | None:
    """The connection, entered on `stack`; None when `queue` was closed first and nothing `waits` to be sent.

    Raises what the backend raises.
    """
    limit = asyncio.timeout(None)

    async def give_up() -> None:
        await queue.wait_closed()
        if not waits():
            limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with limit:
            watch = asyncio.create_task(give_up(), name="watch for a hang-up")
            try:
                return await stack.enter_async_context(opening)
            finally:
                watch.cancel()
                await asyncio.wait([watch])
    except TimeoutError:
        if limit.expired():
            return None
        raise
