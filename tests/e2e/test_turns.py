"""A spoken turn and a typed one, from end to end."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.web.browser import VoiceBrowser

from .served import Served
from .speech import Line, Speech
from .turns import calls, down, heard, kind_of, kinds, said

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

CHIP = "#messages .chip.done"


@pytest.mark.spec(161)
async def test_the_weather_in_tokyo_by_voice(served: Served, browser: VoiceBrowser, speech: Speech) -> None:
    async with browser.page(served.url) as voice:
        began = await voice.say(speech.wav(Line("what is the weather in Tokyo")))
        end = await voice.wait_event("message.turnComplete", since=began)
        entries = await down(voice, began)
        # Words of the answer and its audio come side by side; all else comes in this order, and once.
        spoken = {"audio": "answer", "outputTranscription": "answer"}
        order = [spoken.get(kind, kind) for kind in kinds(entries)]
        assert [kind for at, kind in enumerate(order) if order[at - 1 : at] != [kind]] == [
            "inputTranscription",
            "functionCall",
            "functionResponse",
            "answer",
            "generationComplete",
            "turnComplete",
        ]
        assert "audio" in kinds(entries)
        assert heard(entries) == ["what is the weather in tokyo"]
        assert calls(entries) == [("get_weather", {"city": "Tokyo"})]
        (answer,) = said(entries)
        assert answer.startswith("In Tokyo it is clear, eighteen degrees")
        # Complete means complete: the turn ends when its answer has been heard, not when it has been sent.
        assert await voice.wait_silent() < end["at"] + 250
        books = await voice.stats()
        assert books["received"] == books["rendered"] > 3 * 24_000
        # And a person sees it: what was heard, which tool ran, and the answer.
        await expect(voice.page.locator(".user.transcript .bubble")).to_have_text("what is the weather in tokyo")
        await expect(voice.page.locator(CHIP)).to_contain_text("get_weather")
        await expect(voice.page.locator(".agent .bubble")).to_have_text(answer)
        assert voice.errors == []


async def test_typed_question_streams_its_answer_and_speaks_it(served: Served, browser: VoiceBrowser) -> None:
    async with browser.page(served.url) as voice:
        began = await voice.now()
        await voice.type("What time is it in Tokyo?")
        await voice.wait_audible(since=began)
        # In the middle of the answer the first words stand on the page already.
        begun = (await voice.page.locator(".agent.streaming .bubble").inner_text()).strip()
        end = await voice.wait_event("message.turnComplete", since=began)
        entries = await down(voice, began)
        deltas = [entry for entry in entries if kind_of(entry) == "outputTranscription" and entry["message"]["partial"]]
        assert len(deltas) >= 4
        assert end["at"] - deltas[0]["at"] > 1_000, "all at once is no streaming"
        (answer,) = said(entries)
        assert "".join(entry["message"]["outputTranscription"]["text"] for entry in deltas) == answer
        assert begun
        assert answer.startswith(begun)
        assert len(begun) < len(answer)
        assert calls(entries) == [("get_time", {"city": "Tokyo"})]
        assert heard(entries) == []
        await expect(voice.page.locator(".agent .bubble")).to_have_text(answer)


async def test_typed_and_spoken_questions_are_one_conversation(
    served: Served, browser: VoiceBrowser, speech: Speech
) -> None:
    """After a typed question about the time, a spoken "what about Paris" means the time too."""
    async with browser.page(served.url) as voice:
        began = await voice.now()
        await voice.type("what time is it in Tokyo")
        await voice.wait_audible(since=began)
        asked = await voice.say(speech.wav(Line("what about Paris", "rms")))
        await voice.wait_event("message.content?.parts?.some((part) => part.functionCall)", since=asked)
        assert calls(await down(voice, asked)) == [("get_time", {"city": "Paris"})]


async def test_what_it_cannot_do_gets_a_plain_answer(served: Served, browser: VoiceBrowser, speech: Speech) -> None:
    lines = [
        Line("blippety zorp wumble frang the garbly nook"),
        Line("play some jazz music", "rms"),
        Line("who won the world cup", "awb"),
    ]
    async with browser.page(served.url) as voice:
        for line in lines:
            began = await voice.say(speech.wav(line))
            understood = await voice.wait_event("message.inputTranscription", since=began)
            await voice.wait_event(
                "message.outputTranscription?.text.includes('help with')"
                " || message.outputTranscription?.text.startsWith('with')",
                since=understood["at"],
            )
            await voice.wait_audible(since=understood["at"])
            assert calls(await down(voice, began)) == []
        answers = await voice.page.locator(".agent .bubble").all_inner_texts()
        assert [answer[:17] for answer in answers] == ["I can't help with"] * len(lines)
        await expect(voice.page.locator(".note.error")).to_have_count(0)


async def test_a_cough_and_a_quiet_room_are_no_turn(served: Served, browser: VoiceBrowser, speech: Speech) -> None:
    async with browser.page(served.url) as voice:
        began = await voice.say(speech.click())
        await voice.page.wait_for_function(
            "(since) => fullduplex.probe.input?.levels(since).at(-1)?.at - since > 2000", arg=began
        )
        await voice.speech_bounds(began)  # the microphone did hear the knock
        assert await down(voice, began) == []
