"""An asynchronous stream read by code that is not: the stream runs in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Generic, TypeVar

T = TypeVar("T")


def read(stream: Callable[[], AsyncGenerator[T, None]]) -> Generator[T]:
    """The items of `stream()`, each made when it is asked for; raises what it raises.

    A generator that is closed early cancels the stream, and returns when that has ended.
    """
    reader = _Reader(stream)
    thread = threading.Thread(target=reader.run, name="text run", daemon=True)
    thread.start()
    try:
        while not isinstance(found := reader.items.get(), _End):
            yield found
            reader.take()
        if found.error is not None:
            raise found.error
    finally:
        reader.stop()
        thread.join()


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Reader(Generic[T]):
    def __init__(self, stream: Callable[[], AsyncGenerator[T, None]]) -> None:
        self.items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._stream = stream
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()

    def run(self) -> None:
        """Reads the stream to its end; runs in the thread."""
        error: BaseException | None = None
        try:
            asyncio.run(self._read())
        except BaseException as caught:  # raised where the items are read
            error = caught
        self.items.put(_End(error))

    def take(self) -> None:
        """The last item has been used: on to the next."""
        self._tell(self._taken.set)

    def stop(self) -> None:
        """Nobody reads on."""
        if self._task is not None:
            self._tell(self._task.cancel)

    async def _read(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        async with aclosing(self._stream()) as items:
            async for item in items:
                self._taken.clear()
                self.items.put(item)
                await self._taken.wait()

    def _tell(self, what: Callable[[], object]) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # its loop is closed: the stream has ended
            pass
