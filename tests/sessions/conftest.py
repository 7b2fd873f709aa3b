"""The session services that the contract is tested on, each under an app name of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fullduplex.sessions import BaseSessionService, DatabaseSessionService, InMemorySessionService
from tests.databases import KINDS, url_of


@pytest.fixture(params=["memory", *KINDS])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BaseSessionService]:
    """One of the services."""
    if request.param == "memory":
        yield InMemorySessionService()
        return
    async with DatabaseSessionService(url_of(request.param, tmp_path)) as database:
        yield database


@pytest.fixture
def who() -> dict[str, str]:
    """An app that no other test knows, and a user."""
    return {"app_name": f"app-{uuid.uuid4().hex}", "user_id": "u"}
