"""The backends that the contract suite runs against, each with sentences that make it do the same things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from fullduplex.mock_live import MockLive, Step, say, tool_call
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.models.cascade.live import Cascade
from fullduplex.models.gemini import Gemini
from fullduplex.types.config import LiveConnectConfig, Modality
from fullduplex.types.content import FunctionDeclaration, Tool

GET_TIME = FunctionDeclaration(
    name="get_time",
    description='Tells the time. Examples: "what time is it in {city}", "what is the time in {city}".',
    parameters={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
)
SMALL_TALK = "hello"
TOOL_QUESTION = "what time is it in Tokyo"


@dataclass
class Backend:
    """A model, and how to open a connection to it with the suite's tool."""

    model: LiveModel

    def connect(self, **fields: Any) -> AbstractAsyncContextManager[LiveConnection]:
        """Opens a connection that answers in text, unless `config` says otherwise."""
        config = {"response_modalities": [Modality.TEXT], **fields.pop("config", {})}
        tools = [Tool(function_declarations=[GET_TIME])]
        request = ConnectRequest(model=self.model.model, tools=tools, config=LiveConnectConfig(**config), **fields)
        return self.model.connect(request)


Make = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Backend]]


@asynccontextmanager
async def gemini(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Gemini's connection, to Mock Live in real time, which can be told to fall silent."""
    settings: dict[str, Any] = {"hear": lambda pcm, rate: TOOL_QUESTION, "partial_content_interrupts": True}
    async with MockLive(reactor=_react, pace=1.0, **settings) as mock:
        yield Backend(Gemini("gemini-live-2.5-flash", api_key="k", base_url=mock.url))


def _react(turn: Any, talk: Any) -> list[Step]:
    text = str(turn.text).lower()
    if "open the conversation" in text:
        return [say(turn.text.splitlines()[-1])]
    if "time" in text:
        return [tool_call("get_time", {"city": "Tokyo"}), say("It is 12:34 there.")]
    return [say("Hello, I am here.", audio_ms=1500)]


@asynccontextmanager
async def local(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """The cascade, in this process, with its real engines."""
    yield Backend(Cascade("local", engines=request.getfixturevalue("engines")))
