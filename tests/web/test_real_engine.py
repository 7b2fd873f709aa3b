"""The page with the real server and engine behind it: handovers, approvals and streaming tools, end to end.

The model alone is scripted, so that each test knows what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import expect

from fullduplex import Agent
from fullduplex.server import ServerSettings, create_app
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool
from tests.live.kit import TURN_COMPLETE, calls, said
from tests.server.harness import serving

from .browser import VoiceBrowser, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def page_of(browser: VoiceBrowser, agent: Agent) -> AsyncIterator[VoicePage]:
    """The page of a server whose agent is `agent`."""
    settings = ServerSettings(port=0)
    async with serving(create_app(agent, settings), settings) as address, browser.page(f"http://{address}") as voice:
        yield voice
        assert voice.errors == []


async def answer_of(model: ScriptedModel, call_id: str, number: int = 1) -> dict[str, Any]:
    """What the model was answered to this call on its connection with this number, as soon as it is."""
    connection = await model.opened(number)
    async with asyncio.timeout(5):
        while True:
            answers = [one for kind, sent in connection.sent if kind == "tool_response" for one in sent]
            for answer in answers:
                if answer.id == call_id:
                    return dict(answer.response)
            await connection.wait_sent(len(connection.sent) + 1)


async def test_a_caller_is_handed_over_and_back(browser: VoiceBrowser) -> None:
    front, dining = ScriptedModel("front-native-audio"), ScriptedModel("dining-native-audio")
    agent = Agent(name="concierge", model=front, sub_agents=[Agent(name="dining", model=dining)])
    async with page_of(browser, agent) as voice:
        await voice.type("a table for four")
        first = await front.opened()
        await first.wait_sent(1)
        for message in (said("One mo"), said("ment."), calls(("t1", "transfer_to_agent", {"agent_name": "dining"}))):
            first.say(message)
        second = await dining.opened()
        await second.wait_sent(1)
        for message in (said("Booked."), calls(("t2", "transfer_to_agent", {"agent_name": "concierge"}))):
            second.say(message)
        third = await front.opened(2)
        await third.wait_sent(1)
        for message in (said("Anything "), said("else?"), TURN_COMPLETE):
            third.say(message)
        await expect(voice.page.locator(".row.agent .bubble")).to_have_text(
            ["One moment.", "Booked.", "Anything else?"]
        )
        await expect(voice.page.locator(".author:visible")).to_have_text(["concierge", "dining", "concierge"])
        await expect(voice.page.locator(".handover b")).to_have_text(["dining", "concierge"])
        await expect(voice.page.locator(".chip")).to_have_count(0)
        await expect(voice.page.locator(".streaming")).to_have_count(0)


class Bank:
    """A tool that a person must approve, and what it did."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.model = ScriptedModel("bank-native-audio")

    def pay(self, amount: int) -> str:
        """Pays."""
        self.paid.append(amount)
        return "paid"

    @property
    def agent(self) -> Agent:
        return Agent(name="bank", model=self.model, tools=[FunctionTool(self.pay, require_confirmation=True)])

    async def ask(self, voice: VoicePage) -> None:
        await voice.type("pay 40")
        connection = await self.model.opened()
        await connection.wait_sent(1)
        connection.say(calls(("c1", "pay", {"amount": 40})))
        await expect(voice.page.locator(".request.open dd")).to_have_text("40")


@pytest.mark.spec(100)
@pytest.mark.parametrize(("button", "paid", "chip"), [("Approve", [40], "chip done"), ("Deny", [], "chip failed")])
async def test_the_tool_runs_when_the_user_says_so(
    browser: VoiceBrowser, button: str, paid: list[int], chip: str
) -> None:
    bank = Bank()
    async with page_of(browser, bank.agent) as voice:
        await bank.ask(voice)
        assert bank.paid == []
        await voice.page.get_by_role("button", name=button).click()
        await answer_of(bank.model, "c1")
        await expect(voice.page.locator(".chip")).to_have_class(chip)
        assert bank.paid == paid
        await expect(voice.page.locator(".note.error")).to_have_count(0)


async def test_an_approval_outlives_a_reload_of_the_page(browser: VoiceBrowser) -> None:
    bank = Bank()
    async with page_of(browser, bank.agent) as voice:
        await bank.ask(voice)
        await voice.page.reload()
        await voice.wait_open()
        await bank.model.opened(2)
        await voice.page.get_by_role("button", name="Approve").click()
        await expect(voice.page.locator(".chip")).to_have_class("chip done")
        assert bank.paid == [40]
        assert await voice.page.evaluate("sessionStorage.getItem('fullduplex.requests')") is None
        await expect(voice.page.locator(".note.error")).to_have_count(0)


async def test_a_streaming_tool_works_until_it_is_stopped(browser: VoiceBrowser) -> None:
    prices: asyncio.Queue[int] = asyncio.Queue()

    async def watch(stock: str) -> AsyncGenerator[int, None]:
        """Watches."""
        while True:
            yield await prices.get()

    def stop_streaming(function_name: str) -> None:
        """Stops a function."""

    model = ScriptedModel("watcher-native-audio")
    async with page_of(browser, Agent(name="watcher", model=model, tools=[watch, stop_streaming])) as voice:
        await voice.type("watch ACME")
        connection = await model.opened()
        await connection.wait_sent(1)
        connection.say(calls(("c1", "watch", {"stock": "ACME"})))
        await answer_of(model, "c1")
        chip = voice.page.locator(".chip").first
        await expect(chip.locator("summary")).to_have_text("watch(stock: ACME)working")
        prices.put_nowait(300)
        await expect(chip.locator("summary")).to_have_text("watch(stock: ACME)working→ 300")
        connection.say(calls(("c2", "stop_streaming", {"function_name": "watch"})))
        await expect(chip).to_have_class("chip stopped")
