"""Virtual time: an event loop in which sleeping takes no time, for tests of things that wait.

It jumps to the next timer whenever nothing else is ready. It is for code without sockets: a loop that waits for the
network would jump past it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves the loop's clock forward instead of waiting."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> Any:
        """What is ready now; otherwise the wait is skipped."""
        ready = super().select(0)
        if not ready and timeout:
            self.loop.advance(timeout)
        elif not ready and timeout is None:
            # Nothing is planned: only another thread can go on, so this must really wait.
            return super().select(None)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` moves only by its own jumps; it starts at 0."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._virtual = 0.0
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def advance(self, seconds: float) -> None:
        """Moves the clock."""
        self._virtual += seconds


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in virtual time, like `asyncio.run`."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
