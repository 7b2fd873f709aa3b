"""Media that comes down as binary frames, each after its event, and frames that do not fit together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from playwright.async_api import expect

from fullduplex.events import Event
from fullduplex.requests import LiveRequestQueue
from tests.server.harness import audio_event, requests_of, scripted

from .browser import VoiceBrowser
from .conftest import Modules
from .standin import Standin, audio, event, spoken, tone

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "The server sent an event and not all of its media."
BINARY = {"downlink": "binary"}
STRAY = "The server sent a binary frame that belongs to no event."


async def decoded(modules: Modules, *frames: dict[str, Any] | list[int] | None) -> list[dict[str, Any]]:
    """What a `Downlink` says of each frame: JSON, or bytes; None is the loss of the connection."""
    said: list[dict[str, Any]] = await modules.run(
        "client/downlink.js",
        """const downlink = new m.Downlink();
           const told = [];
           for (const frame of arg) {
             if (frame === null) { downlink.forget(); continue; }
             const bytes = Array.isArray(frame) && Uint8Array.from(frame).buffer;
             const { event, clock, audio, problem } = downlink.decode(bytes || JSON.stringify(frame));
             const samples = audio.map(({ pcm, rate }) => [rate, ...pcm]);
             for (const { pcm } of audio) pcm.fill(0);  // it is the player's now, and nobody else's
             const media = (event?.content?.parts ?? []).map((part) => [...(part.inlineData?.bytes ?? [])]);
             told.push({ event: event?.id ?? null, clock: clock !== null, samples, media, problem });
           }
           return told;""",
        list(frames),
    )
    return said


def bare(name: str, *kinds: str) -> dict[str, Any]:
    """An event whose media follows."""
    return {"id": name, "content": {"parts": [{"text": "x"}, *({"inlineData": {"mimeType": kind}} for kind in kinds)]}}


def nothing(problem: str | None = None) -> dict[str, Any]:
    return {"event": None, "clock": False, "samples": [], "media": [], "problem": problem}


async def test_an_event_is_told_when_all_its_media_is_there(modules: Modules) -> None:
    told = await decoded(
        modules,
        bare("a", "audio/pcm;rate=24000", "image/png", "audio/pcm;rate=16000"),
        [1, 0, 2, 0],
        [9],
        [],
        {"id": "b", "turnComplete": True},
    )
    whole = {"event": "a", "samples": [[24_000, 1, 2], [16_000]], "media": [[], [1, 0, 2, 0], [9], []]}
    assert told == [*[nothing()] * 3, {**nothing(), **whole}, {**nothing(), "event": "b"}]


async def test_frames_in_an_order_that_makes_no_sense_are_a_problem_and_what_follows_is_read(modules: Modules) -> None:
    pcm = "audio/pcm;rate=24000"
    sound = {"samples": [[24_000, 3]], "media": [[], [3, 0]]}
    told = await decoded(
        modules, [1, 0], bare("a", pcm), bare("b", pcm), [3, 0], [4, 0], bare("c", pcm), {"type": "clock", "t0": 1}
    )
    assert told == [
        nothing(STRAY),
        nothing(),
        nothing(LOST),
        {**nothing(), "event": "b", **sound},
        nothing(STRAY),
        nothing(),
        {**nothing(LOST), "clock": True},
    ]


async def test_what_a_lost_connection_left_unfinished_is_forgotten(modules: Modules) -> None:
    told = await decoded(modules, bare("a", "audio/pcm"), None, {"id": "b"}, [1, 0])
    assert told == [nothing(), {**nothing(), "event": "b"}, nothing(STRAY)]


@pytest.mark.spec(167)
async def test_page_plays_every_byte_of_binary_frames(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url, query=BINARY) as voice:
        agent = await standin.connection()
        assert agent.query["downlink"] == "binary"
        await voice.allow_sound()
        began = await voice.now()
        pcm = tone(0.5, level=0.9)
        chunks = [pcm[at : at + 1_920] for at in range(0, len(pcm), 1_920)]
        await agent.send_apart(*(audio(chunk) for chunk in chunks))
        await agent.send(spoken("Done.", finished=True), event(turnComplete=True))
        await voice.wait_event("message.turnComplete")
        books = await voice.wait_stats("books.buffered === 0")
        assert (books["received"], books["rendered"], books["dropped"]) == (len(pcm) // 2, len(pcm) // 2, 0)
        loudest = max(level["rms"] for level in await voice.levels("output", since=began))
        assert loudest == pytest.approx(0.9 / np.sqrt(2), abs=0.02)
        log = [entry for entry in await voice.events() if entry["direction"] == "down" and entry["audio"]]
        assert [entry["bytes"] for entry in log] == [len(chunk) for chunk in chunks]
        assert log[0]["message"]["content"]["parts"] == [
            {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "(1920 bytes)"}}
        ]
        assert await voice.page.locator(".note.error").count() == 0


@pytest.mark.spec(167)
async def test_page_plays_every_byte_that_the_real_server_sends(browser: VoiceBrowser) -> None:
    sizes = [1_920 + 2 * number for number in range(20)]

    async def answer(queue: LiveRequestQueue) -> AsyncIterator[Event]:
        async for _ in requests_of(queue):
            for size in sizes:
                yield audio_event(tone(1)[:size])
            yield Event(author="demo", turn_complete=True)

    async with scripted(answer) as server, browser.page(f"http://{server.address}", query=BINARY) as voice:
        await voice.allow_sound()
        await voice.page.evaluate(
            """() => {
                 window.binaryBytes = 0;
                 fullduplex.client.socket.addEventListener("frame", ({ detail }) => {
                   if (typeof detail !== "string") window.binaryBytes += detail.byteLength;
                 });
               }"""
        )
        await voice.type("speak")
        await voice.wait_event("message.turnComplete")
        books = await voice.wait_stats("books.buffered === 0")
        assert await voice.page.evaluate("window.binaryBytes") == sum(sizes)
        assert (books["received"], books["rendered"], books["dropped"]) == (sum(sizes) // 2, sum(sizes) // 2, 0)
        assert voice.errors == []


async def test_an_event_that_was_cut_off_by_a_loss_is_no_problem_on_the_next_connection(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url, query=BINARY) as voice:
        first = await standin.connection()
        await first.send(bare("a", "audio/pcm;rate=24000"))
        await first.close()
        second = await standin.connection(2)
        await second.send(event(turnComplete=True))
        await voice.wait_event("message.turnComplete")
        assert not [entry for entry in await voice.events() if entry["direction"] == "error"]


async def test_a_stray_binary_frame_is_told_and_the_page_lives_on(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url, query=BINARY) as voice:
        agent = await standin.connection()
        await agent.websocket.send_bytes(bytes(64))
        await expect(voice.page.locator(".note.error")).to_contain_text("belongs to no event")
        await agent.send(spoken("Still here.", finished=True))
        await expect(voice.page.locator(".agent .bubble")).to_have_text("Still here.")
        assert voice.errors == []


async def test_a_client_may_have_its_media_within_the_json(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url, query=BINARY) as voice:
        await standin.connection()
        await voice.page.evaluate(
            """async () => {
                 const { LiveClient } = await import("/static/client/live_client.js");
                 const url = `ws://${location.host}/ws/me/s9?downlink=binary`;
                 new LiveClient({ url, binary: false }).connect();
               }"""
        )
        second = await standin.connection(2)
        assert "downlink" not in second.query
