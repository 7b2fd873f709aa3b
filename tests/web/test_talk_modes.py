"""How the user takes the floor: an open microphone, a button that is held, or detection in the browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import expect

from .browser import VoiceBrowser, VoicePage, write_wav
from .standin import Connection, Standin, tone

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

FRAME_BYTES = 640


async def choose(voice: VoicePage, standin: Standin, mode: str, number: int = 2) -> Connection:
    """Chooses the microphone's mode and waits for the new connection."""
    await voice.page.select_option("#micMode", mode)
    connection = await standin.connection(number)
    await voice.wait_open()
    return connection


def turns(agent: Connection) -> list[int]:
    """Bytes of audio in each turn that the page has marked; there may be none outside."""
    found: list[int] = []
    inside = False
    for frame in agent.frames:
        if isinstance(frame, int):
            assert inside, "audio outside a turn"
            found[-1] += frame
        elif frame["type"] == "activity_start":
            assert not inside
            inside = True
            found.append(0)
        elif frame["type"] == "activity_end":
            assert inside
            inside = False
    return found


def kinds(agent: Connection) -> list[str]:
    return [message["type"] for message in agent.messages]


async def test_mode_is_a_matter_of_the_connection(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await expect(voice.page.locator("#micMode")).to_have_value("open")
        assert "vad" not in first.query
        second = await choose(voice, standin, "push")
        assert first.session_id == second.session_id
        assert second.query["vad"] == "off"
        await voice.page.click("#newSessionButton")
        third = await standin.connection(3)
        assert third.query["vad"] == "off"
        fourth = await choose(voice, standin, "open", 4)
        assert "vad" not in fourth.query
        assert voice.errors == []


async def hold_button(voice: VoicePage) -> None:
    await voice.page.hover("#talkButton")
    await voice.page.mouse.down()


async def release_button(voice: VoicePage) -> None:
    await voice.page.mouse.up()


async def hold_space(voice: VoicePage) -> None:
    await voice.page.keyboard.down(" ")
    await voice.page.keyboard.down(" ")  # a held key repeats


async def release_space(voice: VoicePage) -> None:
    await voice.page.keyboard.up(" ")


@pytest.mark.parametrize(("hold", "release"), [(hold_button, release_button), (hold_space, release_space)])
async def test_only_what_is_said_while_the_button_is_held_goes_up(
    browser: VoiceBrowser, standin: Standin, hold: Any, release: Any
) -> None:
    async with browser.page(standin.url) as voice:
        button = voice.page.locator("#talkButton")
        agent = await choose(voice, standin, "push")
        await expect(button).to_be_hidden()
        await voice.start_audio()
        await expect(button).to_be_visible()
        await expect(voice.page.locator("#voiceText")).to_have_text("Ready")
        await asyncio.sleep(0.3)
        assert agent.frames == []
        for number in (1, 2):
            await hold(voice)
            await expect(button).to_have_attribute("aria-pressed", "true")
            await asyncio.sleep(0.4)
            await release(voice)
            await agent.wait(lambda self, count=number: kinds(self).count("activity_end") == count)
            await asyncio.sleep(0.2)
        assert kinds(agent) == ["activity_start", "activity_end"] * 2
        assert all(0.3 < length / 32_000 < 0.9 for length in turns(agent)), turns(agent)


async def test_space_bar_types_a_space_where_one_types(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await choose(voice, standin, "push")
        await voice.start_audio()
        await voice.page.click("#message")
        await voice.page.keyboard.type("a b")
        assert await voice.page.input_value("#message") == "a b"
        await voice.page.keyboard.press("Enter")
        await agent.wait_message("text")
        assert kinds(agent) == ["text"]


async def test_turn_ends_with_the_microphone(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await choose(voice, standin, "push")
        await voice.start_audio()
        await hold_space(voice)
        await agent.wait(lambda self: self.audio)
        await voice.stop_audio()
        await agent.wait_message("activity_end")
        await release_space(voice)
        await expect(voice.page.locator("#talkButton")).to_be_hidden()
        assert kinds(agent) == ["activity_start", "activity_end"], "and no end of the stream, which is for the detector"


async def test_what_is_held_through_a_lost_connection_begins_anew_on_the_next(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await choose(voice, standin, "push")
        await voice.start_audio()
        await hold_space(voice)
        await agent.wait(lambda self: self.audio)
        await agent.close()
        again = await standin.connection(3)
        await again.wait(lambda self: self.audio)
        assert kinds(again) == ["activity_start"]
        await release_space(voice)
        await again.wait_message("activity_end")


def speech_with_pauses(utterances: int, pause_s: float) -> bytes:
    """Bursts of 0.25 s with 0.1 s between them, four to an utterance, with long pauses around the utterances."""
    burst = tone(0.25, 300, level=0.4, rate=16_000) + bytes(2 * 1_600)
    pause = bytes(2 * round(pause_s * 16_000))
    return pause + (burst * 4 + pause) * utterances


@pytest.mark.spec(186)
async def test_voice_gate_in_the_browser_saves_traffic_and_finds_the_turns(
    browser: VoiceBrowser, standin: Standin, tmp_path: Path
) -> None:
    write_wav(tmp_path / "speech.wav", speech_with_pauses(2, 3.0))
    async with browser.page(standin.url, query={"silence_ms": "700"}) as voice:
        agent = await choose(voice, standin, "gate")
        assert agent.query["vad"] == "off"
        captured = await voice.page.evaluate_handle("({frames: 0})")
        await captured.evaluate("(seen) => fullduplex.client.addEventListener('miclevel', () => (seen.frames += 1))")
        await voice.say(tmp_path / "speech.wav")
        await agent.wait(lambda self: kinds(self).count("activity_end") == 2, timeout=15)
        heard = await captured.evaluate("(seen) => seen.frames") * FRAME_BYTES
        assert kinds(agent) == ["activity_start", "activity_end"] * 2
        sent = turns(agent)
        saved = 1 - sum(sent) / heard
        assert 0.5 < saved < 0.9, f"{saved:.0%} of the traffic saved"
        samples = np.frombuffer(b"".join(agent.audio), dtype="<i2") / 32_768
        loud_s = np.count_nonzero(np.abs(samples) > 0.05) / 16_000
        assert loud_s == pytest.approx(2 * 4 * 0.25 * 0.92, abs=0.1), "no speech is missing (a sine is small at times)"
        lead = int(np.argmax(np.abs(samples) > 0.05)) / 16_000
        assert 0.15 < lead < 0.22, "what came before the first syllable goes up with it"


async def test_client_offers_the_gate_by_itself(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        await voice.page.evaluate(
            """async () => {
                 const { LiveClient } = await import("/static/client/live_client.js");
                 const url = `ws://${location.host}/ws/me/s1?modality=AUDIO`;
                 new LiveClient({ url, gate: true, voice: { threshold: 0.1 } }).connect();
               }"""
        )
        connection = await standin.connection(2)
        assert connection.query == {"modality": "AUDIO", "vad": "off"}
