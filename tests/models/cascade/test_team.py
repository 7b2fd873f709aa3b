"""Agents on the embedded model that follow one another in a real run: no key, no network, and in writing no sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fullduplex import Agent, RunConfig, Runner
from fullduplex.agents.base import BaseAgent
from fullduplex.events import Event
from fullduplex.models.cascade.live import Cascade
from fullduplex.sessions import InMemorySessionService
from tests.live.kit import Call, clocked, user, virtual
from tests.models.cascade.fakes import FakeEngines

WRITTEN = RunConfig(response_modalities=["TEXT"])


def get_bill() -> str:
    """Tells the bill. "how much do I owe"."""
    return "You owe 42 dollars."


def book_room(nights: int) -> str:
    """Books a room. "book a room for {nights} nights"."""
    return f"Booked for {nights} nights."


def agent(name: str, **fields: Any) -> Agent:
    return Agent(name=name, model=Cascade(engines=FakeEngines()), **fields)


def house() -> Agent:
    billing = agent("billing", description="Knows bills and what you owe.", tools=[get_bill])
    rooms = agent("rooms", description="Books rooms.", tools=[book_room])
    return agent("lobby", description="Greets callers.", sub_agents=[billing, rooms])


async def begin(root: BaseAgent) -> Call:
    runner = Runner(app_name="app", agent=root, session_service=InMemorySessionService(), engine=clocked())
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    return Call(runner, None, session, WRITTEN)  # type: ignore[arg-type]


def told(event: Event) -> tuple[str, str] | None:
    """Who says what, or calls what."""
    calls = event.get_function_calls()
    if calls:
        return event.author, f"calls {calls[0].name}"
    return (event.author, event.content.text) if event.content and not event.partial and event.content.text else None


async def say(call: Call, *lines: str) -> list[tuple[str, str]]:
    """What is said and called while the user writes these lines, with time for an answer after each."""
    before = len(call.events)
    for line in lines:
        call.queue.send_content(user(line))
        await asyncio.sleep(3)
    return [one for event in call.events[before:] if (one := told(event)) is not None]


@virtual
async def test_the_question_goes_with_the_caller_and_is_answered_by_who_can() -> None:
    call = await begin(house())
    assert await say(call, "how much do I owe") == [
        ("lobby", "calls transfer_to_agent"),
        ("billing", "calls get_bill"),
        ("billing", "You owe 42 dollars."),
    ]
    assert await say(call, "how much do I owe") == [("billing", "calls get_bill"), ("billing", "You owe 42 dollars.")]
    await call.end()


@virtual
async def test_a_round_through_the_house() -> None:
    call = await begin(house())
    assert await say(call, "let me talk to billing", "I want to book a room", "book a room for two nights") == [
        ("lobby", "calls transfer_to_agent"),
        ("billing", "This is billing. You can say, for example: how much do i owe."),
        ("billing", "calls transfer_to_agent"),
        ("rooms", "This is rooms. You can say, for example: book a room for five nights."),
        ("rooms", "calls book_room"),
        ("rooms", "Booked for 2 nights."),
    ]
    assert await say(call, "back to the lobby", "tell me a joke") == [
        ("rooms", "calls transfer_to_agent"),
        ("lobby", "This is lobby. You can say, for example: talk to billing."),
        ("lobby", "I can't help with that. You can say, for example: talk to billing."),
    ]
    await call.end()


@virtual
async def test_a_stream_is_told_of_until_it_is_stopped() -> None:
    async def watch_price(symbol: str) -> AsyncGenerator[str, None]:
        """Watches a price. "watch the price of {symbol}"."""
        for price in range(300, 900, 100):
            await asyncio.sleep(1.1)
            yield f"{symbol} is at {price}."

    def stop_streaming(function_name: str) -> None:
        """Stops a streaming tool."""

    call = await begin(agent("broker", tools=[watch_price, stop_streaming]))
    assert await say(call, "watch the price of GOOG") == [
        ("broker", "calls watch_price"),
        ("broker", "watch price has begun. I will tell you what comes."),
        ("broker", "GOOG is at 300."),
        ("broker", "GOOG is at 400."),
    ]
    assert await say(call, "stop watching") == [
        ("broker", "calls stop_streaming"),
        ("broker", "Successfully stopped streaming function watch_price."),
    ]
    await call.end()
