"""Virtual time: sleeping takes none, in the order in which it would have ended."""

from __future__ import annotations

import asyncio
import time

import pytest

from fullduplex.testing.clock import run_virtual


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    begun = time.monotonic()
    assert run_virtual(main()) == pytest.approx(3600)
    assert time.monotonic() - begun < 5


def test_timers_fire_in_order_and_each_sees_its_own_time() -> None:
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(wait("c", 3), wait("a", 1), wait("b", 2))

    run_virtual(main())
    assert [name for name, _ in seen] == ["a", "b", "c"]
    assert [now for _, now in seen] == [pytest.approx(second, abs=1e-6) for second in (1, 2, 3)]


def test_timeouts_come_in_virtual_time() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        assert asyncio.get_running_loop().time() == pytest.approx(60)

    run_virtual(main())


def test_what_is_ready_comes_before_time_moves() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        order: list[int] = []

        async def busy() -> None:
            for step in range(1000):
                order.append(step)
                await asyncio.sleep(0)

        task = asyncio.create_task(busy())
        await asyncio.sleep(0.000001)
        assert len(order) == 1000
        await task
        assert loop.time() < 0.001

    run_virtual(main())


def test_another_thread_is_waited_for_when_nothing_else_is_planned() -> None:
    async def main() -> str:
        return await asyncio.to_thread(lambda: time.sleep(0.05) or "done")

    assert run_virtual(main()) == "done"


def test_an_error_comes_out() -> None:
    async def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(main())
