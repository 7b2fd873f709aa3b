"""However a run ends, all of it ends: no task, no connection, no half-written session stays behind (row 149)."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import aclosing
from typing import Any

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner
from fullduplex.errors import FullduplexError, SessionBusy
from fullduplex.events import Event
from fullduplex.live import LiveSettings
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from tests.live.kit import (
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    clocked,
    leftovers,
    said,
    settle,
    text,
    user,
    virtual,
)


async def endless() -> None:
    await asyncio.sleep(1e6)


async def prepared(**settings: Any) -> tuple[Runner, ScriptedModel]:
    model = ScriptedModel()
    agent = Agent(name="guide", model=model, tools=[endless])
    runner = Runner(app_name="app", agent=agent, session_service=InMemorySessionService(), engine=clocked(), **settings)
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    return runner, model


def live(runner: Runner, queue: LiveRequestQueue | None = None) -> Any:
    return runner.run_live(user_id="u", session_id="s", live_request_queue=queue or LiveRequestQueue())


async def saved(runner: Runner) -> list[str]:
    session = await runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
    assert session is not None
    return [event.content.text if event.content else "" for event in session.events]


async def talking(model: ScriptedModel, number: int = 1) -> None:
    """The model in the middle of an answer, with a tool at work."""
    connection = await model.opened(number)
    connection.say(calls(("c1", "endless")))
    connection.say(said("One, "))
    connection.say(text("One, "))
    connection.say(text("two"))


@pytest.mark.spec(149)
@virtual
async def test_aclose_ends_everything() -> None:
    runner, model = await prepared()
    driver = asyncio.create_task(talking(model))
    events = live(runner)
    async for event in events:
        if event.partial and event.content is not None:
            break
    await driver
    await events.aclose()
    assert leftovers() == []
    assert model.connections[0].closed
    assert "One, two" in await saved(runner)


@pytest.mark.spec(149)
@virtual
async def test_break_out_of_the_loop_ends_everything() -> None:
    runner, model = await prepared()
    driver = asyncio.create_task(talking(model))
    async with aclosing(live(runner)) as events:
        async for event in events:
            if event.partial:
                break
    await driver
    assert leftovers() == []
    assert model.connections[0].closed


@pytest.mark.spec(149)
@virtual
async def test_a_generator_that_is_just_dropped_ends_everything_when_it_is_collected() -> None:
    runner, model = await prepared()
    driver = asyncio.create_task(talking(model))
    async for event in live(runner):
        if event.partial:
            break
    await driver
    gc.collect()
    await settle()
    assert leftovers() == []
    assert model.connections[0].closed
    assert "One, two" in await saved(runner)
    assert len(runner._leases) == 0


@pytest.mark.spec(149)
@pytest.mark.parametrize("steps", range(0, 40, 3))
@virtual
async def test_cancelling_the_app_ends_everything(steps: int) -> None:
    runner, model = await prepared()

    async def app() -> None:
        async for _ in live(runner):
            pass

    task = asyncio.create_task(app())
    driver = asyncio.create_task(talking(model))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    driver.cancel()
    await asyncio.wait([driver])
    assert leftovers() == []
    assert all(connection.closed for connection in model.connections)
    assert len(runner._leases) == 0


@pytest.mark.spec(149)
@virtual
async def test_an_error_in_the_apps_loop_ends_everything() -> None:
    runner, model = await prepared()
    driver = asyncio.create_task(talking(model))

    async def app() -> None:
        async with aclosing(live(runner)) as events:
            async for event in events:
                if event.partial:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await app()
    await driver
    assert leftovers() == []
    assert model.connections[0].closed


@pytest.mark.spec(149)
@virtual
async def test_an_error_of_the_backend_ends_everything() -> None:
    call = await Call.start(tools=[endless])
    connection = await call.play(calls(("c1", "endless")), text("One"))
    connection.lose(1011, recoverable=False)
    await asyncio.wait([call.reader])
    assert leftovers() == []
    assert call.short == ["call-c1", "P:One", "M:One!", "error-connection_lost"]
    assert connection.closed


@pytest.mark.spec(149)
@virtual
async def test_a_second_cancellation_while_it_ends_leaves_nothing_either() -> None:
    store = _Store(delay=0.5)
    call = await Call.start(tools=[endless], store=store)
    await call.play(calls(("c1", "endless")), text("One"))
    call.reader.cancel()
    await asyncio.sleep(0.1)
    call.reader.cancel()
    await asyncio.wait([call.reader])
    await asyncio.sleep(5)
    assert leftovers() == []


@pytest.mark.spec(149)
def test_the_end_of_the_loop_ends_everything() -> None:
    """`asyncio.run` cancels all tasks at once, the engine's own too."""
    ended: list[bool] = []

    async def main() -> None:
        runner, model = await prepared()

        async def app() -> None:
            async for _ in live(runner):
                pass

        background = asyncio.create_task(app())
        background.add_done_callback(lambda task: ended.append(task.cancelled()))
        await talking(model)
        await asyncio.sleep(0.01)
        stores.append(runner)

    stores: list[Runner] = []
    asyncio.run(main())
    assert ended == [True]
    assert "One, two" in asyncio.run(saved(stores[0]))


