"""Several streams read as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from fullduplex.text.together import together


async def count(name: str, to: int, log: list[str]) -> AsyncGenerator[str, None]:
    try:
        for number in range(to):
            log.append(f"{name}{number}")
            yield f"{name}{number}"
    finally:
        log.append(f"{name} closed")


async def test_all_items_come_each_stream_in_its_order() -> None:
    items = [item async for item in together([count("a", 3, []), count("b", 2, []), count("c", 0, [])])]
    assert sorted(items) == ["a0", "a1", "a2", "b0", "b1"]
    assert [item for item in items if item[0] == "a"] == ["a0", "a1", "a2"]


async def test_no_stream_runs_ahead_of_its_reader() -> None:
    log: list[str] = []
    async with aclosing(together([count("a", 5, log)])) as items:
        await anext(items)
        await asyncio.sleep(0.01)
        assert log == ["a0"]
    assert log == ["a0", "a closed"]


async def test_the_first_that_fails_ends_the_others() -> None:
    async def broken() -> AsyncGenerator[str, None]:
        yield "b"
        raise ValueError("broken")

    log: list[str] = []
    with pytest.raises(ValueError, match="broken"):
        async for _ in together([count("a", 10_000, log), broken()]):
            pass
    assert log[-1] == "a closed"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_nothing_to_read() -> None:
    assert [item async for item in together([])] == []
