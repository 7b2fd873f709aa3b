"""Runs without a loop: `Runner.run`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest

from fullduplex.errors import SessionNotFoundError
from fullduplex.text.threaded import read
from tests.text.kit import Chat, call, user


def test_a_run_without_a_loop() -> None:
    async def look() -> str:
        await asyncio.sleep(0)
        return "clear"

    chat = Chat(call("look"), "Clear.", tools=[look])
    events = list(chat.runner.run(user_id="u", session_id="s", new_message=user("how is it?")))
    assert [event.content.text for event in events if event.content] == ["", "", "Clear."]
    assert threads() == []


async def test_a_run_within_a_loop() -> None:
    events = Chat("Hello.").runner.run(user_id="u", session_id="s", new_message=user("hi"))
    assert [event.author for event in events] == ["guide"]


def test_its_errors_are_raised() -> None:
    chat = Chat()
    chat.runner.auto_create_session = False
    with pytest.raises(SessionNotFoundError):
        list(chat.runner.run(user_id="u", session_id="s", new_message=user("hi")))
    assert threads() == []


@pytest.mark.timeout(10)
def test_a_run_that_is_left_early_ends() -> None:
    closed = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()

    chat = Chat(call("endless"), tools=[endless])
    events = chat.runner.run(user_id="u", session_id="s", new_message=user("hi"))
    next(events)
    events.close()
    assert threads() == []


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []

    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(3):
            made.append(number)
            yield number

    stream = read(numbers)
    assert made == []
    assert next(stream) == 0
    assert made == [0]
    assert list(stream) == [1, 2]
    assert made == [0, 1, 2]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "text run"]
