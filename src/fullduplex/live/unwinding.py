"""Small tools for the ends of tasks and task groups: which error counts, and who was cancelled."""

from __future__ import annotations

import asyncio
from typing import Any


def cancelled_from_outside() -> bool:
    """Whether the running task was told to stop, whatever it has met since.

    Code may also meet the cancellation of something it waited for. And a task group that ends with an error of its
    own forgets the cancellation of the task around it (Python 3.11 and 3.12), so that this must be asked after one.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