@pytest.mark.spec(149)
@virtual
async def test_a_run_that_was_never_read_has_nothing_to_end() -> None:
    runner, model = await prepared()
    events = live(runner)
    await events.aclose()
    assert model.connections == []
    assert leftovers() == []


@virtual
async def test_what_was_said_last_is_shown_and_kept_when_the_app_closes() -> None:
    call = await Call.start()
    await call.play(audio(), said("I was"), text("half a sen"))
    assert await call.end() == ["audio", "P-out:I was", "P:half a sen", "M-out:I was", "M:half a sen!"]
    assert await call.saved_short() == ["M-out:I was", "M:half a sen!"]


# -- the store --------------------------------------------------------------------------------------------------


class _Store(InMemorySessionService):
    """A store that takes `delay` seconds for an event, and fails from the event number `fails_at` on."""

    def __init__(self, delay: float = 0.0, fails_at: int | None = None) -> None:
        super().__init__()
        self.delay, self.fails_at, self.count = delay, fails_at, 0

    async def append_event(self, session: Any, event: Event) -> Event:
        if self.delay:
            await asyncio.sleep(self.delay)
        self.count += 1
        if self.fails_at is not None and self.count >= self.fails_at:
            raise OSError("disk full")
        return await super().append_event(session, event)


@virtual
async def test_a_slow_store_delays_neither_the_model_nor_what_is_sent_and_loses_nothing() -> None:
    call = await Call.start(store=_Store(delay=1.0))
    call.queue.send_content(user("hi"))
    connection = await call.connection()
    await settle()
    for number in range(10):
        connection.say(text(str(number)))
        connection.say(TURN_COMPLETE)
    await settle()
    assert connection._inbox.empty()
    call.queue.send_content(user("more"))
    await settle()
    assert len(connection.sent) == 2
    assert [e for e in await call.end() if not e.startswith("P")] == [w for n in range(10) for w in (f"M:{n}", "end")]
    assert await call.saved_short() == ["user:hi", *[w for n in range(10) for w in (f"M:{n}", "end")], "user:more"]


@virtual
async def test_a_store_that_never_answers_is_given_up_on_and_the_app_still_hears_the_end(caplog) -> None:
    call = await Call.start(store=_Store(delay=1e5), settings=LiveSettings(store_deadline_s=2.0))
    await call.play(text("Hi"), TURN_COMPLETE)
    with caplog.at_level(logging.ERROR):
        assert await call.end() == ["P:Hi", "M:Hi", "end"]
    assert asyncio.get_running_loop().time() < 5
    assert "could not be written to its end: 2 events are missing" in caplog.text


@virtual
async def test_a_cancelled_run_does_not_wait_long_for_its_store() -> None:
    call = await Call.start(store=_Store(delay=1.0), settings=LiveSettings(store_deadline_s=2.0))
    connection = await call.connection()
    for _ in range(50):
        connection.say(TURN_COMPLETE)
    await settle()
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert asyncio.get_running_loop().time() < 3
    assert leftovers() == []


