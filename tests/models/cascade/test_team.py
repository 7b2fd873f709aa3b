"""Agents on the embedded model that follow one another in a real run: no key, no network, and in writing no sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fullduplex import Agent, RunConfig, Runner
from fullduplex.agents import LoopAgent, SequentialAgent
from fullduplex.agents.base import BaseAgent
from fullduplex.events import Event
from fullduplex.models.cascade.live import Cascade
from fullduplex.sessions import InMemorySessionService
from fullduplex.tools.flow import exit_loop
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
        ("billing", "This is billing. You can say, for example: how much do I owe."),
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
        ("broker", "Watch price has begun. I will tell you what comes."),
        ("broker", "GOOG is at 300."),
        ("broker", "GOOG is at 400."),
    ]
    assert await say(call, "stop watching") == [
        ("broker", "calls stop_streaming"),
        ("broker", "Successfully stopped streaming function watch_price."),
    ]
    await call.end()


def set_name(name: str) -> str:
    """Notes a name. "my name is {name}"."""
    return f"Hello {name}."


def set_age(age: int) -> str:
    """Notes an age. "I am {age} years old"."""
    return f"{age}, noted."


def add_item(item: str) -> str:
    """Notes an item. "add {item}"."""
    return f"{item}, noted."


@virtual
async def test_the_steps_of_a_form_follow_one_another() -> None:
    steps = [agent("name", tools=[set_name]), agent("age", tools=[set_age])]
    call = await begin(SequentialAgent(name="form", sub_agents=steps))
    assert await say(call, "hello", "my name is Ada") == [
        ("name", "Hello. I am a scripted tool router, not a language model. Try: my name is name."),
        ("name", "calls set_name"),
        ("name", "Hello Ada."),
        ("name", "calls task_completed"),
        ("age", "This is age. You can say, for example: I am five years old."),
    ]
    call.queue.send_content(user("I am 36 years old"))
    await call.reader  # the last step is done, and so is the run
    assert [told(event) for event in call.events if told(event)][-3:] == [
        ("age", "calls set_age"),
        ("age", "36, noted."),
        ("age", "calls task_completed"),
    ]


@virtual
async def test_a_loop_goes_on_until_the_user_has_had_enough() -> None:
    step = agent("list", tools=[add_item, exit_loop])
    call = await begin(LoopAgent(name="again", sub_agents=[step], max_iterations=5))
    one, two = await say(call, "add milk"), await say(call, "add bread")
    again = ("list", "This is list. You can say, for example: add item.")
    assert one == [("list", "calls add_item"), ("list", "milk, noted."), ("list", "calls task_completed"), again]
    assert two == [("list", "calls add_item"), ("list", "bread, noted."), ("list", "calls task_completed"), again]
    call.queue.send_content(user("that's all"))
    await call.reader
    assert ("list", "calls exit_loop") in [told(event) for event in call.events]
