"""A client that loses its connection comes back to the same session, and the agent knows what was said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from fullduplex.agents import Agent
from fullduplex.mock_live import MockLive, Script, memory_reactor, say
from fullduplex.models import Gemini
from fullduplex.server import ServerSettings, create_app
from tests.server.harness import NATIVE_AUDIO, serving

PATH = "/ws/ada/s"


@asynccontextmanager
async def demo(**mock: Any) -> AsyncIterator[tuple[MockLive, str]]:
    """A server whose agent's model remembers what it was told, and the address of its socket."""
    async with MockLive(reactor=memory_reactor, **mock) as model:
        agent = Agent(name="demo", model=Gemini(NATIVE_AUDIO, api_key="k", base_url=model.url))
        async with serving(create_app(agent, ServerSettings(port=0))) as address, asyncio.timeout(20):
            yield model, f"ws://{address}{PATH}"


async def ask(socket: ClientConnection, words: str) -> str:
    """Types `words`; what the agent answers."""
    await socket.send(json.dumps({"type": "text", "text": words}))
    said = ""
    while True:
        event = json.loads(await socket.recv())
        transcript = event.get("outputTranscription") or {}
        said = transcript["text"] if transcript.get("finished") else said
        if event.get("turnComplete"):
            return said


@pytest.mark.spec(147)
@pytest.mark.parametrize("how", ["said goodbye", "dropped", "still there"])
async def test_a_client_that_comes_back_finds_the_agent_that_knows_it(how: str) -> None:
    async with demo() as (model, url):
        async with connect(url) as before:
            assert await ask(before, "my number is 42") == "You said: my number is 42"
            if how == "said goodbye":
                await before.close()
            elif how == "dropped":
                before.transport.abort()
            async with connect(url) as after:
                assert await ask(after, "which number did I say?") == "You said 42."
        assert len(model.connections) == 2


@pytest.mark.spec(147)
async def test_a_client_that_is_lost_in_mid_answer_comes_back_to_its_session() -> None:
    story = [say("Once upon a time there was a lighthouse.", audio_ms=20_000)]
    async with demo(script=Script([story]), pace=1.0) as (model, url):
        async with connect(url) as before:
            await before.send(json.dumps({"type": "text", "text": "my number is 42, tell me a story"}))
            while "inlineData" not in str(await before.recv()):
                pass
            before.transport.abort()
        async with connect(url) as after:
            await model.wait_for(lambda mock: len(mock.open_connections) == 1 and len(mock.connections) == 2)
            assert await ask(after, "which number did I say?") == "You said 42."
