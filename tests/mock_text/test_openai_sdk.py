"""Is the mock of chat completions faithful? The official openai SDK, unpatched, talks with it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pydantic import BaseModel

from fullduplex.mock_live import drop, quota, say, tool_call, usage
from fullduplex.mock_live.http import MockText, Turn, block, error, finish

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    openai = pytest.importorskip("openai", reason="needs openai, which is not installed: pip install 'fullduplex[dev]'")

WEATHER: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def client_of(mock: MockText, key: str = "k") -> Any:
    return openai.AsyncOpenAI(api_key=key, base_url=mock.openai_url, max_retries=0)


async def once(client: Any, messages: Any = "Hello", **fields: Any) -> Any:
    given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return await client.chat.completions.create(model="gpt", messages=given, **fields)


async def test_an_answer_in_one_piece() -> None:
    turn: Turn = [say("Hello there.", thought="Greet."), usage(3, 4, thoughts=2, cached=1)]
    async with MockText([turn]) as mock, client_of(mock) as client:
        answer = await once(client, temperature=0.1)
        (request,) = mock.requests
    assert answer.choices[0].message.content == "Hello there."
    assert answer.choices[0].message.reasoning_content == "Greet."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 6, 9)
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2
    assert (request.api, request.model, request.text, request.status) == ("openai", "gpt", "Hello", 200)


async def test_an_answer_in_a_stream() -> None:
    async with MockText([[say("One two three.")]]) as mock, client_of(mock) as client:
        stream = await once(client, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert words == ["", "One ", "two ", "three.", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 3


async def test_the_sdk_puts_streamed_tool_calls_together() -> None:
    turns: list[Turn] = [
        [say("Let me look."), tool_call("get_weather", {"city": "Paris"}), say("Sunny.")],
    ]
    question = {"role": "user", "content": "Weather?"}
    async with MockText(turns) as mock, client_of(mock) as client:
        async with client.chat.completions.stream(model="gpt", messages=[question], tools=[WEATHER]) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        (call,) = message.tool_calls
        assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris"}')
        assert message.content == "Let me look."
        called = {
            "role": "assistant",
            "content": None,
            "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}})],
        }
        result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "blue"}'}
        answer = await once(client, [question, called, result])
        assert answer.choices[0].message.content == "Sunny."
        assert mock.requests[1].tool_results == [{"sky": "blue"}]
        assert mock.connections == 1


async def test_an_answer_of_a_form() -> None:
    class Person(BaseModel):
        name: str
        age: int

    async with MockText([[say('{"name": "Ada", "age": 36}')]]) as mock, client_of(mock) as client:
        answer = await client.chat.completions.parse(
            model="gpt", messages=[{"role": "user", "content": "Who?"}], response_format=Person
        )
        assert answer.choices[0].message.parsed == Person(name="Ada", age=36)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (quota(), "RateLimitError"),
        (error(503, "busy"), "InternalServerError"),
        (error(400, "no"), "BadRequestError"),
        (block(), "BadRequestError"),
    ],
)
async def test_errors(step: Any, kind: str) -> None:
    async with MockText([[step], [step]]) as mock, client_of(mock) as client:
        for stream in (False, True):
            with pytest.raises(getattr(openai, kind)):
                await once(client, stream=stream)


async def test_an_error_in_the_middle_of_a_stream_and_a_broken_connection() -> None:
    async with (
        MockText([[say("One"), error(500, "Oh dear.")], [say("One"), drop()]]) as mock,
        client_of(mock) as client,
    ):
        for words in ("Oh dear", "Connection error"):
            with pytest.raises(Exception, match=words):
                async for _ in await once(client, stream=True):
                    pass


async def test_an_answer_cut_short() -> None:
    async with MockText([[say("As I was"), finish()], [finish("SAFETY")]]) as mock, client_of(mock) as client:
        assert (await once(client)).choices[0].finish_reason == "length"
        assert (await once(client)).choices[0].finish_reason == "content_filter"


async def test_what_the_service_refuses() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = {"role": "user", "content": "x"}
    capitals = {"type": "function", "function": {"name": "f", "parameters": {"type": "OBJECT"}}}
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"messages": []}, "empty array"),
        ({"messages": [called, asked]}, "did not have response messages: c"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "must be a response"),
        ({"messages": [asked], "tools": [capitals]}, "'OBJECT' is not valid"),
        ({"messages": [asked], "extra_body": {"top_k": 3}}, "Unknown parameter: 'top_k'"),
        (
            {
                "messages": [asked],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": loose, "strict": True},
                },
            },
            "additionalProperties",
        ),
    ]
    async with MockText(keys=["k"], models=["gpt"]) as mock:
        async with client_of(mock) as client:
            for fields, words in refused:
                with pytest.raises(openai.BadRequestError, match=words):
                    await client.chat.completions.create(model="gpt", **fields)
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="other", messages=[asked])
        async with client_of(mock, "wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
                await once(client)
