"""What the page tells of its player: how much was heard, when it was first audible, and that it was stopped."""

from __future__ import annotations

import asyncio
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from .browser import VoiceBrowser, VoicePage, write_wav
from .standin import Connection, Standin, audio, event, text, tone

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

RATE = 24_000


async def speak(agent: Connection, seconds: float, lead: float = 0.0, piece_s: float = 0.2) -> str:
    """Sends audio in pieces, all at once, after `lead` seconds of silence; returns the id of the first event."""
    pcm = bytes(2 * round(lead * RATE)) + tone(seconds)
    size = 2 * round(piece_s * RATE)
    events = [audio(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    await agent.send(*events)
    return str(events[0]["id"])


def played_ms(agent: Connection, response: str) -> float:
    """The last that was told of a response; -1 when nothing was."""
    return float(agent.told("playout", response)[-1]["played_ms"]) if agent.told("playout", response) else -1.0


def is_cleared(agent: Connection, response: str) -> bool:
    return any(report["cleared"] for report in agent.told("playout", response))


async def latency_ms(voice: VoicePage) -> float:
    return float(await voice.page.evaluate("fullduplex.player.latency * 1000"))


async def test_playout_is_told_ten_times_a_second_and_to_the_end(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        # In one piece: a page that is slow to take several runs dry between them, and that is another test.
        response = await speak(agent, 1.0, piece_s=1.0)
        await agent.send(event(turnComplete=True))
        await agent.wait(lambda self: played_ms(self, response) == 1_000)
        played = [report["played_ms"] for report in agent.told("playout", response)]
        assert played == sorted(set(played))
        assert 10 <= len(played) <= 13
        steps = [after - before for before, after in pairwise(played[:-1])]
        assert all(90 < step < 115 for step in steps), steps
        assert not any(report["cleared"] for report in agent.told("playout"))
        await asyncio.sleep(0.3)
        assert len(agent.told("playout")) == len(played), "nothing is said of silence"


async def test_page_knows_its_output_latency(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        response = await speak(agent, 1.0)
        await agent.wait(lambda self: len(self.told("playout", response)) >= 4)
        told = played_ms(agent, response)  # first, because meanwhile it plays on
        rendered = (await voice.stats())["responses"][0]["rendered"] / RATE * 1_000
        assert await latency_ms(voice) > 0
        assert told <= rendered - await latency_ms(voice) + 1


@pytest.mark.parametrize("slow", [1, 6])
async def test_an_interruption_is_answered_with_what_was_rendered_less_the_latency(
    browser: VoiceBrowser, standin: Standin, slow: int
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        devtools = await voice.page.context.new_cdp_session(voice.page)
        await devtools.send("Emulation.setCPUThrottlingRate", {"rate": slow})
        for number in range(1, 4):
            response = await speak(agent, 8.0)  # a slow page is not to play it to its end meanwhile
            await agent.wait(lambda self, known=response: len(self.told("playout", known)) >= 3)
            await agent.send(event(interrupted=True), event(turnComplete=True))
            await agent.wait(lambda self, known=response: is_cleared(self, known))
            [cleared] = [report for report in agent.told("playout", response) if report["cleared"]]
            book = (await voice.stats())["responses"][number - 1]
            expected = book["rendered"] / RATE * 1_000 - await latency_ms(voice)
            assert cleared["played_ms"] == pytest.approx(expected, abs=0.1)
            assert agent.told("playout", response)[-1] == cleared
        await asyncio.sleep(0.3)
        assert agent.told("playout")[-1]["cleared"], "after it, nothing more is said of a response"


async def test_an_underrun_is_not_counted_as_heard(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        response = await speak(agent, 0.3)
        await asyncio.sleep(0.8)
        await speak(agent, 2.0)
        await agent.wait(lambda self: played_ms(self, response) > 500)
        await agent.send(event(interrupted=True))
        await agent.wait(lambda self: is_cleared(self, response))
        book = (await voice.stats())["responses"][0]
        expected = book["rendered"] / RATE * 1_000 - await latency_ms(voice)
        assert agent.told("playout", response)[-1]["played_ms"] == pytest.approx(expected, abs=0.1)


async def test_two_responses_in_the_player_are_told_apart(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        first = await speak(agent, 0.5)
        await agent.send(event(turnComplete=True))
        second = await speak(agent, 2.0)
        await agent.wait(lambda self: played_ms(self, second) > 200)
        assert agent.told("playout", first)[-1]["played_ms"] == 500
        await agent.send(event(interrupted=True))
        await agent.wait(lambda self: is_cleared(self, second))
        assert [report["response_id"] for report in agent.told("playout") if report["cleared"]] == [second]


async def test_response_that_was_played_out_before_the_interruption_is_told_too(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        response = await speak(agent, 0.2)
        await agent.wait(lambda self: played_ms(self, response) == 200)
        await asyncio.sleep(1.3)
        await agent.send(event(interrupted=True))
        await agent.wait(lambda self: is_cleared(self, response))
        assert agent.told("playout")[-1] == {
            "type": "playout",
            "response_id": response,
            "played_ms": 200,
            "cleared": True,
        }


async def test_what_came_before_sound_was_allowed_counts_for_the_place_of_what_follows(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        response = await speak(agent, 1.0)
        await voice.wait_event("message.content")
        await voice.allow_sound()
        await speak(agent, 0.2)
        await agent.wait(lambda self: played_ms(self, response) == 1_200)


async def test_reports_stop_with_the_connection_and_begin_with_the_next_response(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await voice.allow_sound()
        await speak(first, 3.0)
        await first.wait(lambda self: self.told("playout"))
        await first.close()
        second = await standin.connection(2)
        await second.wait(lambda self: len(self.told("clock")) >= 5)
        assert second.told("playout") == [], "the new run knows nothing of the old one's responses"
        await second.send(event(interrupted=True))
        response = await speak(second, 0.5)
        await second.wait(lambda self: self.told("playout", response))


# The user's own wish


@pytest.mark.spec(187)
@pytest.mark.parametrize("way", ["#stopAgentButton", "Escape"])
async def test_the_user_can_stop_the_agent(browser: VoiceBrowser, standin: Standin, way: str) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await expect(voice.page.locator("#stopAgentButton")).to_be_hidden()
        await voice.allow_sound()
        response = await speak(agent, 4.0)
        await expect(voice.page.locator("#stopAgentButton")).to_be_visible()
        if way == "Escape":
            await voice.page.keyboard.press("Escape")
        else:
            await voice.page.click(way)
        assert await agent.wait_message("interrupt") == {"type": "interrupt"}
        await agent.wait(lambda self: is_cleared(self, response))
        await speak(agent, 0.5)  # still of the response that was stopped
        last = await voice.wait_silent(quiet_ms=300)
        [pressed] = [one["at"] for one in await voice.events() if one["message"].get("type") == "interrupt"]
        assert last - pressed < 250
        await expect(voice.page.locator("#stopAgentButton")).to_be_hidden()
        await agent.send(event(interrupted=True), event(turnComplete=True))
        answer = await speak(agent, 0.3)
        await agent.wait(lambda self: played_ms(self, answer) == 300)
        assert len([report for report in agent.told("playout", response) if report["cleared"]]) == 1


async def test_escape_stops_nobody_when_nobody_speaks_or_when_it_closes_the_camera(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        await voice.page.keyboard.press("Escape")
        await speak(agent, 3.0)
        await voice.page.click("#cameraButton")
        await expect(voice.page.locator("#cameraCapture")).to_be_enabled()
        await voice.page.keyboard.press("Escape")
        await expect(voice.page.locator("#cameraModal")).to_be_hidden()
        await voice.type("a mark")
        await agent.wait_message("text")
        assert [message["type"] for message in agent.messages] == ["text"]


# When


def page_ms(agent: Connection, server_s: float) -> float:
    """A time of the stand-in's clock on the page's."""
    return server_s * 1_000 - agent.clock_ahead


async def test_clock_is_asked_five_times_at_the_start(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.wait(lambda self: len(self.told("clock")) == 5)
        asked = [question["t0"] for question in agent.told("clock")]
        pauses = [later - earlier for earlier, later in pairwise(asked)]
        assert min(pauses) > 150
        assert statistics.median(pauses) < 500, "a busy page may be late once"
        await asyncio.sleep(0.4)
        assert len(agent.told("clock")) == 5
        offset = await voice.page.evaluate("fullduplex.client.timekeeper.clock.offset")
        assert offset == pytest.approx(agent.clock_ahead, abs=20)
        assert await voice.events() == [], "this is no part of the conversation"


async def test_first_sound_of_an_answer_is_told_on_the_servers_clock(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.wait(lambda self: len(self.told("clock")) == 5)
        await voice.allow_sound()
        await voice.type("speak")
        began = await voice.now()
        response = await speak(agent, 0.6, lead=0.25)
        await agent.wait(lambda self: self.told("turn_times"))
        await agent.send(event(turnComplete=True))
        second = await speak(agent, 0.3)
        await agent.wait(lambda self: self.told("turn_times", second))
        [times] = agent.told("turn_times", response)
        assert set(times) == {"type", "response_id", "first_audible_at", "speech_end_at"}
        assert times["speech_end_at"] is None, "the user typed"
        audible = page_ms(agent, times["first_audible_at"])
        # The level's time is that of rendering. It leaves the speaker after the output's latency.
        rendered = await voice.wait_audible(since=began)
        assert audible - rendered == pytest.approx(await latency_ms(voice), abs=30)
        assert agent.told("turn_times", second)[0]["first_audible_at"] > times["first_audible_at"]


async def test_end_of_the_users_speech_is_told_with_the_answer_to_it(
    browser: VoiceBrowser, standin: Standin, tmp_path: Path
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.wait(lambda self: len(self.told("clock")) == 5)
        write_wav(tmp_path / "speech.wav", bytes(9_600) + tone(0.7, rate=16_000) + bytes(160_000))
        began = await voice.say(tmp_path / "speech.wav")
        await asyncio.sleep(1.6)
        response = await speak(agent, 0.5)
        await agent.wait(lambda self: self.told("turn_times", response))
        await agent.send(event(turnComplete=True))
        unasked = await speak(agent, 0.5)
        await agent.wait(lambda self: self.told("turn_times", unasked))
        _, last = await voice.speech_bounds(since=began)
        [times] = agent.told("turn_times", response)
        # A frame is 20 ms long: the one in which the voice ends ends up to that later.
        assert -10 < page_ms(agent, times["speech_end_at"]) - last < 35
        assert agent.told("turn_times", unasked)[0]["speech_end_at"] is None


# What the page shows of it


def heard_event(words: str, **fields: Any) -> dict[str, Any]:
    return event(heard={"responseId": "r", "text": words, "playedMs": 420.0, "estimated": False}, **fields)


async def test_words_that_nobody_heard_are_dimmed(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(
            event(outputTranscription={"text": "It is noon in Tokyo and one in Sydney.", "finished": True}),
            event(interrupted=True),
            heard_event("It is noon in"),
            event(turnComplete=True),
            text("Yes?", partial=False),
        )
        bubble = voice.page.locator(".agent.interrupted .bubble")
        await expect(bubble).to_have_text("It is noon in Tokyo and one in Sydney.")
        await expect(bubble.locator(".unheard")).to_have_text("Tokyo and one in Sydney.")
        await expect(voice.page.locator(".agent:not(.interrupted) .unheard")).to_have_count(0)
        await voice.page.click("#consoleButton")
        label = voice.page.locator(".events .what", has_text="the user heard")
        await expect(label).to_have_text("Cut off; the user heard: It is noon in")


async def test_bubble_says_how_long_the_answer_took(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        sound = audio(tone(0.1))
        latency = {"responseId": sound["id"], "serverInAt": 10.0, "firstByteAt": 10.6, "totalMs": 640.0}
        await agent.send(sound, event(latency=latency), text("It is noon.", partial=False), event(turnComplete=True))
        tag = voice.page.locator(".row.agent .tag-time")
        await expect(tag).to_have_text("answered in 640 ms")
        assert await tag.get_attribute("title") == "600 ms until the model's first audio"
        await agent.send(text("And now one.", partial=False), event(turnComplete=True))
        await expect(voice.page.locator(".row.agent .bubble")).to_have_count(2)
        await expect(tag).to_have_count(1)
