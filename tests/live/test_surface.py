"""The rest of the live surface as an app meets it over a real socket: `run_live` at one end, Mock Live at the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import soxr

from fullduplex import Agent, Event, InMemoryRunner, RunConfig, types
from fullduplex.mock_live import (
    MockLive,
    Script,
    Turn,
    interrupt,
    say,
    stall,
    tool_call,
    tool_call_cancellation,
    transcript,
    unprompted,
    voice_activity,
)
from fullduplex.models import Gemini
from fullduplex.models.cascade.engines import Engines
from fullduplex.models.cascade.live import Cascade
from tests.live.kit import Call, user
from tests.models.cascade.conftest import engines
from tests.models.cascade.conftest import say as speech_of

SECOND = "gemini-live-2.5-flash"
THIRD = "gemini-3.1-flash-live-preview"
MANUAL = RunConfig(realtime_input_config={"automatic_activity_detection": {"disabled": True}})
TEXT = RunConfig(response_modalities=["TEXT"])

__all__ = ["engines", "speech_of"]


@asynccontextmanager
async def talk(
    script: Sequence[Any], *, model: str = SECOND, mock: dict[str, Any] | None = None, **call: Any
) -> AsyncIterator[tuple[MockLive, Call]]:
    """A run against a Mock Live that plays `script`; ended and checked for errors of the mock at the end."""
    async with MockLive(Script(script), **mock or {}) as server, asyncio.timeout(20):
        run = await Call.start(model=Gemini(model, api_key="k", base_url=server.url), **call)
        try:
            yield server, run
        finally:
            await run.end()
        assert server.errors == []


def turns_over(call: Call, count: int) -> Callable[[Event], bool]:
    """Whether so many turns are complete."""
    return lambda _: sum(bool(event.turn_complete) for event in call.events) >= count


def pcm_of(event: Event) -> bytes:
    parts = (event.content.parts or []) if event.content is not None else []
    return b"".join(part.inline_data.data or b"" for part in parts if part.inline_data is not None)


def ms_of(events: Sequence[Event]) -> float:
    """The length of the agent's audio in `events`."""
    return sum(len(pcm_of(event)) for event in events) / 48


def said(call: Call) -> list[str]:
    """What the agent has said, by its finished transcripts."""
    found = [event.output_transcription for event in call.events if event.output_transcription is not None]
    return [one.text or "" for one in found if one.finished]


# -- the agent is interrupted -----------------------------------------------------------------------------------------

STORY = [say("Once upon a time there was a lighthouse that nobody had ever seen.", audio_ms=6000)]
OTHER = [say("Something else, then.", audio_ms=200)]


@pytest.mark.spec(187)
@pytest.mark.parametrize("obedient", [True, False], ids=["server stops", "server speaks on"])
async def test_the_agent_falls_silent_without_a_word(obedient: bool) -> None:
    options = {"pace": 1.0, "partial_content_interrupts": obedient}
    async with talk([STORY, OTHER], mock=options) as (server, call):
        call.queue.send_content(user("tell me a story"))
        await call.until(lambda _: ms_of(call.events) >= 400)
        call.queue.interrupt()
        async with asyncio.timeout(0.2):
            mark = call.events.index(await call.until(lambda event: event.interrupted))
        await asyncio.sleep(0.5)
        assert ms_of(call.events[mark:]) == 0
        _, stop = server.connections[0].bodies("clientContent")
        assert stop == {"turns": [], "turnComplete": False}, "the model is told, too"
        call.queue.send_content(user("something else"))
        await call.until(lambda _: said(call)[-1:] == ["Something else, then."])
        await call.end()
    assert ms_of(call.events[mark:]) == pytest.approx(200)
    assert sum(bool(event.interrupted) for event in call.events) == 1
    assert "seen" not in " ".join(said(call))


@pytest.mark.spec(187)
async def test_typing_interrupts_the_agent() -> None:
    async with talk([STORY, OTHER], mock={"pace": 1.0}) as (_, call):
        call.queue.send_content(user("tell me a story"))
        await call.until(lambda _: ms_of(call.events) >= 400)
        call.queue.send_content(user("something else"))
        async with asyncio.timeout(0.5):
            mark = call.events.index(await call.until(lambda event: event.interrupted))
        await call.until(lambda _: said(call)[-1:] == ["Something else, then."])
    assert ms_of(call.events[mark:]) == pytest.approx(200)


