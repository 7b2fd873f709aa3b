"""The real server in the test's own loop, its agent on a Mock Live that a test plays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from fullduplex.agents import Agent
from fullduplex.mock_live import MockLive, Reactor
from fullduplex.runners import InMemoryRunner
from fullduplex.server import create_app
from fullduplex.sessions import Session
from tests.server.harness import NATIVE_AUDIO
from tests.server.harness import serving as serving_app

USER, SESSION = "listener", "one"


@dataclass(frozen=True)
class Answering:
    """A running server: the model behind it, where its page is, and what it remembers."""

    mock: MockLive
    url: str
    runner: InMemoryRunner

    async def session(self) -> Session:
        """The session of the page that was opened with `QUERY`."""
        service = self.runner.session_service
        found = await service.get_session(app_name=self.runner.app_name, user_id=USER, session_id=SESSION)
        assert found is not None
        return found


QUERY = {"user": USER, "session": SESSION}


@asynccontextmanager
async def answering(reactor: Reactor, patch: pytest.MonkeyPatch, **options: Any) -> AsyncIterator[Answering]:
    """Serves an agent whose model answers as `reactor` says, in real time unless the mock's `options` say otherwise."""
    async with MockLive(reactor=reactor, **{"pace": 1.0, **options}) as mock:
        patch.setenv("GOOGLE_API_KEY", "any-key")
        patch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        runner = InMemoryRunner(Agent(name="teller", model=NATIVE_AUDIO), app_name="teller")
        async with serving_app(create_app(runner)) as address:
            yield Answering(mock, f"http://{address}", runner)
