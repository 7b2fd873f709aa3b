"""Is the mock of generateContent faithful? The official google-genai SDK, unpatched, talks with it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fullduplex.mock_live import drop, grounding, quota, say, stall, tool_call, usage
from fullduplex.mock_live.http import MockText, Turn, block, error, finish

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    genai = pytest.importorskip("google.genai")
    from google.genai import errors, types

MODEL = "gemini-2.5-flash"
BROKEN = r"(?i)disconnect|closed|incomplete|reset|payload"
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
        )
    ]
)


class Client:
    """The SDK's client of one mock; `vertex` with a key, so that no login is needed."""

    def __init__(self, mock: MockText, *, vertex: bool = False, key: str = "k") -> None:
        # With aiohttp, which the SDK takes where it is installed, it does not notice an answer that breaks off.
        args = {"transport": httpx.AsyncHTTPTransport()}
        options = types.HttpOptions(base_url=mock.url, async_client_args=args)
        self.sdk = genai.Client(api_key=key, vertexai=vertex, http_options=options)

    async def once(self, contents: Any = "Hello", **config: Any) -> types.GenerateContentResponse:
        settings = types.GenerateContentConfig(**config)
        return await self.sdk.aio.models.generate_content(model=MODEL, contents=contents, config=settings)

    async def streamed(self, contents: Any = "Hello", **config: Any) -> AsyncIterator[types.GenerateContentResponse]:
        settings = types.GenerateContentConfig(**config)
        stream = await self.sdk.aio.models.generate_content_stream(model=MODEL, contents=contents, config=settings)
        async for chunk in stream:
            yield chunk

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.sdk.aio.aclose()
        self.sdk.close()


@pytest.mark.parametrize("vertex", [False, True])
async def test_an_answer_in_one_piece(vertex: bool) -> None:
    async with MockText([[say("Hello there.", thought="Greet."), usage(3, 4, thoughts=2)]]) as mock:
        async with Client(mock, vertex=vertex) as client:
            response = await client.once("Hello", temperature=0.1, system_instruction="Be kind.")
        (request,) = mock.requests
    assert response.text == "Hello there."
    assert response.candidates[0].finish_reason == types.FinishReason.STOP
    assert response.candidates[0].content.parts[0].thought
    counts = response.usage_metadata
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (3, 4, 2)
    assert counts.total_token_count == 9
    assert (response.model_version, response.response_id) == (MODEL, "response-1")
    assert (request.api, request.model, request.stream, request.status) == (
        "vertex" if vertex else "gemini", MODEL, False, 200
    )  # fmt: skip
    assert request.text == "Hello"
    assert request.body["generationConfig"]["temperature"] == 0.1


async def test_an_answer_in_a_stream() -> None:
    async with MockText([[say("One two three."), grounding()]]) as mock, Client(mock) as client:
        chunks = [chunk async for chunk in client.streamed()]
    assert [chunk.text for chunk in chunks] == ["One ", "two ", "three.", ""]
    assert [chunk.candidates[0].finish_reason for chunk in chunks] == [None, None, None, types.FinishReason.STOP]
    assert chunks[-1].usage_metadata.candidates_token_count == 3
    assert chunks[-1].candidates[0].grounding_metadata.web_search_queries == ["query"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_what_follows_answers_the_next_request(stream: bool) -> None:
    turns: list[Turn] = [[say("Let me look."), tool_call("get_weather", {"city": "Paris"}), say("Sunny.")]]
    async with MockText(turns) as mock, Client(mock) as client:
        settings: dict[str, Any] = {"tools": [WEATHER]}
        question = types.Content(role="user", parts=[types.Part(text="Weather?")])
        if stream:
            parts = [
                part
                async for chunk in client.streamed([question], **settings)
                for part in chunk.candidates[0].content.parts
            ]
        else:
            parts = (await client.once([question], **settings)).candidates[0].content.parts
        (call,) = [part.function_call for part in parts if part.function_call]
        assert (call.name, call.args) == ("get_weather", {"city": "Paris"})
        answer = types.Part.from_function_response(name="get_weather", response={"sky": "blue"})
        called = types.Content(role="model", parts=[part for part in parts if part.function_call or part.text])
        history = [question, called, types.Content(role="user", parts=[answer])]
        assert (await client.once(history, **settings)).text == "Sunny."
        assert mock.requests[1].tool_results == [{"sky": "blue"}]
        assert (await client.once(history, **settings)).text == 'The tools said [{"sky":"blue"}].'


async def test_a_turn_made_from_the_request_and_the_echo_after_the_script() -> None:
    async with MockText([lambda request: [say(request.text.upper())]]) as mock, Client(mock) as client:
        assert (await client.once("quiet")).text == "QUIET"
        assert (await client.once("and then")).text == "You said: and then"
        assert mock.connections == 1  # kept for the second request


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("step", "code", "status"),
    [
        (quota(), 429, "RESOURCE_EXHAUSTED"),
        (error(503, "busy"), 503, "UNAVAILABLE"),
        (error(400, "no"), 400, "INVALID"),
    ],
)
async def test_errors(stream: bool, step: Any, code: int, status: str) -> None:
    async with MockText([[step]]) as mock, Client(mock) as client:
        with pytest.raises(errors.APIError) as caught:
            _ = [chunk async for chunk in client.streamed()] if stream else await client.once()
        assert mock.requests[0].status == code
    assert caught.value.code == code
    assert str(caught.value.status).startswith(status)


async def test_a_blocked_prompt_and_an_answer_cut_short() -> None:
    async with MockText([[block("SAFETY")], [say("As I was"), finish("MAX_TOKENS")]]) as mock, Client(mock) as client:
        blocked = await client.once()
        assert blocked.prompt_feedback.block_reason == types.BlockedReason.SAFETY
        assert not blocked.candidates
        cut = await client.once()
        assert (cut.text, cut.candidates[0].finish_reason) == ("As I was", types.FinishReason.MAX_TOKENS)


async def test_a_connection_that_breaks_off() -> None:
    seen: list[str] = []

    async def collect() -> None:
        async for chunk in client.streamed():
            seen.append(chunk.text)

    async with MockText([[say("One two"), drop()], [say("One two"), drop()]]) as mock, Client(mock) as client:
        with pytest.raises(Exception, match=BROKEN):
            await collect()
        with pytest.raises(Exception, match=BROKEN):
            await client.once()
    assert seen == ["One ", "two"]


async def test_a_slow_answer() -> None:
    async with MockText([[say("One "), stall(0.05), say("two")]]) as mock, Client(mock) as client:
        assert "".join([chunk.text async for chunk in client.streamed()]) == "One two"


async def test_what_the_service_refuses() -> None:
    called = types.Content(role="model", parts=[types.Part.from_function_call(name="f", args={})])
    async with MockText(keys=["k"], models=[MODEL]) as mock:
        async with Client(mock) as client:
            for contents, words in (
                ([types.Content(role="user", parts=[])], "must not be empty"),
                ([types.Content(role="robot", parts=[types.Part(text="x")])], "valid role"),
                (
                    [called, types.Content(role="user", parts=[types.Part(text="x")])],
                    "number of function response parts",
                ),
                ([types.Content(role="model", parts=[types.Part(text="x")]), called], "immediately after a user turn"),
            ):
                with pytest.raises(errors.ClientError, match=words):
                    await client.once(contents)
            with pytest.raises(errors.ClientError, match="is not found"):
                await client.sdk.aio.models.generate_content(model="gemini-0", contents="x")
        async with Client(mock, key="wrong") as client:
            with pytest.raises(errors.ClientError, match="API key not valid"):
                await client.once()
        assert mock.requests == []
