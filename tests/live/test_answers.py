"""A tool's answer is told to the model once: by its own message or by the history."""

from __future__ import annotations

import asyncio

from fullduplex import LiveRequestQueue, types
from fullduplex.live.answers import Answers


def answer(call_id: str) -> types.Content:
    response = types.FunctionResponse(id=call_id, name="f", response={})
    return types.Content(role="user", parts=[types.Part(function_response=response)])


async def test_answers_leave_through_the_queue() -> None:
    queue = LiveRequestQueue()
    answers = Answers(queue)
    answers.give(answer("c1"))
    request = await queue.get()
    assert request.content == answer("c1")
    assert answers.wanted(request)


async def test_on_a_closed_queue_too() -> None:
    queue = LiveRequestQueue()
    queue.close()
    Answers(queue).give(answer("c1"))
    assert (await queue.get()).content == answer("c1")
    assert (await queue.get()).close


async def test_what_the_history_told_is_not_wanted_any_more_and_the_rest_is() -> None:
    queue = LiveRequestQueue()
    answers = Answers(queue)
    for _ in range(2):
        answers.give(answer("same"))
    first, second = await queue.get(), await queue.get()
    answers.sent(first)
    answers.in_history()
    answers.give(answer("same"))
    third = await queue.get()
    assert first == second == third
    assert [answers.wanted(request) for request in (first, second, third)] == [True, False, True]


async def test_an_update_is_context_that_no_history_tells_and_its_tool_waits_until_it_has_left() -> None:
    queue = LiveRequestQueue()
    answers = Answers(queue)
    update = asyncio.create_task(answers.update(answer("c1")))
    request = await queue.get()
    assert request.partial
    assert answers.is_own(request)
    assert not answers.waiting
    answers.in_history()
    assert answers.wanted(request)
    await asyncio.sleep(0)
    assert not update.done()
    answers.sent(request)
    await update
    assert not answers.is_own(request)


async def test_an_update_of_a_tool_that_was_stopped_is_not_wanted_any_more() -> None:
    queue = LiveRequestQueue()
    answers = Answers(queue)
    update = asyncio.create_task(answers.update(answer("c1")))
    request = await queue.get()
    update.cancel()
    await asyncio.wait([update])
    assert not answers.wanted(request)