@virtual
async def test_a_store_that_fails_ends_the_run_and_the_app_is_told(caplog) -> None:
    call = await Call.start(store=_Store(fails_at=3))
    with caplog.at_level(logging.ERROR):
        connection = await call.play(text("Hi"), TURN_COMPLETE, text("again"), TURN_COMPLETE)
        with pytest.raises(OSError, match="disk full"):
            await call.reader
    assert call.short[:4] == ["P:Hi", "M:Hi", "end", "P:again"]
    assert "error-internal" in call.short
    assert [event.recoverable for event in call.events if event.error_code] == [False]
    assert connection.closed
    assert len((await call.saved()).events) == 2


@virtual
async def test_a_session_that_is_deleted_meanwhile_ends_the_run(caplog) -> None:
    call = await Call.start()
    await call.play(text("Hi"), TURN_COMPLETE)
    session = await call.saved()
    await call.runner.session_service.delete_session(app_name="app", user_id="u", session_id=session.id)
    with caplog.at_level(logging.ERROR):
        await call.play(text("Hi"), TURN_COMPLETE)
        with pytest.raises(FullduplexError) as raised:
            await call.reader
    assert raised.value.code == "session_not_found"
    assert "error-session_not_found" in call.short


# -- two runs on one session ------------------------------------------------------------------------------------


@virtual
async def test_a_second_run_on_a_session_is_refused() -> None:
    runner, model = await prepared()
    queue = LiveRequestQueue()
    first = live(runner, queue)
    await anext(first)
    with pytest.raises(SessionBusy) as raised:
        await anext(live(runner))
    assert raised.value.code == "session_busy"
    queue.close()
    assert [event async for event in first] == []
    assert len(model.connections) == 1
    again = live(runner)
    await anext(again)
    await again.aclose()


@virtual
async def test_a_second_run_takes_over_by_setting() -> None:
    runner, model = await prepared(live_conflict="take_over")
    first_events: list[Event] = []

    async def first_app() -> None:
        async for event in live(runner):
            first_events.append(event)

    first = asyncio.create_task(first_app())
    await talking(model)
    await settle()
    second = live(runner)
    assert (await anext(second)).setup_complete is not None
    with pytest.raises(SessionBusy):
        await first
    assert model.connections[0].closed
    assert (first_events[-1].error_code, first_events[-1].recoverable) == ("session_busy", False)
    assert ("model", "One, two") in [(turn.role, turn.text) for turn in model.connections[1].request.history]
    await second.aclose()


@virtual
async def test_a_run_that_nobody_reads_any_more_can_be_taken_over() -> None:
    runner, _ = await prepared(live_conflict="take_over")
    first = live(runner)
    await anext(first)
    second = live(runner)
    await anext(second)
    await second.aclose()
    await first.aclose()


@virtual
async def test_many_that_want_the_session_at_once_get_it_one_after_another() -> None:
    runner, model = await prepared(live_conflict="take_over")
    outcomes: list[str] = []

    async def app() -> None:
        queue = LiveRequestQueue()
        try:
            async for event in live(runner, queue):
                if event.setup_complete:
                    await asyncio.sleep(1)
                    queue.close()
            outcomes.append("done")
        except SessionBusy:
            outcomes.append("busy")

    await asyncio.gather(*(app() for _ in range(10)))
    assert sorted(outcomes) == ["busy"] * 9 + ["done"]
    assert sum(not connection.closed for connection in model.connections) == 0


@virtual
async def test_closing_the_runner_ends_its_runs_without_an_error() -> None:
    runner, model = await prepared()
    events: list[Event] = []

    async def app() -> None:
        async for event in live(runner):
            events.append(event)

    task = asyncio.create_task(app())
    await talking(model)
    await settle()
    async with runner:
        pass
    await task
    assert model.connections[0].closed
    assert not any(event.error_code for event in events)
    assert leftovers() == []
