"""Small tools for the ends of tasks and task groups: to stop them, and which error counts."""

from __future__ import annotations

import asyncio
from typing import Any


def first_error(errors: BaseException) -> Any:
    """The first error that is not itself a group."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors


def raise_first(task: asyncio.Task[None]) -> None:
    """Raises the error that ended `task`, if one did, as itself rather than in a group."""
    error = task.exception() if not task.cancelled() else None
    if error is not None:
        raise first_error(error) from None


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancels `tasks` and returns when they have ended. An error that one of them ended with stays to be asked for."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: nobody may be left to raise it