@pytest.mark.spec(187)
async def test_there_is_nothing_to_interrupt_while_nobody_speaks() -> None:
    async with talk([OTHER, OTHER], mock={"partial_content_interrupts": True}) as (_, call):
        for turn in (1, 2):
            call.queue.interrupt()
            call.queue.send_content(user("something else"))
            await call.until(turns_over(call, turn))
            await asyncio.sleep(0.2)  # until then it is taken to play
    assert not any(event.interrupted for event in call.events)
    assert ms_of(call.events) == pytest.approx(400)


# -- the agent speaks by itself ---------------------------------------------------------------------------------------


async def test_a_turn_that_nobody_asked_for_is_heard_and_kept() -> None:
    script = [unprompted(say("Your tea is ready.", audio_ms=200), after=0.05), OTHER]
    async with talk(script) as (_, call):
        await call.until(turns_over(call, 1))
        assert said(call) == ["Your tea is ready."]
        assert ms_of(call.events) == pytest.approx(200)
        call.queue.send_content(user("something else"))
        await call.until(turns_over(call, 2))
        await call.end()
        kept = [event for event in await call.saved_short() if event.startswith(("user", "M-out"))]
    assert kept == ["M-out:Your tea is ready.", "user:something else", "M-out:Something else, then."]


@pytest.mark.spec(188)
async def test_a_greeting_is_said_before_any_input_and_kept_like_an_answer() -> None:
    script = [[say("Welcome to the observatory.", audio_ms=200)], OTHER]
    async with talk(script, greeting="Welcome to the observatory.") as (server, call):
        await call.until(turns_over(call, 1))
        assert said(call) == ["Welcome to the observatory."]
        call.queue.send_content(user("something else"))
        await call.until(turns_over(call, 2))
        await call.end()
        (asked, _) = server.connections[0].bodies("clientContent")
        kept = [event for event in await call.saved_short() if event.startswith(("user", "M-out"))]
    assert "Welcome to the observatory." in asked["turns"][0]["parts"][0]["text"]
    assert kept == ["M-out:Welcome to the observatory.", "user:something else", "M-out:Something else, then."]


# -- transcripts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["delta", "cumulative", "final", "late", "never_finished"])
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_a_transcript_is_kept_once_and_whole_however_it_comes(direction: str, style: str) -> None:
    words = "what time is it now"
    script = [Turn([say(audio_ms=100), transcript(direction, words, style=style)], auto_transcript=False)]  # type: ignore[arg-type]
    async with talk(script) as (_, call):
        call.queue.send_content(user("hello"))
        await call.until(turns_over(call, 1))
        if style == "late":
            await call.until(lambda event: event.input_transcription or event.output_transcription)
        await call.end()
        kept = [event for event in await call.saved_short() if event.startswith("M-")]
    assert kept == [f"M-{direction}:{words}"]


async def test_the_users_words_may_come_after_the_answer_has_begun() -> None:
    script = [[say("It is", audio_ms=100), transcript("in", "what time is it"), say(" noon.", audio_ms=100)]]
    async with talk(script) as (_, call):
        call.queue.send_content(user("hello"))
        await call.until(turns_over(call, 1))
        await call.end()
        kept = [event for event in await call.saved_short() if event.startswith("M-")]
    assert sorted(kept) == ["M-in:what time is it", "M-out:It is noon."]


@pytest.mark.spec(67)
async def test_what_the_server_hears_of_the_users_voice_is_told() -> None:
    script = [[voice_activity("start", 0.5), voice_activity("end", 1.25), say("Yes?", audio_ms=100)]]
    async with talk(script) as (_, call):
        call.queue.send_content(user("hello"))
        await call.until(turns_over(call, 1))
    heard = [event.voice_activity for event in call.events if event.voice_activity is not None]
    assert [one.voice_activity_type for one in heard] == ["ACTIVITY_START", "ACTIVITY_END"]
    assert [one.audio_offset for one in heard] == ["0.500s", "1.250s"]


# -- tools ------------------------------------------------------------------------------------------------------------


