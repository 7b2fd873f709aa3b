"""Runs code that somebody else wrote: whatever it raises is an outcome, and it cannot hold up who started it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

STOP_DEADLINE_S = 1.0


class Outcome(NamedTuple):
    """What a run came to: its result, or the error that ended it."""

    result: Any
    error: BaseException | None = None


def cancelled_from_outside() -> bool:
    """Whether the running task was told to stop, whatever it has met since.

    Code may also meet the cancellation of something it waited for. And a task group that ends with an error of its
    own forgets the cancellation of the task around it (Python 3.11 and 3.12), so that this must be asked after one.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def attempt(work: Callable[[], Awaitable[Any]]) -> Outcome:
    """What `work()` comes to. Only what is not its own affair is raised: that the caller is cancelled, or the program
    told to end."""
    try:
        return Outcome(await work())
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # the boundary of the developer's code
        if isinstance(error, asyncio.CancelledError) and cancelled_from_outside():
            raise
        return Outcome(None, error)


async def guard(task: asyncio.Task[T], *, deadline_s: float | None = None) -> T:
    """What `task` gives. It is stopped when the caller is cancelled, and after `deadline_s` (then: `TimeoutError`)."""
    try:
        await asyncio.wait([task], timeout=deadline_s)
        if not task.done():
            raise TimeoutError(f"{task.get_name()} did not end within {deadline_s:g} s")
    except (asyncio.CancelledError, TimeoutError):
        await stop(task)
        raise
    return task.result()


async def in_time(name: str, work: Callable[[], Coroutine[Any, Any, T]], deadline_s: float | None) -> T:
    """What `work()` gives. With a deadline it is stopped after so many seconds, and `TimeoutError` names it."""
    if deadline_s is None:
        return await work()
    loop = asyncio.get_running_loop()  # there is none where an abandoned run is cleared away after its loop
    return await guard(loop.create_task(work(), name=name), deadline_s=deadline_s)


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancels `task` and waits for its end. One that has not ended after a second is left behind."""
    task.cancel()
    await asyncio.wait([task], timeout=STOP_DEADLINE_S)
    if not task.done():
        logger.error("%s does not stop when it is cancelled; it is left behind", task.get_name())
