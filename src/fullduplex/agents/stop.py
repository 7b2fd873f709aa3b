"""How a run is ended from outside: by another run that takes over its session, or by the runner's close."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future

from fullduplex.errors import FullduplexError


class Stopped(FullduplexError):
    """Raised inside a run to end it without an error."""


class Stop:
    """Ends one run, and knows when the run has let go of its session. The runs of a runner may be on several event
    loops: any thread may ask, and wait."""

    def __init__(self) -> None:
        self.reason: FullduplexError | None = None
        self._lock = threading.Lock()
        self._asked = _mark()
        self._over = _mark()
        self._rests = False
        self._has_begun = False
        self._interrupt: Callable[[], object] | None = None

    def ask(self, reason: FullduplexError | None = None) -> None:
        """Ends the run soon, with `reason` as its error."""
        with self._lock:
            self.reason = reason
            _set(self._asked)
            if self._rests:
                _set(self._over)
            elif self._interrupt is not None:
                with contextlib.suppress(RuntimeError):  # its loop is closed: nothing works there any more
                    self._interrupt()

    def call_off(self) -> None:
        """Ends the run, if it has not begun to work by itself yet."""
        if not self._has_begun:
            self.ask()

    def asked(self) -> asyncio.Future[None]:
        """A future of this event loop that is done when somebody has asked."""
        return asyncio.wrap_future(self._asked)

    @property
    def is_over(self) -> bool:
        """Whether the run has let go of its session."""
        return self._over.done()

    def over(self) -> None:
        """The run has let go of its session."""
        with self._lock:
            _set(self._over)

    async def ended(self) -> None:
        """Returns when the run has let go of its session."""
        await asyncio.wrap_future(self._over)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """In here a run that its reader drives works on its session, and whoever asks interrupts it; between two
        times in here it rests and does nothing, so that it loses the session at once. Raises the reason of the end."""
        if self._interrupt is not None:  # it is in here already
            yield
            return
        loop = asyncio.get_running_loop()
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self.begin(lambda: loop.call_soon_threadsafe(_expire, scope))
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._end() from None
        finally:
            self._rest()

    def begin(self, interrupt: Callable[[], object] | None = None) -> None:
        """From now on the run works on its session, and whoever asks waits until it is `over`; `interrupt` is called
        when somebody does. Raises the reason of the end when somebody has."""
        with self._lock:
            if self._asked.done():
                raise self._end()
            self._rests, self._interrupt = False, interrupt
            self._has_begun = interrupt is None

    @staticmethod
    def is_quiet(error: BaseException) -> bool:
        """Whether `error` ends a run without being an error of it."""
        return isinstance(error, Stopped)

    def _rest(self) -> None:
        with self._lock:
            self._rests, self._interrupt = True, None
            if self._asked.done():
                _set(self._over)

    def _end(self) -> FullduplexError:
        return self.reason or Stopped("the runner was closed")


def _mark() -> Future[None]:
    """What is set once, by any thread; whoever waits for it cannot cancel it."""
    mark: Future[None] = Future()
    mark.set_running_or_notify_cancel()
    return mark


def _set(mark: Future[None]) -> None:
    if not mark.done():
        mark.set_result(None)


def _expire(scope: asyncio.Timeout) -> None:
    with contextlib.suppress(RuntimeError):  # it was left meanwhile
        scope.reschedule(asyncio.get_running_loop().time())
