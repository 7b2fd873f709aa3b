"""Runs a blocking function beside the event loop, in a daemon thread of its own.

A pool would make the process wait for a stuck tool before it can exit, and let a few slow tools starve the others.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def in_thread(func: Callable[[], Any], *, name: str = "tool") -> Any:
    """What `func()` returns or raises. Cancelling the caller abandons the thread; nothing can stop it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):
            future.set_exception(RuntimeError(f"{name} raised StopIteration"))
        else:
            future.set_exception(error)

    def work() -> None:
        result, failure = None, None
        try:
            result = context.run(func)
        except BaseException as error:  # the boundary between the thread and its caller
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=work, name=f"fullduplex-{name}", daemon=True).start()
    return await future
