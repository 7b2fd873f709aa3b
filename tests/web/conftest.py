"""One browser and one stand-in server for the whole folder; without Chromium its tests are skipped, aloud."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.needs import needs

from .browser import VoiceBrowser
from .standin import Standin


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser to test with; the test is skipped, aloud, when there is none."""
    return needs("chromium")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[VoiceBrowser]:
    """One Chromium for all tests of the folder; every test opens a page of its own in it."""
    async with VoiceBrowser.launch(executable=chromium) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def server() -> AsyncIterator[Standin]:
    """The stand-in, one for all tests of the folder."""
    async with Standin.serve() as running:
        yield running


@pytest.fixture
def standin(server: Standin) -> Standin:
    """The stand-in with nothing remembered of the test before."""
    server.reset()
    return server
