"""What goes wrong in a call, and what a person sees of it: servers that die, microphones refused, a second tab."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from playwright.async_api import expect

from fullduplex.testing.proxy import FaultyProxy
from tests.web.browser import VoiceBrowser

from .served import Served, serving
from .speech import Line, Speech
from .turns import calls, down

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]


@pytest.mark.spec(161)
async def test_killed_server_is_told_of_and_the_call_goes_on_when_it_is_back(
    browser: VoiceBrowser, speech: Speech
) -> None:
    with serving() as first:
        async with browser.page(first.url) as voice:
            sockets: list[str] = []
            voice.page.on("websocket", lambda socket: sockets.append(socket.url))
            mine = await voice.page.evaluate("fullduplex.client.socket.url")
            began = await voice.say(speech.wav(Line("count to thirty")))
            await voice.wait_audible(since=began)
            first.program.stop(signal.SIGKILL)
            await expect(voice.page.locator("#connectionStatus")).to_have_text("Reconnecting")
            await expect(voice.page.locator(".note").last).to_contain_text("Connection closed")
            await expect(voice.page.locator("#sendButton")).to_be_disabled()
            # What was sent before the end is played to its end, and then it is silent: nothing is repeated.
            await voice.wait_silent()
            await expect(voice.page.locator("#voiceText")).to_have_text("Not connected")
            with serving(port=first.port):
                await voice.wait_open()
                await expect(voice.page.locator("#connectionStatus")).to_have_text("Connected")
                assert set(sockets) == {mine}, "another session than before"
                # The microphone is still open: the next question needs no click.
                await expect(voice.page.locator("#voiceText")).to_have_text("Listening")
                asked = await voice.say(speech.wav(Line("what is two plus two", "awb")))
                await voice.wait_event("message.turnComplete", since=asked)
                assert calls(await down(voice, asked)) == [
                    ("calculate", {"first_number": 2, "operation": "plus", "second_number": 2})
                ]
            assert voice.errors == []


async def test_network_that_says_nothing_any_more_is_noticed_and_the_call_goes_on(
    served: Served, browser: VoiceBrowser, speech: Speech
) -> None:
    async with FaultyProxy("127.0.0.1", served.port) as network, browser.page(network.url) as voice:
        status = voice.page.locator("#connectionStatus")
        mine = await voice.page.evaluate("fullduplex.client.socket.url")
        began = await voice.say(speech.wav(Line("count to thirty")))
        await voice.wait_audible(since=began)
        network.blackhole()
        await expect(status).to_have_text("No signal", timeout=10_000)
        await expect(voice.page.locator("#voiceText")).not_to_have_text("Listening")
        # Whoever switches the microphone off and on again needs no network for that.
        await voice.stop_audio()
        await voice.start_audio()
        await voice.type("what is two plus two")  # is not sent to nobody: it stays until there is somebody
        await expect(status).to_have_text("Reconnecting", timeout=15_000)
        await expect(voice.page.locator(".note").last).to_contain_text("nothing is heard from the server")
        await expect(status).to_have_text("Connected")
        assert await voice.page.evaluate("fullduplex.client.socket.url") == mine
        await expect(voice.page.locator("#voiceText")).to_have_text("Listening")
        asked = await voice.now()
        await expect(voice.page.locator("#message")).to_have_value("what is two plus two")
        await voice.page.press("#message", "Enter")
        await voice.wait_event("message.turnComplete", since=asked)
        assert [name for name, _ in calls(await down(voice, asked))] == ["calculate"]
        await expect(voice.page.locator(".note.error")).to_have_count(0)
        assert voice.errors == []


async def test_sigterm_in_a_call_ends_the_server_within_two_seconds(browser: VoiceBrowser, speech: Speech) -> None:
    with serving() as served:
        async with browser.page(served.url) as voice:
            began = await voice.say(speech.wav(Line("count to thirty"), 2.0, Line("stop talking", "rms")))
            await voice.wait_audible(since=began)
            helpers = served.program.children()
            assert helpers, "the recogniser is a process of its own"
            code, seconds = await asyncio.to_thread(served.program.stop)
            assert code == 0
            assert seconds <= 2
            await expect(voice.page.locator("#connectionStatus")).to_have_text("Reconnecting")
            assert await _gone(helpers)


async def _gone(pids: list[int], within: float = 2.0) -> bool:
    """Whether these processes have ended, or end soon."""
    deadline = time.monotonic() + within
    while any(_lives(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_denied_microphone_is_explained_and_typing_still_works(served: Served, chromium: str) -> None:
    """The browser's own refusal, as a person's "Block" gives it."""
    async with VoiceBrowser.launch(executable=chromium, refuse_microphone=True) as browser:
        async with browser.page(served.url) as voice:
            await voice.page.click("#startAudioButton")
            note = voice.page.locator(".note.error")
            await expect(note).to_contain_text("The browser did not allow the microphone. Allow it in the address bar")
            await expect(voice.page.locator("#startAudioButton")).to_be_enabled()
            began = await voice.now()
            await voice.type("what is two plus two")
            await voice.wait_audible(since=began)


async def test_second_tab_takes_the_conversation_over_and_the_first_says_so(
    served: Served, browser: VoiceBrowser, speech: Speech
) -> None:
    ids = {"user": "twice", "session": "one"}
    async with browser.page(served.url, query=ids) as first:
        await first.start_audio()
        async with browser.page(served.url, query=ids) as second:
            await expect(first.page.locator("#connectionStatus")).to_have_text("In another tab")
            await expect(first.page.locator(".note").last).to_contain_text("goes on in another tab")
            # It does not listen any more, nor does it fight for the session.
            await expect(first.page.locator("#stopAudioButton")).to_be_hidden()
            began = await second.say(speech.wav(Line("what is two plus two")))
            await second.wait_event("message.turnComplete", since=began)
            await expect(second.page.locator("#connectionStatus")).to_have_text("Connected")
            await expect(second.page.locator(".note")).to_have_count(1)
            await expect(first.page.locator("#connectionStatus")).to_have_text("In another tab")
            assert await first.page.locator(".note").all_inner_texts() == [
                "Connection opened",
                "This conversation goes on in another tab.Continue here",
            ]
            # A click brings it back, and then the other tab is the one that waits.
            await first.page.get_by_role("button", name="Continue here").click()
            await first.wait_open()
            await expect(second.page.locator("#connectionStatus")).to_have_text("In another tab")
            await expect(first.page.get_by_role("button", name="Continue here")).to_have_count(0)
        assert first.errors == []
