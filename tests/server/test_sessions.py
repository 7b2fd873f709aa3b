"""A server whose sessions are in a database: what a client meets that comes back after a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from fullduplex import Agent, InMemoryRunner
from fullduplex.errors import InvalidConfig
from fullduplex.server import ServerSettings, create_app
from fullduplex.types import Content
from tests.databases import url_of
from tests.server.harness import serving
from tests.sessions.restarting import AgreeingModel


async def say(words: str, settings: ServerSettings) -> list[Content]:
    """Says something to a server that runs for that only; what its model was told of earlier."""
    model = AgreeingModel()
    async with serving(create_app(Agent(name="guide", model=model), settings), settings) as address:
        async with connect(f"ws://{address}/ws/me/s1?modality=TEXT") as client:
            await client.send(json.dumps({"type": "text", "text": words}))
            while "turnComplete" not in str(await client.recv()):
                pass
    return model.connections[0].request.history


async def test_a_client_that_comes_back_to_a_restarted_server_is_known(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, session_db_url=url_of("sqlite", tmp_path))
    assert await say("I am Ada", settings) == []
    assert [content.text for content in await say("who am I?", settings)] == ["I am Ada", "So I am Ada."]


async def test_a_database_that_is_away_is_told_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    url_of("sqlite", Path())
    settings = ServerSettings(port=0, session_db_url="sqlite:////no/such/folder/s.db")
    async with serving(create_app(Agent(name="guide", model=AgreeingModel()), settings), settings) as address:
        for _ in range(500):
            if "the session database cannot be used" in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert "the session database cannot be used" in caplog.text  # and nobody has called yet
        async with connect(f"ws://{address}/ws/me/s1?modality=TEXT") as client:
            answer = json.loads(await client.recv())
            assert (answer["type"], answer["code"]) == ("error", "store_unavailable")
            await client.wait_closed()


def test_a_runner_has_its_sessions_already() -> None:
    runner = InMemoryRunner(agent=Agent(name="guide", model=AgreeingModel()), app_name="guide")
    with pytest.raises(InvalidConfig, match="a runner has a session service already"):
        create_app(runner, ServerSettings(session_db_url="sqlite://"))
