"""How a run is ended from outside: by another run that takes over its session, or by the runner's close."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable

from fullduplex.errors import FullduplexError


class Stopped(FullduplexError):
    """Raised inside a run to end it without an error."""


class Stop:
    """Ends one run, and knows when the run has let go of its session. The runs of a runner may be on several event
    loops: any thread may ask, and wait."""

    __slots__ = ("_asked", "_has_begun", "_interrupt", "_lock", "_over", "_rests", "_watch", "reason")

    def __init__(self) -> None:
        self.reason: FullduplexError | None = None
        self._lock = threading.Lock()
        self._asked = _Mark()
        self._over = _Mark()
        self._rests = False
        self._has_begun = False
        self._interrupt: Callable[[], object] | None = None
        self._watch: asyncio.Future[None] | None = None

    def ask(self, reason: FullduplexError | None = None) -> None:
        """Ends the run soon, with `reason` as its error."""
        with self._lock:
            self.reason = reason
            self._asked.set()
            if self._rests:
                self._over.set()
            elif self._interrupt is not None:
                with contextlib.suppress(RuntimeError):  # its loop is closed: nothing works there any more
                    self._interrupt()

    def call_off(self) -> None:
        """Ends the run, if it has not begun to work by itself yet."""
        if not self._has_begun:
            self.ask()

    def watched(self, watch: asyncio.Future[None]) -> None:
        """`watch` may call the run off, and is cancelled when there is nothing to call off any more."""
        self._watch = watch

    def asked(self) -> asyncio.Future[None]:
        """A future of this event loop that is done when somebody has asked."""
        with self._lock:
            return self._asked.wait()

    @property
    def is_over(self) -> bool:
        """Whether the run has let go of its session."""
        return self._over.is_set

    def over(self) -> None:
        """The run has let go of its session."""
        with self._lock:
            self._over.set()
        self._unwatch()

    async def ended(self) -> None:
        """Returns when the run has let go of its session."""
        with self._lock:
            over = self._over.wait()
        await over

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
            if self._asked.is_set:
                raise self._end()
            self._rests, self._interrupt = False, interrupt
            self._has_begun = interrupt is None
        if interrupt is None:
            self._unwatch()

    @staticmethod
    def is_quiet(error: BaseException) -> bool:
        """Whether `error` ends a run without being an error of it."""
        return isinstance(error, Stopped)

    def _rest(self) -> None:
        with self._lock:
            self._rests, self._interrupt = True, None
            if self._asked.is_set:
                self._over.set()

    def _unwatch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None and not watch.get_loop().is_closed():
            watch.cancel()

    def _end(self) -> FullduplexError:
        return self.reason or Stopped("the runner was closed")


class _Mark:
    """What is set once, and who waits for it, on any event loop. Whoever uses it holds the lock of its `Stop`."""

    __slots__ = ("_waiting", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: list[asyncio.Future[None]] = []

    def set(self) -> None:
        self.is_set = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                one.get_loop().call_soon_threadsafe(_finish, one)

    def wait(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_set:
            future.set_result(None)
        else:
            self._waiting = [*(one for one in self._waiting if not one.done()), future]
        return future


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _expire(scope: asyncio.Timeout) -> None:
    with contextlib.suppress(RuntimeError):  # it was left meanwhile
        scope.reschedule(asyncio.get_running_loop().time())
