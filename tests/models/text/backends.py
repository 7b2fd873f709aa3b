"""The text models that the contract suite runs against, with questions that make each do the same things."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fullduplex.mock_live import say, tool_calls
from fullduplex.mock_live.http import Exchange, MockText, TextStep
from fullduplex.mock_live.steps import FunctionCall
from fullduplex.models.cascade.generate import LocalText
from fullduplex.models.gemini.generate import GeminiText
from fullduplex.models.openai.chat import OpenAiText
from fullduplex.models.text import LlmRequest, TextModel
from fullduplex.types.content import Content, FunctionDeclaration, Part, Tool

GET_TIME = FunctionDeclaration(
    name="get_time",
    description='Tells the time. Examples: "what time is it in {city}", "what is the time in {city}".',
    parameters={"type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}},
)
GET_WEATHER = FunctionDeclaration(
    name="get_weather",
    description='Tells the weather. Examples: "what is the weather in {city}", "the weather in {city}".',
    parameters={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
)
SMALL_TALK = "hello"
TOOL_QUESTION = "what time is it in Tokyo"
TWO_TOOLS = "what is the weather in Paris and what time is it in Tokyo"


@dataclass
class Backend:
    """A model, and how to ask it with the suite's tools."""

    model: TextModel

    def ask(self, *contents: Content, **fields: Any) -> LlmRequest:
        """A request of this conversation."""
        tools = [Tool(function_declarations=[GET_TIME, GET_WEATHER])]
        return LlmRequest(model=self.model.model, contents=list(contents), **{"tools": tools, **fields})


def user(text: str) -> Content:
    """What the user wrote."""
    return Content(role="user", parts=[Part(text=text)])


Make = Callable[[], AbstractAsyncContextManager[Backend]]


def _react(request: Exchange) -> Sequence[TextStep]:
    if results := request.tool_results:
        return [say(" ".join(str(result["report"]) for result in results))]
    text = request.text.lower()
    calls = [FunctionCall("get_weather", {"city": "Paris"})] if "weather" in text else []
    calls += [FunctionCall("get_time", {"city": "Tokyo"})] if "time" in text else []
    if calls:
        return [tool_calls(calls)]
    return [say(f"Hello, I am here. {json.dumps(text)}")]


@asynccontextmanager
async def gemini() -> AsyncIterator[Backend]:
    """generateContent, of the mock."""
    async with MockText([_react] * 20) as mock:
        model = GeminiText("gemini-2.5-flash", api_key="k", base_url=mock.url)
        yield Backend(model)
        await model.close()


@asynccontextmanager
async def openai() -> AsyncIterator[Backend]:
    """Chat completions, of the mock."""
    async with MockText([_react] * 20) as mock:
        model = OpenAiText("openai/gpt-5-mini", base_url=mock.openai_url)
        yield Backend(model)
        await model.close()


@asynccontextmanager
async def local() -> AsyncIterator[Backend]:
    """The router, in this process."""
    yield Backend(LocalText())


BACKENDS: dict[str, Make] = {"gemini": gemini, "openai": openai, "local": local}
