"""Talking and typing over the agent: it falls silent at once, says so, and answers the new question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import expect

from tests.machine import Slowness
from tests.web.browser import PATIENCE_S, VoiceBrowser, VoicePage

from .served import Served
from .speech import VOICES, Line, Speech
from .turns import calls, down, kind_of, loud, spoken_lines

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

LIMIT_MS = 200
HEARING_MS = 100
"""Of it, what the detector listens before it believes that somebody speaks: as long on each machine."""
PAUSE_S = 3.5
"""After each line: a slow machine, too, has begun its answer by then, and no answer is over."""

LONG = ("tell me about yourself", "count to thirty")


async def talk_over(voice: VoicePage, speech: Speech, voices: Sequence[str]) -> list[float]:
    """One call with the microphone always open: a long answer is interrupted by the next question, again and again.

    Returns for each interruption how long the agent was still audible after the voice's onset, in ms.
    """
    lines = [Line(LONG[number % 2], name) for number, name in enumerate(voices)]
    parts: list[Line | float] = [part for line in lines for part in (line, PAUSE_S)]
    question = Line("what time is it in Tokyo", voices[-1])
    began = await voice.say(speech.wav(*parts, question))
    await voice.wait_event(
        "message.outputTranscription?.finished && message.outputTranscription.text.includes('Tokyo')",
        since=began,
        timeout=PATIENCE_S + 5 * len(parts),
    )
    spoken = await spoken_lines(voice, began, pause_ms=1_500)
    assert len(spoken) == len(lines) + 1
    entries = await down(voice, began)
    # The last answer is to the last question, and each answer before was cut.
    assert calls(entries)[-1] == ("get_time", {"city": "Tokyo"})
    interruptions = [entry["at"] for entry in entries if kind_of(entry) == "interrupted"]
    assert len(interruptions) == len(lines)

    sounded = await loud(voice, "output", began)
    trails = []
    for (onset, end), told in zip(spoken[1:], interruptions, strict=True):
        assert onset < told < end, "the page hears of it while the user still speaks"
        assert any(onset - 400 < at < onset for at in sounded), "it was talking when the user began"
        trails.append(max([at for at in sounded if onset <= at < end], default=onset) - onset)
    return trails


def complete(books: dict[str, Any]) -> None:
    """How much was thrown away depends on the moment; that all is accounted for, and nothing lost, does not."""
    gone = books["rendered"] + books["dropped"] + books["cleared"]
    assert books["received"] == gone + books["buffered"]
    assert books["dropped"] == 0, "the first gesture came before the first answer, so all of it could be heard"


def within_limit(capsys: pytest.CaptureFixture[str], trails: Sequence[float]) -> bool:
    """Prints the figures into the test run; whether all are within the limit, which allows for a slow machine."""
    slowness = Slowness()
    for _ in range(5):
        slowness.look()
    limit = slowness.allow(LIMIT_MS, of_it_waiting=HEARING_MS)
    with capsys.disabled():
        shown = " ".join(f"{trail:.0f}" for trail in trails)
        print(f"\nonset of the user's voice to silence of the agent, ms (limit {LIMIT_MS}, here {limit:.0f}): {shown}")
    return max(trails) <= limit


@pytest.mark.spec(168)
async def test_talking_over_the_answer_silences_it_within_200_ms(
    served: Served, browser: VoiceBrowser, speech: Speech, capsys: pytest.CaptureFixture[str]
) -> None:
    async with browser.page(served.url) as voice:
        trails = await talk_over(voice, speech, VOICES)
        assert within_limit(capsys, trails)
        # A person sees which answers were cut, and how far they came.
        await expect(voice.page.locator(".agent.interrupted")).to_have_count(len(trails))
        await expect(voice.page.locator(".agent:not(.interrupted) .bubble")).to_contain_text("in Tokyo")
        complete(await voice.stats())


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_talking_over_the_answer_many_times(
    served: Served, browser: VoiceBrowser, speech: Speech, capsys: pytest.CaptureFixture[str]
) -> None:
    async with browser.page(served.url) as voice:
        trails = await talk_over(voice, speech, VOICES * 6)
        assert within_limit(capsys, trails)


@pytest.mark.spec(170)
async def test_typing_over_the_answer_silences_it(served: Served, browser: VoiceBrowser) -> None:
    async with browser.page(served.url) as voice:
        began = await voice.now()
        await voice.type("Tell me about yourself")
        await voice.wait_audible(since=began)
        await asyncio.sleep(0.8)
        asked = await voice.now()
        await voice.type("What is two plus two?")
        cut = await voice.wait_event("message.interrupted", since=asked)
        called = await voice.wait_event("message.content?.parts?.some((part) => part.functionCall)", since=asked)
        await voice.wait_event("message.turnComplete", since=called["at"])
        entries = await down(voice, asked)
        assert calls(entries) == [("calculate", {"first_number": 2, "operation": "plus", "second_number": 2})]
        # Between the interruption and the new answer's first piece of audio, nothing of the old one was left.
        fresh = next(entry["at"] for entry in entries if entry["at"] > cut["at"] and kind_of(entry) == "audio")
        trail = [at for at in await loud(voice, "output", cut["at"]) if at < fresh]
        assert all(at < cut["at"] + 100 for at in trail)
        # A page that began to play late is still playing when the server takes the answer to be heard.
        books = await voice.wait_stats("books.buffered === 0")
        answered = books["responses"][-1]
        assert (answered["received"], answered["cleared"]) == (answered["rendered"], 0)
        complete(books)
        await expect(voice.page.locator(".agent:not(.interrupted) .bubble")).to_have_text("2 plus 2 is 4.")
