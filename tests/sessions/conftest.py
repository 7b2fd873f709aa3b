"""The session services that the contract is tested on, each under an app name of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fullduplex.sessions import (
    BaseSessionService,
    DatabaseSessionService,
    InMemorySessionService,
    VertexAiSessionService,
    agent_engine,
)
from tests.databases import KINDS, url_of
from tests.sessions.agent_engine_stub import AgentEngineStub
from tests.test_google_login import FakeCredentials

OURS = ["memory", *KINDS]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> AgentEngineStub:
    """What stands in for Vertex AI."""
    stub = AgentEngineStub()
    monkeypatch.setattr(agent_engine.AgentEngineApi, "_client", lambda _: stub.client())
    monkeypatch.setattr(agent_engine, "OPERATION_PAUSES_S", (0.0,) * 5)
    monkeypatch.setattr(agent_engine, "PAUSES_S", (0.0,) * 3)
    return stub


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, tmp_path: Path, stub: AgentEngineStub
) -> AsyncIterator[BaseSessionService]:
    """One of the services."""
    if request.param == "memory":
        yield InMemorySessionService()
    elif request.param == "vertex":
        async with VertexAiSessionService("project", credentials=FakeCredentials("token")) as vertex:
            yield vertex
    else:
        async with DatabaseSessionService(url_of(request.param, tmp_path)) as database:
            yield database


@pytest.fixture
def who() -> dict[str, str]:
    """An app that no other test knows, and a user. (For Vertex AI the name of an app is a number.)"""
    return {"app_name": str(uuid.uuid4().int), "user_id": "u"}
