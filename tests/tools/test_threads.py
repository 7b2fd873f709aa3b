"""Blocking functions beside the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from fullduplex.tools.threads import in_thread

word: contextvars.ContextVar[str] = contextvars.ContextVar("word")


async def test_the_result_comes_back_from_another_thread_with_the_callers_context() -> None:
    word.set("here")
    name, ident = await in_thread(lambda: (word.get(), threading.get_ident()))
    assert name == "here"
    assert ident != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), KeyError("k")], ids=lambda e: type(e).__name__)
async def test_an_error_comes_back_as_itself(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await in_thread(fail)
    assert raised.value is error


async def test_stop_iteration_cannot_pass_a_future_and_becomes_an_error() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_thread(lambda: next(iter(())))


async def test_the_loop_goes_on_meanwhile() -> None:
    free = threading.Event()
    task = asyncio.create_task(in_thread(lambda: free.wait(10)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    free.set()
    assert await task is True


async def test_cancelling_abandons_the_thread_and_does_not_wait_for_it() -> None:
    free, ended = threading.Event(), threading.Event()

    def work() -> None:
        free.wait(10)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 5
    free.set()
    assert await asyncio.to_thread(ended.wait, 10)
    await asyncio.sleep(0)


def test_a_thread_that_outlives_its_loop_ends_in_silence() -> None:
    free, ended = threading.Event(), threading.Event()

    def work() -> None:
        free.wait(10)
        ended.set()

    async def main() -> None:
        task = asyncio.create_task(in_thread(work, name="late"))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    free.set()
    assert ended.wait(10)
    for thread in threading.enumerate():
        if thread.name == "fullduplex-late":
            thread.join(10)
