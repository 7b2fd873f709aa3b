"""The developer's code at work: what it raises is an outcome, and it cannot hold up who started it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fullduplex.tools.running import STOP_DEADLINE_S, Outcome, attempt, guard
from tests.live.kit import virtual


@pytest.mark.parametrize("failure", [ValueError("x"), SystemExit(3), asyncio.CancelledError("inner")], ids=repr)
async def test_what_code_raises_is_an_outcome(failure: BaseException) -> None:
    async def fail() -> None:
        raise failure

    async def work() -> int:
        return 3

    assert await attempt(fail) == Outcome(None, failure)
    assert await attempt(work) == Outcome(3)


@virtual
async def test_that_the_caller_is_cancelled_is_none() -> None:
    task = asyncio.create_task(attempt(lambda: asyncio.sleep(10)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@virtual
async def test_a_deadline_stops_the_task() -> None:
    task = asyncio.create_task(asyncio.sleep(10))
    with pytest.raises(TimeoutError):
        await guard(task, deadline_s=2)
    assert task.cancelled()
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.01)
    assert await guard(asyncio.create_task(asyncio.sleep(1, "done")), deadline_s=2) == "done"


@virtual
async def test_a_task_that_does_not_stop_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(10)

    with caplog.at_level(logging.ERROR), pytest.raises(TimeoutError):
        await guard(asyncio.create_task(stubborn(), name="it"), deadline_s=2)
    assert asyncio.get_running_loop().time() == pytest.approx(2 + STOP_DEADLINE_S, abs=0.01)
    assert "it does not stop" in caplog.text
    await asyncio.sleep(20)
