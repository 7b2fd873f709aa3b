"""One run a session, live or in writing: the second waits for a moment, is refused, or takes over."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import LiveRequestQueue, Runner
from fullduplex.agents import BaseAgent, InvocationContext
from fullduplex.agents.stop import Stop
from fullduplex.errors import SessionBusy
from fullduplex.events import Event
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.clock import run_virtual
from tests.live.kit import clocked, leftovers, user, virtual

PACE_S = 0.4


class Talker(BaseAgent):
    """Says `words`, one after another, with a pause before each; live until the user hangs up."""

    words: int = 3

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for number in range(self.words):
            await asyncio.sleep(PACE_S)
            yield self.say(ctx, f"written {number}")

    async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for number in itertools.count():
            yield self.say(ctx, f"spoken {number}")
            try:
                async with asyncio.timeout(PACE_S):
                    await ctx.queue.closing()
                return
            except TimeoutError:
                pass

    def say(self, ctx: InvocationContext, words: str) -> Event:
        return Event(author=self.name, invocation_id=ctx.invocation_id, content=user(words))


class Desk:
    """A runner with one session, and the two ways to run on it."""

    def __init__(self, conflict: Any = "refuse", **agent: Any) -> None:
        self.runner = Runner(
            app_name="app",
            agent=Talker(name="talker", **agent),
            session_service=InMemorySessionService(),
            auto_create_session=True,
            live_conflict=conflict,
            engine=clocked(),
        )

    def write(self) -> AsyncGenerator[Event, None]:
        return self.runner.run_async(user_id="u", session_id="s", new_message=user("hello"))

    def call(self, queue: LiveRequestQueue | None = None) -> AsyncGenerator[Event, None]:
        return self.runner.run_live(user_id="u", session_id="s", live_request_queue=queue or LiveRequestQueue())

    async def saved(self) -> list[Event]:
        session = await self.runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
        return session.events if session is not None else []

    async def words(self) -> list[str]:
        return [event.content.text for event in await self.saved() if event.content is not None]


def now() -> float:
    return asyncio.get_running_loop().time()


async def take(run: AsyncGenerator[Event, None]) -> Event:
    """The first event of a run, which is then over."""
    async with aclosing(run):
        return await anext(run)


# -- in writing, while a call goes on ---------------------------------------------------------------------------


@pytest.mark.parametrize("conflict", ["refuse", "take_over"])
@virtual
async def test_a_text_run_is_refused_while_a_call_has_the_session_and_writes_nothing(conflict: str) -> None:
    desk = Desk(conflict)
    async with aclosing(desk.call()) as call:
        await anext(call)
        with pytest.raises(SessionBusy, match="in another live run") as raised:
            await take(desk.write())
        assert raised.value.code == "session_busy"
        await anext(call)
    assert not [words for words in await desk.words() if not words.startswith("spoken")]
    assert len(desk.runner._leases) == 0


@virtual
async def test_a_text_turn_and_a_call_follow_one_another_at_once() -> None:
    desk = Desk(words=1)
    for _ in range(2):
        queue = LiveRequestQueue()
        async for _ in desk.call(queue):
            queue.close()
        began = now()
        assert [event.content.text async for event in desk.write() if event.content] == ["written 0"]
        assert now() - began == pytest.approx(PACE_S)
    assert now() < 4 * PACE_S


@virtual
async def test_a_text_run_waits_for_a_call_that_is_just_being_closed() -> None:
    desk = Desk()
    queue = LiveRequestQueue()

    async def talk() -> None:
        async for _ in desk.call(queue):
            pass

    call = asyncio.create_task(talk())
    await asyncio.sleep(0.1)
    asyncio.get_running_loop().call_later(0.5, queue.close)
    await take(desk.write())
    await call


# -- a call, while somebody writes ------------------------------------------------------------------------------


@virtual
async def test_a_call_is_refused_while_a_text_run_has_the_session() -> None:
    desk = Desk(words=9)
    async with aclosing(desk.write()) as run:
        await anext(run)
        with pytest.raises(SessionBusy, match="in another text run"):
            await take(desk.call())
        assert (await anext(run)).content is not None
    await take(desk.call())
    assert len(desk.runner._leases) == 0


@virtual
async def test_a_text_run_at_work_is_taken_over_by_setting_and_its_reader_is_told() -> None:
    desk = Desk("take_over", words=9)
    told: list[Event] = []

    async def read() -> None:
        async for event in desk.write():
            told.append(event)

    reader = asyncio.create_task(read())
    await asyncio.sleep(1.5 * PACE_S)
    began = now()
    async with aclosing(desk.call()) as call:
        await anext(call)
        assert now() == began
        with pytest.raises(SessionBusy, match="took over"):
            await reader
        assert reader.cancelling() == 0
        assert [event.error_code for event in told] == [None, "session_busy"]
        assert told[-1].recoverable is False
        await anext(call)
    words = await desk.words()
    assert words[:2] == ["hello", "written 0"]
    assert all(one.startswith("spoken") for one in words[2:])


@virtual
async def test_a_text_run_that_nobody_reads_on_is_taken_over_and_writes_no_more() -> None:
    desk = Desk("take_over", words=9)
    run = desk.write()
    await anext(run)
    async with aclosing(desk.call()) as call:
        await anext(call)
        assert (await anext(run)).error_code == "session_busy"
        with pytest.raises(SessionBusy):
            await anext(run)
        await anext(call)
    assert "written 1" not in await desk.words()
    assert len(desk.runner._leases) == 0


@virtual
async def test_a_second_text_run_is_refused_unless_the_first_is_about_to_end() -> None:
    desk = Desk("take_over", words=4)
    first = asyncio.create_task(_read(desk.write()))
    await asyncio.sleep(0.1)
    with pytest.raises(SessionBusy, match="in another text run"):
        await take(desk.write())
    assert now() < 4 * PACE_S
    assert len(await _read(desk.write())) == 4
    assert len(await first) == 4


async def _read(run: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in run]


# -- however a text run ends, the session is free ---------------------------------------------------------------


async def _break_off(desk: Desk) -> None:
    async for _ in desk.write():
        break


async def _close(desk: Desk) -> None:
    await take(desk.write())


async def _cancel(desk: Desk) -> None:
    reader = asyncio.create_task(_read(desk.write()))
    await asyncio.sleep(1.5 * PACE_S)
    reader.cancel()
    await asyncio.wait([reader])


async def _never(desk: Desk) -> None:
    run = desk.write()
    await run.aclose()
    del run
    desk.write()


async def _drop(desk: Desk) -> None:
    await anext(desk.write())


async def _refuse(desk: Desk) -> None:
    message = user("no")
    message.parts = []
    with pytest.raises(ValueError, match="No parts"):
        await _read(desk.runner.run_async(user_id="u", session_id="s", new_message=message))
    with pytest.raises(ValueError, match="has no run"):
        await _read(desk.runner.run_async(user_id="u", session_id="s", invocation_id="e-none"))


async def _fail(desk: Desk) -> None:
    service = desk.runner.session_service
    desk.runner.session_service = _Broken()
    with pytest.raises(OSError, match="no disk"):
        await _read(desk.write())
    desk.runner.session_service = service


class _Broken(InMemorySessionService):
    async def append_event(self, session: Any, event: Event) -> Event:
        raise OSError("no disk")


@pytest.mark.parametrize(
    "end", [_break_off, _close, _cancel, _never, _drop, _refuse, _fail, lambda desk: _read(desk.write())]
)
@virtual
async def test_however_a_text_run_ends_a_call_begins_at_once(end: Any) -> None:
    desk = Desk()
    await end(desk)
    began = now()
    await take(desk.call())
    await take(desk.write())
    assert now() - began == pytest.approx(PACE_S)
    assert len(desk.runner._leases) == 0


@pytest.mark.parametrize("steps", range(12))
@virtual
async def test_a_text_run_that_is_cancelled_at_any_step_leaves_no_lease(steps: int) -> None:
    desk = Desk()
    reader = asyncio.create_task(_read(desk.write()))
    for _ in range(steps):
        await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert len(desk.runner._leases) == 0


@virtual
async def test_a_cancellation_that_comes_with_the_take_over_is_still_one() -> None:
    desk = Desk("take_over", words=9)
    reader = asyncio.create_task(_read(desk.write()))
    await asyncio.sleep(1.5 * PACE_S)
    call = asyncio.create_task(take(desk.call()))
    await asyncio.sleep(0)
    reader.cancel()
    await call
    with pytest.raises(asyncio.CancelledError):
        await reader


# -- on several event loops -------------------------------------------------------------------------------------


async def test_a_run_in_a_thread_is_refused_while_a_call_has_the_session() -> None:
    desk = Desk()
    async with aclosing(desk.call()) as call:
        await anext(call)
        run = desk.runner.run(user_id="u", session_id="s", new_message=user("hello"))
        with pytest.raises(SessionBusy):
            await asyncio.to_thread(next, run)


@pytest.mark.parametrize("reads_on", [False, True])
async def test_a_run_in_a_thread_is_taken_over_by_a_call(reads_on: bool) -> None:
    desk = Desk("take_over", words=1000)
    run = desk.runner.run(user_id="u", session_id="s", new_message=user("hello"))
    await asyncio.to_thread(next, run)
    reading = asyncio.create_task(asyncio.to_thread(next, run)) if reads_on else None
    async with aclosing(desk.call()) as call, asyncio.timeout(20):
        await anext(call)
        told = [await reading] if reading is not None else []
        while not told or told[-1].error_code is None:  # it may have said something more just before
            told.append(await asyncio.to_thread(next, run))
        assert told[-1].error_code == "session_busy"
        with pytest.raises(SessionBusy):
            await asyncio.to_thread(next, run)
    assert len(desk.runner._leases) == 0


async def test_a_call_on_another_loop_is_taken_over() -> None:
    desk = Desk("take_over")
    begun, outcome = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    async def talk() -> None:
        try:
            async for _ in desk.call():
                loop.call_soon_threadsafe(begun.set)
        except SessionBusy as error:
            outcome.append(error.code)

    thread = asyncio.create_task(asyncio.to_thread(asyncio.run, talk()))
    await begun.wait()
    async with asyncio.timeout(20):
        await take(desk.call())
        await thread
    assert outcome == ["session_busy"]


def test_a_run_that_is_cleared_away_after_its_loop_lets_go_of_its_session() -> None:
    loop = asyncio.new_event_loop()
    watch: asyncio.Future[None] = loop.create_future()
    watch.add_done_callback(lambda _: None)
    stop = Stop()
    stop.watched(watch)
    loop.close()
    stop.over()
    assert stop.is_over


def test_a_run_whose_loop_is_gone_has_its_session_no_more() -> None:
    desk = Desk()
    loop = asyncio.new_event_loop()
    run = desk.write()
    loop.run_until_complete(anext(run))
    loop.close()
    run_virtual(take(desk.call()))


# -- any order --------------------------------------------------------------------------------------------------

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["write", "call", "read", "close", "hang_up", "drop", "wait"]),
        st.integers(min_value=0, max_value=3),
    ),
    max_size=25,
)


@given(conflict=st.sampled_from(["refuse", "take_over"]), acts=ACTS)
@settings(deadline=None, max_examples=150)
def test_in_any_order_no_two_runs_write_in_turns(conflict: str, acts: list[tuple[str, int]]) -> None:
    run_virtual(_play(conflict, acts))


async def _play(conflict: str, acts: list[tuple[str, int]]) -> None:
    """Four clients, each with a run that it begins, reads on, leaves, or lets stand."""
    desk = Desk(conflict, words=4)
    queues = [LiveRequestQueue() for _ in range(4)]
    runs: dict[int, AsyncGenerator[Event, None]] = {}
    readers: list[asyncio.Task[Any]] = []
    busy: dict[int, asyncio.Task[Any]] = {}
    for act, who in acts:
        if act in ("write", "call") and who not in runs:
            queues[who] = LiveRequestQueue()
            runs[who] = desk.write() if act == "write" else desk.call(queues[who])
        if act in ("write", "call", "read") and who in runs and (who not in busy or busy[who].done()):
            busy[who] = asyncio.create_task(_step(runs[who]))
            readers.append(busy[who])
            await asyncio.sleep(0)
        elif act == "hang_up":
            queues[who].close()
        elif act in ("close", "drop") and who in runs:
            if who in busy:
                busy.pop(who).cancel()
                await asyncio.sleep(0.01)
            run = runs.pop(who)
            if act == "close":
                await run.aclose()
            del run
        elif act == "wait":
            await asyncio.sleep(PACE_S * who)
    for reader in busy.values():
        reader.cancel()
    await asyncio.wait([asyncio.create_task(asyncio.sleep(0)), *readers])
    for run in runs.values():
        await run.aclose()
    await asyncio.sleep(5)
    assert len(desk.runner._leases) == 0
    assert leftovers() == []
    writers = [invocation for invocation, _ in itertools.groupby(await desk.saved(), lambda event: event.invocation_id)]
    assert len(writers) == len(set(writers)), "two runs have written in turns"


async def _step(run: AsyncGenerator[Event, None]) -> None:
    try:
        await anext(run, None)
    except SessionBusy:
        pass