class Slow:
    """A tool that answers when it is let go; `ended` says how it came to its end."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = ""

    async def look_up(self, title: str) -> str:
        """Looks a title up."""
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        return "found"


@pytest.mark.spec(95)
@pytest.mark.parametrize("model", [SECOND, THIRD])
async def test_a_call_that_is_taken_back_is_cancelled_and_not_answered(model: str) -> None:
    slow = Slow()
    script = [[tool_call("look_up", {"title": "Emma"}, id="c1"), say("Never mind.")], [say("Yes.")]]
    async with talk(script, model=model, tools=[slow.look_up]) as (server, call):
        call.queue.send_content(user("look it up"))
        await slow.began.wait()
        await server.push(tool_call_cancellation())
        taken_back = await call.until(lambda event: event.tool_call_cancellation is not None)
        await call.until(lambda _: said(call) == ["Never mind."])
        call.queue.send_content(user("still there?"))
        await call.until(lambda _: said(call) == ["Never mind.", "Yes."])
        connection = server.connections[0]
    assert taken_back.tool_call_cancellation is not None
    assert taken_back.tool_call_cancellation.ids == ["c1"]
    assert slow.ended == "cancelled"
    assert connection.count("toolResponse") == 0
    assert not any(event.get_function_responses() for event in call.events)


@pytest.mark.spec(94)
async def test_a_long_tool_does_not_delay_an_interruption() -> None:
    slow = Slow()
    script = [[tool_call("look_up", {"title": "Emma"}, wait=False), say("One moment.", audio_ms=80), stall()]]
    async with talk(script, tools=[slow.look_up]) as (server, call):
        call.queue.send_content(user("look it up"))
        await slow.began.wait()
        await call.until(lambda _: ms_of(call.events) >= 80)
        async with asyncio.timeout(0.5):
            await server.push(interrupt())
            await call.until(lambda event: event.interrupted)
            await call.until(lambda event: event.turn_complete)
        slow.go.set()


@pytest.mark.spec(64)
@pytest.mark.parametrize("model", [SECOND, THIRD])
async def test_a_call_is_shown_and_run_at_once_and_before_its_turn_is_complete(model: str) -> None:
    slow = Slow()
    script = [[say("Let me see.", audio_ms=40), tool_call("look_up", {"title": "Emma"}, id="c1"), say("Found it.")]]
    async with talk(script, model=model, tools=[slow.look_up]) as (server, call):
        call.queue.send_content(user("look it up"))
        await slow.began.wait()
        await call.until(lambda event: event.get_function_calls())
        answered = server.connections[0].count("toolResponse")
        slow.go.set()
        await call.until(lambda _: "Found it." in said(call) and call.short[-1] == "end")
    assert answered == 0  # the call was shown although nobody had answered it
    order = [event for event in call.short if event in ("call-c1", "answer-c1", "end") or event.startswith("M-out")]
    if model == SECOND:
        assert order == ["M-out:Let me see.", "call-c1", "end", "answer-c1", "M-out:Found it.", "end"]
    else:
        assert order == ["M-out:Let me see.", "call-c1", "answer-c1", "M-out:Found it.", "end"]


# -- the microphone ---------------------------------------------------------------------------------------------------


def stereo(pcm: bytes) -> bytes:
    """PCM16 of 16,000 Hz mono as 48,000 Hz in two channels."""
    samples = soxr.resample(np.frombuffer(pcm, dtype="<i2"), 16_000, 48_000)
    return np.repeat(samples.astype("<i2"), 2).tobytes()


async def send(call: Call, pcm: bytes, mime_type: str, *, size: int = 7_000) -> None:
    """Sends audio as fast as the run takes it."""
    for start in range(0, len(pcm), size):
        call.queue.send_realtime(types.Blob(data=pcm[start : start + size], mime_type=mime_type))
        await asyncio.sleep(0.001)


@pytest.mark.spec(181)
@pytest.mark.parametrize("settled", [False, True], ids=["queued", "straight to the socket"])
async def test_the_model_gets_16_khz_mono_whatever_the_microphone_gives(settled: bool) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype("<i2").tobytes()
    async with talk([Turn([say("Yes.", audio_ms=100)], on="voice")], run_config=MANUAL) as (server, call):
        if settled:
            await call.until(lambda event: event.setup_complete is not None)
            await asyncio.sleep(0.05)
        call.queue.send_activity_start()
        await send(call, stereo(tone), "audio/pcm;rate=48000;channels=2")
        call.queue.send_activity_end()
        await call.until(turns_over(call, 1))
        connection = server.connections[0]
    assert set(connection.audio_mimes) == {"audio/pcm;rate=16000"}
    assert connection.audio_seconds == pytest.approx(2.0, abs=0.001)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(bytes(connection.audio), dtype="<i2")))
    assert np.argmax(spectrum) / 2.0 == pytest.approx(440, abs=1)


@pytest.mark.spec(181)
async def test_what_no_model_can_hear_is_told_and_the_run_goes_on() -> None:
    async with talk([OTHER]) as (server, call):
        for _ in range(3):
            call.queue.send_realtime(types.Blob(data=b"RIFF of something", mime_type="audio/webm"))
        call.queue.send_realtime(types.Blob(data=b"no header", mime_type="audio/wav"))
        call.queue.send_content(user("something else"))
        await call.until(turns_over(call, 1))
        assert server.connections[0].audio_mimes == []
    told = [(event.error_code, event.recoverable) for event in call.events if event.error_code]
    assert told == [("unsupported_mime_type", True), ("invalid_audio", True)]


@pytest.mark.spec(181)
async def test_the_offline_agent_understands_48_khz_stereo(speech_of: Callable[..., bytes], engines: Engines) -> None:
    asked: list[str] = []

    def get_time(city: str) -> dict[str, str]:
        """Tells the time. Examples: "what time is it in {city}"."""
        asked.append(city)
        return {"time": "12:34"}

    agent = Agent(name="guide", model=Cascade("local", engines=engines), tools=[get_time])
    runner = InMemoryRunner(agent, app_name="app")
    async with asyncio.timeout(20):
        call = await Call.start(runner=runner, run_config=TEXT)
        sound = bytes(6_400) + speech_of("what time is it in Tokyo") + bytes(32_000)
        await send(call, stereo(sound), "audio/pcm;rate=48000;channels=2")
        await call.until(lambda event: event.get_function_calls())
        await call.until(turns_over(call, 1))
        await call.end()
    assert asked == ["Tokyo"]


@pytest.mark.spec(185)
async def test_what_is_said_while_the_button_is_not_held_is_not_answered() -> None:
    said_ms: list[int] = []
    loud = np.random.default_rng(1).integers(-9000, 9000, 16_000).astype("<i2").tobytes()  # a second

    def answer(turn: Any, _: Any) -> list[Any]:
        said_ms.append(turn.audio_ms)
        return [say("Yes.", audio_ms=100)]

    async with talk([answer, answer], run_config=MANUAL) as (server, call):
        await send(call, loud, "audio/pcm;rate=16000")
        for turn in (1, 2):
            call.queue.send_activity_start()
            await send(call, loud[:8_000], "audio/pcm;rate=16000")
            call.queue.send_activity_end()
            await call.until(turns_over(call, turn))
            await send(call, loud, "audio/pcm;rate=16000")
        await server.wait_for(lambda m: m.connections[0].audio_seconds >= 3.5)
        await asyncio.sleep(0.1)
    assert said_ms == [250, 250]
    assert sum(bool(event.turn_complete) for event in call.events) == 2


@pytest.mark.spec(185)
async def test_speech_does_not_interrupt_where_it_must_not() -> None:
    loud = np.random.default_rng(1).integers(-9000, 9000, 16_000).astype("<i2").tobytes()
    config = RunConfig(realtime_input_config={"activity_handling": "NO_INTERRUPTION"})
    script = [[say("Once upon a time.", audio_ms=1200)], Turn([say("Yes?", audio_ms=100)], on="voice")]
    async with talk(script, mock={"pace": 1.0}, run_config=config) as (_, call):
        call.queue.send_content(user("tell me a story"))
        await call.until(lambda _: ms_of(call.events) >= 100)
        await send(call, loud + bytes(32_000), "audio/pcm;rate=16000")
        await call.until(turns_over(call, 2))
    assert not any(event.interrupted for event in call.events)
    assert said(call) == ["Once upon a time.", "Yes?"]
    assert ms_of(call.events) == pytest.approx(1300)
