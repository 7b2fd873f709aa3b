"""One browser and one stand-in server for the whole folder; without Chromium its tests are skipped, aloud."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

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


class Modules:
    """Runs JavaScript with a module of the client imported as `m`."""

    def __init__(self, page: Any) -> None:
        self.page = page

    async def run(self, module: str, code: str, arg: Any = None) -> Any:
        return await self.page.evaluate(f"async (arg) => {{ const m = await import('/static/{module}'); {code} }}", arg)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modules(browser: VoiceBrowser, server: Standin) -> AsyncIterator[Modules]:
    """A tab on the server's origin without the page in it."""
    context = await browser.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{server.url}/api/info")
    yield Modules(page)
    await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def assemble(browser: VoiceBrowser, server: Standin) -> AsyncIterator[Any]:
    """Feeds steps to a new Conversation, returns its items.

    A step: an Event, `{"wait": ms}`, `{"typed": text}`, `{"lost": true}` or `{"decide": bool}` on the last request.
    """
    context = await browser.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{server.url}/api/info")

    async def run(*steps: dict[str, Any]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = await page.evaluate(
            """async (steps) => {
                 const { Conversation } = await import("/static/client/conversation.js");
                 const conversation = new Conversation();
                 let now = 1000;
                 for (const step of steps) {
                   now += 50;
                   if (step.wait) now += step.wait;
                   else if (step.typed) conversation.addTyped(step.typed);
                   else if (step.lost) conversation.connectionLost();
                   else if ("decide" in step) {
                     const request = conversation.items.findLast((item) => item.kind === "request");
                     conversation.decide(request, step.decide);
                   }
                   else conversation.apply(step, now);
                 }
                 return conversation.items;
               }""",
            list(steps),
        )
        return items

    yield run
    await context.close()
