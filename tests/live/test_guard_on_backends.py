"""The guard before the ear on two backends: Gemini's wire, with late transcripts, and the local voice."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from fullduplex import RunConfig, types
from fullduplex.agents import SpeechGuard, banned_words
from fullduplex.events import Event
from fullduplex.live.conversation import Conversation
from fullduplex.live.guard import Guard
from fullduplex.mock_live import say, transcript
from fullduplex.testing.tagged_audio import SLICE_MS, decode
from fullduplex.types.live import LiveServerAudio
from tests.live.kit import Call, user
from tests.live.wire import audio_ms, talk
from tests.needs import needs

WORDS = re.findall(r"\S+ ", "Well, if you really want to know the secret word, it is banana, of course. ")
WORD_MS = 120
SLICES = WORD_MS // SLICE_MS
SPOKEN = RunConfig(output_audio_transcription=types.AudioTranscriptionConfig())


def slices(events: list[Event]) -> list[int]:
    """The numbers of the slices of the agent's voice in `events`."""
    parts = [part for event in events if event.content for part in event.content.parts or []]
    return decode(b"".join(part.inline_data.data or b"" for part in parts if part.inline_data), 24_000)


async def test_no_slice_of_a_banned_word_comes_over_the_wire_to_the_app() -> None:
    """Each word's transcript comes when the next word has been said: 240 ms after its first sound."""
    turn = []
    for number, word in enumerate(WORDS):
        turn.append(say(word, audio_ms=WORD_MS, transcribe=False))
        if number:
            turn.append(transcript("out", WORDS[number - 1], style="never_finished"))
    guard = SpeechGuard(check=banned_words(["banana"]), hold_ms=800, fallback="Never mind.")
    async with talk(
        [turn, [say("Anything else?", audio_ms=200)]], run_config=SPOKEN, mock={"pace": 1.0}, speech_guard=guard
    ) as (
        server,
        call,
    ):
        call.queue.send_content(user("What is the secret word?"))
        await call.until(lambda event: event.error_code == "speech_blocked")
        await call.until(lambda event: event.content and event.content.text == "Never mind.")
        await server.wait_for(lambda mock: any("Never mind." in str(turn) for turn in mock.connections[0].contents))
        heard = slices(call.events)
        assert heard == list(range(len(heard)))
        assert 0 < len(heard) <= WORDS.index("banana, ") * SLICES
        call.queue.send_content(user("Go on"))
        await call.until(
            lambda event: event.output_transcription and "else?" in (event.output_transcription.text or "")
        )
        assert not any("banana" in str(event.output_transcription) for event in call.events)
        assert len(slices(call.events)) > len(heard)
    saved = await call.saved()
    assert "banana" not in str(saved.events)


async def test_the_local_voice_stops_before_the_word_and_says_the_fallback() -> None:
    needs("espeakng_loader")
    guard = SpeechGuard(check=banned_words(["banana"]), fallback="I had rather not say.")
    call = await Call.start(
        model="local", greeting="The secret word is banana, as you all know.", speech_guard=guard, run_config=SPOKEN
    )
    async with asyncio.timeout(30):
        await call.until(lambda event: event.output_transcription and event.output_transcription.text == guard.fallback)
        await call.end()
    cut = next(index for index, event in enumerate(call.events) if event.interrupted)
    assert 200 < audio_ms(call.events[:cut]) < 2000
    assert audio_ms(call.events[cut:]) > 500  # the fallback was said aloud
    spoken = [event.output_transcription.text for event in call.events if event.output_transcription]
    assert not any("banana" in (words or "") for words in spoken)
    assert "banana" not in str((await call.saved()).events)


async def test_with_nothing_held_back_sound_takes_the_very_steps_that_it_takes_without_a_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line for line, so that nothing is allocated for the guard either."""
    hear_on = Conversation.hear_on
    taken: list[tuple[bool, tuple[str, ...]]] = []

    def traced(conversation: Conversation, message: LiveServerAudio) -> bool:
        steps: list[str] = []

        def trace(frame: FrameType, kind: str, _: Any) -> Any:
            if kind == "line":
                steps.append(f"{frame.f_code.co_qualname} {frame.f_lineno}")
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            short = hear_on(conversation, message)
        finally:
            sys.settrace(before)
        taken.append((short, tuple(steps)))
        return short

    monkeypatch.setattr(Conversation, "hear_on", traced)
    monkeypatch.setattr(Guard, "watch", lambda _, events: None)
    runs = []
    for guard in (None, SpeechGuard(check=banned_words(["banana"]), hold_ms=0)):
        taken.clear()
        async with talk([[say("Hello", audio_ms=800)]], run_config=SPOKEN, speech_guard=guard) as (_, call):
            call.queue.send_content(user("Hello?"))
            await call.until(lambda event: event.turn_complete)
        runs.append(list(taken))
    without, guarded = runs
    assert [short for short, _ in guarded] == [short for short, _ in without]
    assert sum(short for short, _ in guarded) > 10
    # Now and then nobody waits for a chunk, and it stands in a queue.
    usual = [Counter(steps for short, steps in run if short).most_common(1)[0][0] for run in runs]
    assert len(usual[0]) > 20
    assert usual[1] == usual[0]
