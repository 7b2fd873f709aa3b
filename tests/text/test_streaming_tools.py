"""Tools that go on, in a streamed text run (row 112): what they yield comes as it comes, the last is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from fullduplex import Event, LiveRequestQueue
from tests.text.kit import SSE, Chat, call, user


async def prices(symbol: str) -> AsyncGenerator[str, None]:
    """Tells the prices of a stock."""
    for price in (300, 400, 900):
        await asyncio.sleep(0)
        yield f"{symbol} at {price}"


def values(chat: Chat, *, partial: bool | None) -> list[object]:
    return [
        (answer.response or {})["result"]
        for event in chat.events
        if event.partial is partial
        for answer in event.get_function_responses()
    ]


@pytest.mark.spec(112)
async def test_what_a_tool_yields_comes_on_the_way_and_the_last_is_the_answer() -> None:
    chat = Chat(call("prices", symbol="XY"), "It rises.", tools=[prices])
    await chat.say("watch XY", run_config=SSE)
    assert values(chat, partial=True) == ["XY at 300", "XY at 400", "XY at 900"]
    assert values(chat, partial=None) == ["XY at 900"]
    assert chat.asked()[-1] == "user: prices→{'result': 'XY at 900'}"
    answered = [event for event in (await chat.saved()).events if event.get_function_responses()]
    assert len(answered) == 1


async def test_without_a_stream_only_the_answer_comes() -> None:
    chat = Chat(call("prices", symbol="XY"), "It rises.", tools=[prices])
    assert await chat.say("watch XY") == ["call-prices", "answer-prices", ":It rises."]


async def test_updates_come_while_the_tool_goes_on() -> None:
    seen = asyncio.Event()

    async def watch() -> AsyncGenerator[str, None]:
        """Watches."""
        yield "first"
        await seen.wait()
        yield "second"

    chat = Chat(call("watch"), "Done.", tools=[watch])
    async with asyncio.timeout(5):
        run = chat.runner.run_async(user_id="u", session_id="s", new_message=user("hello"), run_config=SSE)
        async for event in run:
            if event.partial and event.get_function_responses():
                seen.set()


async def test_an_event_that_a_tool_yields_is_for_the_app_alone() -> None:
    async def watch() -> AsyncGenerator[object, None]:
        """Watches."""
        yield Event(author="watch", custom_metadata={"level": 3})
        yield "done"

    chat = Chat(call("watch"), "Done.", tools=[watch])
    await chat.say(run_config=SSE)
    [told] = [event for event in chat.events if event.author == "watch"]
    assert told.custom_metadata == {"level": 3}
    assert told.invocation_id == chat.events[0].invocation_id
    assert all(event.author != "watch" for event in (await chat.saved()).events)


async def test_a_tool_that_listens_to_the_user_only_runs_live() -> None:
    async def listen(input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
        """Listens."""
        yield "never"

    chat = Chat(call("listen"), "I cannot.", tools=[listen])
    await chat.say(run_config=SSE)
    assert "only runs live" in chat.asked()[-1]


async def test_a_tool_that_is_faster_than_its_reader_loses_its_oldest_updates() -> None:
    async def flood() -> AsyncGenerator[str, None]:
        """Floods."""
        for number in range(3000):
            yield str(number)

    chat = Chat(call("flood"), "Done.", tools=[flood])
    await chat.say(run_config=SSE)
    told = values(chat, partial=True)
    assert len(told) <= 1001
    assert told[-1] == "2999"
    assert values(chat, partial=None) == ["2999"]
