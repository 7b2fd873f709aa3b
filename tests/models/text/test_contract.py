"""What every backend keeps of `TextModel`'s promises. A new backend joins by a line in `BACKENDS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from tests.models.text.backends import BACKENDS, SMALL_TALK, TOOL_QUESTION, TWO_TOOLS, Backend, user


@pytest.fixture(params=list(BACKENDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with BACKENDS[request.param]() as made:
        yield made


async def answers(backend: Backend, request: LlmRequest, *, stream: bool) -> list[LlmResponse]:
    return [response async for response in backend.model.generate(request, stream=stream)]


async def whole(backend: Backend, request: LlmRequest, *, stream: bool = False) -> LlmResponse:
    return (await answers(backend, request, stream=stream))[-1]


def calls_of(response: LlmResponse) -> list[FunctionCall]:
    parts = (response.content.parts if response.content is not None else None) or []
    return [part.function_call for part in parts if part.function_call is not None]


def text_of(response: LlmResponse) -> str:
    return response.content.text if response.content is not None else ""


def results(*calls: FunctionCall) -> Content:
    responses = [
        FunctionResponse(id=call.id, name=call.name, response={"report": f"{call.name} done"}) for call in calls
    ]
    return Content(role="user", parts=[Part(function_response=response) for response in responses])


async def test_without_a_stream_there_is_one_response(backend: Backend) -> None:
    (response,) = await answers(backend, backend.ask(user(SMALL_TALK)), stream=False)
    assert "ello" in text_of(response)
    assert response.content is not None
    assert response.content.role == "model"
    assert response.partial is None
    assert response.finish_reason == "STOP"
    assert response.error_code is None


async def test_a_stream_is_pieces_and_then_the_merged_whole(backend: Backend) -> None:
    *pieces, last = await answers(backend, backend.ask(user(SMALL_TALK)), stream=True)
    assert len(pieces) > 2
    assert all(piece.partial is True and piece.finish_reason is None for piece in pieces)
    assert last.partial is False
    assert last.finish_reason == "STOP"
    assert "".join(map(text_of, pieces)) == text_of(last)
    assert last.content is not None
    assert len(last.content.parts or []) == 1


async def test_streamed_or_not_the_answer_is_the_same(backend: Backend) -> None:
    request = backend.ask(user(SMALL_TALK))
    once, streamed = [await whole(backend, request, stream=stream) for stream in (False, True)]
    assert once.content == streamed.content
    assert once.usage_metadata == streamed.usage_metadata


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_whole_and_has_an_id(backend: Backend, stream: bool) -> None:
    *pieces, last = await answers(backend, backend.ask(user(TOOL_QUESTION)), stream=stream)
    assert not any(calls_of(piece) for piece in pieces)
    (call,) = calls_of(last)
    assert (call.name, call.args) == ("get_time", {"city": "Tokyo"})
    assert call.id
    assert last.finish_reason == "STOP"


@pytest.mark.parametrize("stream", [False, True])
async def test_several_calls_keep_their_order_and_have_ids_of_their_own(backend: Backend, stream: bool) -> None:
    calls = calls_of(await whole(backend, backend.ask(user(TWO_TOOLS)), stream=stream))
    assert [(call.name, call.args) for call in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {"city": "Tokyo"}),
    ]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_the_tools_answers_lead_to_the_models(backend: Backend, stream: bool) -> None:
    question = user(TWO_TOOLS)
    asked = await whole(backend, backend.ask(question), stream=stream)
    assert asked.content is not None
    conversation = [question, asked.content, results(*calls_of(asked))]
    answer = await whole(backend, backend.ask(*conversation), stream=stream)
    assert text_of(answer) == "get_weather done get_time done"
    assert not calls_of(answer)


async def test_a_conversation_goes_on_after_a_tool(backend: Backend) -> None:
    question = user(TOOL_QUESTION)
    asked = await whole(backend, backend.ask(question))
    assert asked.content is not None
    done = [question, asked.content, results(*calls_of(asked))]
    answer = await whole(backend, backend.ask(*done))
    assert answer.content is not None
    next_answer = await whole(backend, backend.ask(*done, answer.content, user(SMALL_TALK)))
    assert "ello" in text_of(next_answer)


async def test_many_requests_at_once_do_not_mix(backend: Backend) -> None:
    questions = [SMALL_TALK, TOOL_QUESTION] * 4
    async with asyncio.timeout(10):
        found = await asyncio.gather(*(whole(backend, backend.ask(user(text)), stream=True) for text in questions))
    assert [len(calls_of(response)) for response in found] == [0, 1] * 4


async def test_a_stream_may_be_left_and_the_model_answers_again(backend: Backend) -> None:
    stream = backend.model.generate(backend.ask(user(SMALL_TALK)), stream=True)
    assert (await anext(stream)).partial
    await stream.aclose()
    assert "ello" in text_of(await whole(backend, backend.ask(user(SMALL_TALK))))


async def test_settings_and_an_instruction_are_taken(backend: Backend) -> None:
    config = GenerateContentConfig(temperature=0.2, top_p=0.9, max_output_tokens=100, seed=7)
    response = await whole(backend, backend.ask(user(SMALL_TALK), config=config, system_instruction="Be kind."))
    assert "ello" in text_of(response)


async def test_the_request_is_left_as_it_was(backend: Backend) -> None:
    asked = await whole(backend, backend.ask(user(TOOL_QUESTION)))
    assert asked.content is not None
    conversation = [user(TOOL_QUESTION), asked.content, results(*calls_of(asked))]
    before = [content.model_copy(deep=True) for content in conversation]
    await whole(backend, backend.ask(*conversation))
    assert conversation == before


async def test_a_closed_model_may_be_used_again(backend: Backend) -> None:
    await whole(backend, backend.ask(user(SMALL_TALK)))
    await backend.model.close()
    assert "ello" in text_of(await whole(backend, backend.ask(user(SMALL_TALK))))
