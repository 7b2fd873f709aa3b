"""Whole text runs over each wire: generateContent, chat completions, and the local rules (no wire at all)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pydantic import BaseModel

from fullduplex import Agent, InMemoryRunner
from fullduplex.agents import SequentialAgent
from fullduplex.errors import InvalidConfig
from fullduplex.mock_live import say, tool_calls
from fullduplex.mock_live.http import Error, MockText
from fullduplex.mock_live.steps import FunctionCall
from fullduplex.models.gemini.generate import GeminiText
from fullduplex.models.google_llm import Gemini
from fullduplex.models.openai.chat import OpenAiText
from tests.text.kit import SSE, Chat, user

pytestmark = pytest.mark.timeout(20)


async def get_time(city: str) -> dict[str, str]:
    """Tells the time. Examples: "what time is it in {city}"."""
    return {"report": f"it is noon in {city}"}


async def get_weather(city: str) -> dict[str, str]:
    """Tells the weather. Examples: "what is the weather in {city}"."""
    return {"report": f"it is clear in {city}"}


TURNS = [
    [
        tool_calls([FunctionCall("get_weather", {"city": "Paris"}), FunctionCall("get_time", {"city": "Tokyo"})]),
        say("it is clear in Paris it is noon in Tokyo"),
    ],
    [say("You are welcome.")],
]
Served = Callable[[], AbstractAsyncContextManager[tuple[object, MockText | None]]]


@asynccontextmanager
async def gemini() -> AsyncIterator[tuple[object, MockText | None]]:
    async with MockText(TURNS) as mock:
        yield GeminiText("gemini-2.5-flash", api_key="k", base_url=mock.url), mock


@asynccontextmanager
async def gemini_as_a_live_model_is_made() -> AsyncIterator[tuple[object, MockText | None]]:
    async with MockText(TURNS) as mock:
        yield Gemini(model="gemini-2.5-flash", api_key="k", base_url=mock.url), mock


@asynccontextmanager
async def openai() -> AsyncIterator[tuple[object, MockText | None]]:
    async with MockText(TURNS) as mock:
        yield OpenAiText("openai/gpt-5-mini", base_url=mock.openai_url), mock


@asynccontextmanager
async def local() -> AsyncIterator[tuple[object, MockText | None]]:
    yield "local", None


@pytest.mark.parametrize("config", [None, SSE], ids=["NONE", "SSE"])
@pytest.mark.parametrize("served", [gemini, gemini_as_a_live_model_is_made, openai, local])
async def test_two_turns_with_tools(served: Served, config: object) -> None:
    async with served() as (model, mock):
        runner = InMemoryRunner(
            agent=Agent(name="guide", model=model, tools=[get_time, get_weather]),  # type: ignore[arg-type]
            app_name="app",
        )
        async with runner:
            runner.auto_create_session = True
            chat = Chat(runner=runner)
            await chat.say("what is the weather in Paris and what time is it in Tokyo", run_config=config)
            whole = [event for event in chat.events if not event.partial]
            assert [call.name for call in whole[0].get_function_calls()] == ["get_weather", "get_time"]
            assert [answer.name for answer in whole[1].get_function_responses()] == ["get_weather", "get_time"]
            assert whole[2].content is not None
            spoken = whole[2].content.text
            assert "clear in Paris" in spoken
            assert "noon in Tokyo" in spoken
            if config is SSE:
                pieces = [event.content.text for event in chat.events if event.partial and event.content]
                assert len(pieces) > 1
                assert "".join(pieces) == spoken
            await chat.say("thank you", run_config=config)
            assert chat.events[-1].is_final_response()
            if mock is not None:
                assert len(mock.requests) == 3
                assert chat.events[-1].usage_metadata is not None


class Forecast(BaseModel):
    sky: str


@pytest.mark.parametrize("by_tool", [False, True])
async def test_gemini_with_tools_and_a_form(by_tool: bool) -> None:
    last = tool_calls([FunctionCall("set_model_response", {"sky": "clear"})]) if by_tool else say('{"sky": "clear"}')
    async with MockText([[last]]) as mock:
        model = GeminiText("gemini-2.5-flash" if by_tool else "gemini-3.5-flash", api_key="k", base_url=mock.url)
        agent = Agent(name="guide", model=model, tools=[get_time], output_schema=Forecast, output_key="out")
        async with InMemoryRunner(agent=agent, app_name="app") as runner:
            runner.auto_create_session = True
            chat = Chat(runner=runner)
            await chat.say()
            assert (await chat.saved()).state == {"out": {"sky": "clear"}}
        body = mock.requests[0].body
        assert ("responseJsonSchema" in body.get("generationConfig", {})) is not by_tool


async def test_a_servers_error_is_told_by_its_code() -> None:
    async with MockText([[Error(status=401, message="no such key")]]) as mock:
        agent = Agent(name="guide", model=GeminiText("gemini-2.5-flash", api_key="k", base_url=mock.url))
        async with InMemoryRunner(agent=agent, app_name="app") as runner:
            runner.auto_create_session = True
            chat = Chat(runner=runner)
            error = await chat.fail()
            assert error.code == "unauthorized"
            assert chat.events[-1].error_code == "unauthorized"


@pytest.mark.parametrize(
    "model", ["gemini-live-2.5-flash", "gemini-2.5-flash-native-audio-preview-12-2025", "gemini-3.1-flash-live-preview"]
)
async def test_a_model_that_can_only_be_talked_with(model: str) -> None:
    chat = Chat(agent=Agent(name="guide", model=model))
    error = await chat.fail()
    assert isinstance(error, InvalidConfig)
    assert error.code == "live_only_model"
    assert "gemini-3.5-flash" in str(error)


async def test_names_are_resolved_and_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MockText([[say("One.")], [say("Two.")]]) as mock:
        monkeypatch.setenv("GOOGLE_API_KEY", "k")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        agent = SequentialAgent(name="steps", sub_agents=[Agent(name="one"), Agent(name="two", model="gemini-2.5-pro")])
        async with InMemoryRunner(agent=agent, app_name="app") as runner:
            runner.auto_create_session = True
            await Chat(runner=runner).say()
        assert [request.model for request in mock.requests] == ["gemini-3.5-flash", "gemini-2.5-pro"]


def test_a_run_without_a_loop_leaves_no_connection_open() -> None:
    import asyncio

    async def serve() -> None:
        async with MockText([[say("One.")]]) as mock:
            agent = Agent(name="guide", model=OpenAiText("gpt-5-mini", base_url=mock.openai_url))
            runner = InMemoryRunner(agent=agent, app_name="app")
            runner.auto_create_session = True
            events = await asyncio.to_thread(
                lambda: list(runner.run(user_id="u", session_id="s", new_message=user("hi")))
            )
            assert [event.content.text for event in events if event.content] == ["One."]

    asyncio.run(serve())
