"""Does a deed once: calls of one idempotency key share one run, and its result once it succeeded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

from fullduplex.tools.running import stop


@dataclass
class _Run:
    task: asyncio.Task[Any]
    waiting: int = 0
    leaving: bool = False


class Once:
    """The keyed runs of one session: those that work, and those that succeeded since this object was made."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, _Run] = {}

    async def run(
        self,
        key: Hashable,
        work: Callable[[], Awaitable[Any]],
        *,
        succeeded: Callable[[Any], bool],
        stoppable: bool,
    ) -> Any:
        """The result of the one run for `key`: of `work()`, if none works or has `succeeded` yet.

        The run is cancelled when nobody waits for it any more. One that is not `stoppable`, because it is in a thread,
        works on, and a later call finds it. What did not succeed is done again by the next call.
        """
        while (run := self._runs.get(key)) is not None and run.leaving:
            await asyncio.wait([run.task])
        if run is None:
            run = self._begin(key, work, succeeded)
        run.waiting += 1
        try:
            await asyncio.wait([run.task])
        finally:
            run.waiting -= 1
            if not run.waiting and stoppable and not run.task.done():
                run.leaving = True
                await stop(run.task)
        return run.task.result()

    def _begin(self, key: Hashable, work: Callable[[], Awaitable[Any]], succeeded: Callable[[Any], bool]) -> _Run:
        async def working() -> Any:
            return await work()

        def judge(task: asyncio.Task[Any]) -> None:
            if task.cancelled() or task.exception() is not None or not succeeded(task.result()):
                del self._runs[key]

        run = self._runs[key] = _Run(asyncio.create_task(working(), name=f"run of {key}"))
        run.task.add_done_callback(judge)
        return run
