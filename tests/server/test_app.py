from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import httpx
import pytest

from fullduplex.agents import Agent
from fullduplex.runners import InMemoryRunner
from fullduplex.server import ServerSettings, create_app
from fullduplex.server.app import page_folder
from fullduplex.server.info import describe
from tests.databases import url_of
from tests.server.harness import serving


def roll_dice() -> int:
    """Rolls a die."""
    return 4


AGENT = Agent(name="helper", model="gemini-2.5-flash-native-audio-x", tools=[roll_dice])


async def get(path: str, **headers: str) -> httpx.Response:
    async with serving(create_app(AGENT, ServerSettings(port=0), examples=["Say hello"])) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            return await client.get(path, headers=headers)


async def test_health():
    answer = await get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_info_says_what_answers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GOOGLE_GENAI_USE_VERTEXAI", raising=False)
    info = (await get("/api/info")).json()
    assert info.pop("version")
    assert info.pop("sessions").startswith("memory-")
    assert info == {
        "agent": "helper",
        "model": "gemini-2.5-flash-native-audio-x",
        "engine": "gemini-2.5-flash-native-audio-x on the Gemini Live API",
        "offline": False,
        "tools": ["roll_dice"],
        "examples": ["Say hello"],
    }


async def test_sessions_in_a_database_outlive_the_server(tmp_path: Path):
    settings = ServerSettings(port=0, session_db_url=url_of("sqlite", tmp_path))
    async with serving(create_app(AGENT, settings), settings) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/api/info")).json()["sessions"] == "store"


async def test_the_page_and_its_files():
    async with serving(create_app(AGENT, ServerSettings(port=0))) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            page = await client.get("/")
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/html")
            assert page.text == (page_folder() / "index.html").read_text()
            script = await client.get("/static/ui/main.js")
            assert script.headers["content-type"].startswith("text/javascript"), "a module of another type is refused"
            assert script.headers["cache-control"] == "no-cache"
            unchanged = await client.get("/static/ui/main.js", headers={"if-none-match": script.headers["etag"]})
            assert unchanged.status_code == 304
            assert (await client.get("/favicon.ico")).headers["content-type"].startswith("image/svg+xml")
            assert (await client.get("/static/../server/app.py")).status_code == 404
            assert (await client.get("/nowhere")).status_code == 404


async def test_a_runner_of_ones_own_is_used_and_closed_with_the_server():
    closed = asyncio.Event()

    class Watched(InMemoryRunner):
        async def close(self) -> None:
            closed.set()
            await super().close()

    runner = Watched(AGENT, app_name="mine")
    app = create_app(runner, ServerSettings(port=0))
    assert app.state.host.runner is runner
    async with serving(app):
        assert not closed.is_set()
    assert closed.is_set()


def test_an_embedded_agent_offers_what_it_listens_for():
    def greet(city: Literal["Rome", "Oslo"]) -> str:
        """Greets a city. Examples: "say hello to {city}", "greet {city}"."""
        return city

    def wave_goodbye() -> str:
        """Has no examples."""
        return ""

    helper = Agent(name="helper", tools=[greet])
    agent = Agent(name="desk", model="local", tools=[wave_goodbye], sub_agents=[helper])
    info = describe(agent, "store")
    assert info["tools"] == ["wave_goodbye", "greet"]
    assert info["examples"] == ["Wave goodbye", "Say hello to Rome"]
    assert describe(agent, "store", ["Try this"])["examples"] == ["Try this"]
    assert describe(AGENT, "store")["examples"] == [], "a language model needs no hints"
