"""Several streams read as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Item(NamedTuple, Generic[T]):
    """Something that came, and what is set when it has been dealt with."""

    value: T
    done: asyncio.Event


async def together(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """The items of all `streams` as they come. A stream goes on when its last item has been dealt with.

    The first stream that fails ends the others. When this generator is closed all of them are closed.
    """
    waiting: asyncio.Queue[_Item[T] | Exception | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_feed(stream, waiting), name="one of several streams") for stream in streams]
    try:
        running = len(tasks)
        while running:
            found = await waiting.get()
            if isinstance(found, _Item):
                yield found.value
                found.done.set()
            elif found is None:
                running -= 1
            else:
                raise found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _feed(stream: AsyncGenerator[T, None], waiting: asyncio.Queue[_Item[T] | Exception | None]) -> None:
    failure: Exception | None = None
    try:
        async with aclosing(stream) as items:
            async for item in items:
                done = asyncio.Event()
                waiting.put_nowait(_Item(item, done))
                await done.wait()
    except Exception as error:  # raised where the items are read
        failure = error
    waiting.put_nowait(failure)
