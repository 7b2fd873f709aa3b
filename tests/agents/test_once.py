"""A deed is done once, however many ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fullduplex.agents.once import Once
from tests.live.kit import settle, virtual


class Deed:
    """Work that is counted."""

    def __init__(self, *results: object) -> None:
        self.results = list(results)
        self.begun = self.now = self.most = 0

    async def __call__(self) -> object:
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(1)
        finally:
            self.now -= 1
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def ask(once: Once, deed: Callable[[], Awaitable[object]], stoppable: bool = True) -> asyncio.Task[object]:
    return asyncio.create_task(
        once.run("key", deed, succeeded=lambda result: result != "bad", stoppable=stoppable), name="caller"
    )


@virtual
async def test_calls_at_once_share_the_run_and_later_ones_its_result() -> None:
    once, deed = Once(), Deed("done")
    assert await asyncio.gather(ask(once, deed), ask(once, deed)) == ["done", "done"]
    assert await ask(once, deed) == "done"
    assert deed.begun == 1


@virtual
async def test_what_did_not_succeed_is_done_again() -> None:
    once, deed = Once(), Deed("bad", ValueError("x"), "done")
    assert await ask(once, deed) == "bad"
    assert isinstance((await asyncio.gather(ask(once, deed), return_exceptions=True))[0], ValueError)
    assert await ask(once, deed) == "done"
    assert (deed.begun, deed.most) == (3, 1)


@virtual
async def test_the_run_ends_with_the_last_who_waits_and_the_next_begins_after_it() -> None:
    once, deed = Once(), Deed("done")
    first, second = ask(once, deed), ask(once, deed)
    await settle()
    first.cancel()
    await settle()
    assert deed.now == 1
    second.cancel()
    third = ask(once, deed)
    assert await third == "done"
    assert (deed.begun, deed.most) == (2, 1)


@virtual
async def test_a_run_in_a_thread_goes_on_and_is_found_again() -> None:
    once, deed = Once(), Deed("done")
    first = ask(once, deed, stoppable=False)
    await settle()
    first.cancel()
    await settle()
    assert await ask(once, deed, stoppable=False) == "done"
    assert deed.begun == 1
