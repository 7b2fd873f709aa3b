"""Which error counts, and who was cancelled, when tasks end."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex.live.unwinding import first_error, raise_first, stop
from fullduplex.tools.running import cancelled_from_outside


def test_the_first_error_is_found_in_groups_of_groups() -> None:
    inner = ValueError("a")
    assert first_error(ExceptionGroup("", [ExceptionGroup("", [inner, KeyError("b")]), OSError("c")])) is inner
    assert first_error(inner) is inner


async def test_an_error_comes_out_of_its_task_and_its_groups() -> None:
    async def fail() -> None:
        async with asyncio.TaskGroup():
            raise ValueError("a")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    with pytest.raises(ValueError, match="a"):
        raise_first(task)


async def test_tasks_are_stopped_whatever_they_do_about_it() -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("at the end")

    waiting, failing = asyncio.create_task(asyncio.sleep(60)), asyncio.create_task(fail())
    await asyncio.sleep(0)
    await stop(waiting, failing)
    assert waiting.cancelled()
    assert isinstance(failing.exception(), ValueError)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_task_that_ended_well_or_was_cancelled_raises_nothing(cancelled: bool) -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    if cancelled:
        task.cancel()
    await asyncio.wait([task])
    raise_first(task)


async def test_a_cancellation_is_remembered_after_it_was_met() -> None:
    seen = []

    async def work() -> None:
        seen.append(cancelled_from_outside())
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append(cancelled_from_outside())

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert seen == [False, True]


async def test_a_cancellation_of_something_else_is_not_ours() -> None:
    other = asyncio.create_task(asyncio.sleep(10))
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    assert not cancelled_from_outside()
