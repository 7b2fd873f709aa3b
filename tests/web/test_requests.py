"""Approvals and many agents as a person meets them on the page: cards, keyboard, reload, names, handovers, phones."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from .browser import VoiceBrowser, VoicePage
from .conftest import Modules
from .standin import Connection, Standin, approval, calling, event, hand_over, spoken, text, tool_call, tool_response

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTE = {"text": "for <b>lunch</b>", "tags": ["a", "b"], "memo": ""}
PAY = {"id": "c1", "name": "transfer_money", "args": {"to": "Ada", "amount": 40, "note": NOTE}}
PENDING = {"status": "The function is running asynchronously and the results are pending."}


async def asked(voice: VoicePage, agent: Connection, request_id: str = "r1") -> Locator:
    """The card of a request that has just come."""
    await agent.send(calling(PAY), approval(request_id, PAY, "Send 40 € to Ada?"))
    card = voice.page.locator(".request")
    await expect(card).to_be_visible()
    return card


def answers(agent: Connection) -> list[dict[str, Any]]:
    return [message for message in agent.messages if message["type"] == "tool_response"]


async def test_card_tells_all_of_the_call(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        card = await asked(voice, await standin.connection())
        await expect(card.locator("b")).to_have_text("transfer_money")
        terms = await card.locator("dt").all_inner_texts()
        values = await card.locator("dd:not(:has(dl))").all_inner_texts()
        assert terms == ["to", "amount", "note", "text", "tags", "memo"]
        assert values == ["Ada", "40", "for <b>lunch</b>", "a\nb", '""']
        await expect(card.locator(".request-hint")).to_have_text("Send 40 € to Ada?")
        await expect(voice.page.locator(".chip.waiting .state")).to_have_text("waiting for approval")
        await expect(voice.page.locator(".is-typing")).to_have_count(0)


@pytest.mark.parametrize(("button", "confirmed", "verdict"), [("Approve", True, "Approved"), ("Deny", False, "Denied")])
async def test_a_click_answers_once(
    browser: VoiceBrowser, standin: Standin, button: str, confirmed: bool, verdict: str
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        card = await asked(voice, agent)
        await card.get_by_role("button", name=button).dblclick()
        await expect(card.locator(".request-head")).to_have_text(verdict)
        await expect(card.locator("button")).to_have_count(0)
        await agent.wait_message("tool_response")
        await voice.type("and now?")
        await agent.wait_message("text")
        response = {"confirmed": confirmed}
        assert answers(agent) == [
            {"type": "tool_response", "id": "r1", "name": "adk_request_confirmation", "response": response}
        ]


async def test_a_server_that_has_forgotten_the_request_is_not_waited_for(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        card = await asked(voice, agent)
        await card.get_by_role("button", name="Approve").click()
        await agent.wait_message("tool_response")
        message = "no request r1 waits for an answer"
        await agent.send(event(errorCode="invalid_content", errorMessage=message, recoverable=True))
        await expect(card.locator(".request-head")).to_have_text("No longer waiting")
        await expect(voice.page.locator(".chip.stopped")).to_have_count(1)
        await expect(voice.page.locator(".is-typing")).to_have_count(0)
        await expect(voice.page.locator(".note.error")).to_have_count(0)


async def test_what_a_tool_wants_to_be_told_can_be_filled_in(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        wanted = {"amount": 0, "reason": "", "urgent": True, "tags": ["x"]}
        await agent.send(approval("r1", PAY, payload=wanted))
        card = voice.page.locator(".request")
        await card.get_by_label("amount").fill("")
        await card.get_by_role("button", name="Approve").click()
        await card.get_by_label("amount").fill("12.5")
        await card.get_by_label("reason").fill("lunch")
        await card.get_by_label("reason").press("Enter")
        await card.get_by_label("urgent").uncheck()
        await card.get_by_label("tags").fill('["a"')
        await card.get_by_role("button", name="Approve").click()
        await card.get_by_label("tags").fill('["a"]')
        await voice.type("nothing is sent yet")
        await agent.wait_message("text")
        assert answers(agent) == []
        await card.get_by_role("button", name="Approve").click()
        payload = {"amount": 12.5, "reason": "lunch", "urgent": False, "tags": ["a"]}
        assert (await agent.wait_message("tool_response"))["response"] == {"confirmed": True, "payload": payload}


async def test_one_value_is_asked_for_in_one_field_and_a_no_needs_none(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(approval("r1", PAY, payload=3), approval("r2", PAY, payload=3))
        card = voice.page.locator(".request.open")
        await card.first.get_by_label("Answer").fill("4")
        await card.first.get_by_role("button", name="Approve").click()
        assert (await agent.wait_message("tool_response"))["response"] == {"confirmed": True, "payload": 4}
        await card.get_by_label("Answer").fill("")
        await card.get_by_role("button", name="Deny").click()
        await agent.wait(lambda agent: len(answers(agent)) == 2)
        assert answers(agent)[1]["response"] == {"confirmed": False}


async def test_a_click_that_was_on_its_way_when_the_card_came_decides_nothing(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        card = await asked(voice, await standin.connection())
        reacts = await card.locator(".request-buttons").evaluate(
            """(buttons) => {
                 const [animation] = buttons.getAnimations();
                 const reacts = () => getComputedStyle(buttons.firstChild).pointerEvents;
                 animation.pause();
                 animation.currentTime = 300;
                 const early = reacts();
                 animation.finish();
                 return [early, reacts()];
               }"""
        )
        assert reacts == ["none", "auto"]


async def test_keyboard_and_screen_reader_can_answer(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.page.focus("#message")
        await voice.page.keyboard.type("I am typ")
        card = await asked(voice, agent)
        await voice.page.keyboard.type("ing")
        assert await voice.page.input_value("#message") == "I am typing", "a request takes no focus from who types"
        group = voice.page.get_by_role("group", name="Needs your approval: transfer_money")
        await expect(group).to_be_visible()
        await voice.page.focus("#messages")
        for name in ("Approve transfer_money", "Deny transfer_money"):
            await voice.page.keyboard.press("Tab")
            focused = "e => e.getAttribute('aria-label')"
            while await voice.page.locator(":focus").evaluate(focused) is None:
                await voice.page.keyboard.press("Tab")  # the chip stands between
            assert await voice.page.locator(":focus").evaluate(focused) == name
        await voice.page.keyboard.press("Enter")
        await expect(card).to_be_focused()
        await expect(card).to_have_attribute("aria-label", "Denied: transfer_money")
        assert (await agent.wait_message("tool_response"))["response"] == {"confirmed": False}


async def test_open_request_outlives_a_reload_and_a_lost_connection(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await asked(voice, first)
        await voice.page.reload()
        second = await standin.connection(2)
        await voice.wait_open()
        card = voice.page.locator(".request.open")
        await expect(card.locator("dd").first).to_have_text("Ada")

        standin.refusing = True
        await second.close(1012, "restarting")
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Reconnecting")
        await card.get_by_role("button", name="Approve").click()
        await expect(voice.page.locator(".note.error")).to_contain_text("your answer was not sent")
        standin.refusing = False
        third = await standin.connection(3)
        await voice.wait_open()
        await card.get_by_role("button", name="Approve").click()
        assert (await third.wait_message("tool_response"))["id"] == "r1"
        await expect(voice.page.locator(".request.approved")).to_have_count(1)

        await voice.page.reload()  # nobody has said yet that the answer came
        await voice.wait_open()
        await card.get_by_role("button", name="Approve").click()
        fourth = await standin.connection(4)
        await fourth.wait_message("tool_response")
        await fourth.send(
            tool_response("r1", "adk_request_confirmation", {"confirmed": True}), text("Done.", partial=False)
        )
        await expect(voice.page.locator(".row.agent .bubble")).to_have_text("Done.")
        await voice.page.reload()
        await voice.wait_open()
        await expect(voice.page.locator(".request")).to_have_count(0)
        assert voice.errors == []


async def test_a_new_conversation_leaves_the_requests_of_the_old_one(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        await asked(voice, await standin.connection())
        await voice.page.click("#newSessionButton")
        await expect(voice.page.locator(".request")).to_have_count(0)
        await voice.page.reload()
        await voice.wait_open()
        await expect(voice.page.locator(".request")).to_have_count(0)


async def test_a_login_cannot_be_given_here_and_the_card_says_so(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        args = {"functionCallId": "c1", "originalFunctionCall": PAY, "authConfig": {"secret": "hidden"}}
        await agent.send(calling({"id": "r1", "name": "adk_request_credential", "args": args}, long_running=True))
        card = voice.page.get_by_role("group", name="Needs a login: transfer_money")
        await expect(card).to_contain_text("This page cannot give it a credential")
        await expect(card.locator("button")).to_have_count(0)
        assert "hidden" not in await card.inner_text()


async def test_agents_are_named_when_there_are_several(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        names = voice.page.locator(".author:visible")
        await agent.send(spoken("Welcome.", finished=True, author="concierge"), event(turnComplete=True))
        await expect(voice.page.locator(".row.agent .bubble")).to_have_text("Welcome.")
        await expect(names).to_have_count(0)
        await agent.send(
            hand_over("concierge", "dining"),
            text("A table ", partial=True, author="dining"),
            text("for four.", partial=True, author="dining"),
            event(author="dining", turnComplete=True),
            text("With a view.", partial=False, author="dining"),
            text("On the one hand", partial=True, author="pro", branch="panel.pro"),
        )
        await expect(names).to_have_text(["concierge", "dining", "propanel"])
        mark = voice.page.locator(".handover")
        await expect(mark).to_have_text("concierge→hands over todining")
        await expect(voice.page.locator(".row.agent .bubble").nth(1)).to_have_text("A table for four.")
        await voice.page.click("#newSessionButton")
        await (await standin.connection(2)).send(spoken("Hello.", finished=True, author="dining"))
        await expect(voice.page.locator(".row.agent .bubble")).to_have_text("Hello.")
        await expect(names).to_have_count(0)


async def test_working_tool_shows_that_it_works_until_it_is_stopped(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(tool_call("c1", "watch_price", stock="ACME"), tool_response("c1", "watch_price", PENDING))
        chip = voice.page.locator(".chip").first
        await expect(chip).to_have_class("chip working")
        await expect(chip.locator("summary")).to_have_text("watch_price(stock: ACME)working")
        await agent.send(
            tool_call("c2", "stop_streaming", function_name="watch_price"),
            tool_response("c2", "stop_streaming", {"status": "Successfully stopped streaming function watch_price"}),
        )
        await expect(chip).to_have_class("chip stopped")
        await expect(chip.locator("summary")).to_have_text("watch_price(stock: ACME)stopped")


@pytest.mark.parametrize("dark", [False, True])
async def test_phone_width_holds_cards_names_and_hand_overs(
    browser: VoiceBrowser, standin: Standin, dark: bool
) -> None:
    async with browser.page(standin.url, size=(360, 740), dark=dark) as voice:
        agent = await standin.connection()
        long = "a_rather_long_name_that_a_person_would_not_give_" * 3
        call = {"id": "c1", "name": long, "args": {long: long, "n": 1}}
        await agent.send(
            text("Hi.", partial=False, author="concierge"),
            hand_over("concierge", long),
            text("Hello.", partial=False, author=long, branch=f"{long}.{long}"),
            calling(call),
            approval("r1", call, long, author=long),
        )
        await expect(voice.page.locator(".request")).to_be_visible()
        overflow: list[Any] = await voice.page.evaluate(
            """[...document.querySelectorAll("#messages *")]
                 .filter((e) => e.checkVisibility() && !e.closest("svg, summary, .visually-hidden"))
                 .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
                 .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert overflow == []
        assert await voice.page.evaluate("document.documentElement.scrollWidth") == 360


async def test_event_console_names_hand_overs_and_answers(modules: Modules) -> None:
    answer = {"type": "tool_response", "id": "r1", "name": "adk_request_confirmation", "response": {}}
    entries = [
        {"direction": "up", "message": answer, "bytes": 0},
        {"direction": "down", "message": hand_over("concierge", "dining"), "bytes": 0},
        {"direction": "down", "message": event(toolCallCancellation={"ids": ["c1"]}), "bytes": 0},
    ]
    labels = await modules.run("ui/event_summary.js", "return arg.map((entry) => m.summarise(entry).label);", entries)
    assert labels == ["Tool response: adk_request_confirmation", "Handover to dining", "Tool calls taken back"]
