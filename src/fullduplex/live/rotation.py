"""The next line, opened before the one in use is left: the backend sends us away, or the context is too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fullduplex.errors import ConnectionLost
from fullduplex.live.line import Line
from fullduplex.live.opening import Opening
from fullduplex.turns.reconnect import Verdict, leave_after


class Rotation:
    """One change of lines after another. `ready` is called when a change may have become possible."""

    def __init__(self, opening: Opening, group: asyncio.TaskGroup, ready: Callable[[], None]) -> None:
        self._opening = opening
        self._group = group
        self._ready = ready
        self._timers: list[asyncio.TimerHandle] = []
        self.next: Line | None = None
        self.time_is_up = False

    @property
    def is_on(self) -> bool:
        """Whether a change is coming."""
        return self.next is not None or bool(self._timers)

    def send_off(self, time_left: str | None) -> None:
        """The backend will close the line in use. The first time the next is opened at once, then ever more slowly.

        Raises `ConnectionLost` when it has sent us away too often.
        """
        if self._timers:
            return
        delay = self._opening.next_delay()
        if delay is None:
            raise ConnectionLost("the model sends us away again and again", close_code=1001)
        self._opening.connected()
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(leave_after(time_left), self._call_time))
        if self._opening.is_first_delay(delay):
            self.prepare()
        else:
            self._timers.append(loop.call_later(delay, self.prepare))

    def prepare(self) -> None:
        """Opens the next line now."""
        if self.next is None:
            self.next = line = self._opening.new_line(self._opening.handle)
            self._group.create_task(self._await(line), name="next line")

    def take(self) -> Line | None:
        """The next line, if there is one; the change is made."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.time_is_up = False
        line, self.next = self.next, None
        return line

    async def _await(self, line: Line) -> None:
        await line.opened()
        if line is not self.next:
            return
        if not line.was_refused:
            self._ready()
            return
        self.next = None  # any other failure than an old handle is met when the line in use is lost
        if line.lost is not None and (
            self._opening.verdict(line.lost, refused=True, closed=False) is Verdict.WITHOUT_HANDLE
        ):
            self._opening.handle = None
            self.prepare()

    def _call_time(self) -> None:
        self.time_is_up = True
        self._ready()
