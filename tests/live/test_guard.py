"""The guard before the ear: what a check does not pass is not heard, and all else is, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import Agent, RunConfig, Runner
from fullduplex.agents import SpeechGuard, banned_words
from fullduplex.errors import ConnectionLost, InvalidConfig
from fullduplex.events import Event
from fullduplex.live.conversation import Conversation
from fullduplex.live.guard import Guard
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.testing.tagged_audio import SLICE_MS, decode, encode
from tests.live.kit import (
    GENERATION_COMPLETE,
    INTERRUPTED,
    PATIENCE_S,
    TURN_COMPLETE,
    Call,
    audio,
    calls,
    clocked,
    handle,
    heard,
    leftovers,
    said,
    settle,
    short,
    text,
    user,
    virtual,
)

RATE = 24_000
SORRY = "Let us talk of something else."
WORDS = ["Well, ", "the ", "secret ", "word ", "is ", "banana, ", "of ", "course. "]
SLICES = 15  # of each word: 300 ms
BAD = range(5 * SLICES, 6 * SLICES)


def guard(**options: Any) -> SpeechGuard:
    return SpeechGuard(**{"check": banned_words(["banana"]), "fallback": SORRY, **options})


def voice(first: int, count: int) -> dict[str, Any]:
    return audio(encode(first, count, RATE))


def slices(events: list[Event]) -> list[int]:
    """The numbers of the slices of the agent's voice in `events`."""
    parts = [part for event in events if event.content for part in event.content.parts or []]
    return decode(b"".join(part.inline_data.data or b"" for part in parts if part.inline_data), RATE)


async def answer(
    connection: ScriptedConnection, *, lag_s: float | list[float], words: list[str] | None = None, chunk: int = 2
) -> None:
    """The model says the words in real time, each with its transcript so many seconds after its first sound."""
    words = WORDS if words is None else words
    steps: list[tuple[float, int, dict[str, Any]]] = []
    for first in range(0, len(words) * SLICES, chunk):
        count = min(chunk, len(words) * SLICES - first)
        steps.append((first * SLICE_MS / 1000, 0, voice(first, count)))
    for number, word in enumerate(words):
        first_sound = number * SLICES // chunk * chunk * SLICE_MS / 1000
        steps.append((first_sound + (lag_s[number] if isinstance(lag_s, list) else lag_s), 1, said(word)))
    began = asyncio.get_running_loop().time()
    for at, _, message in sorted(steps, key=lambda step: step[:2]):
        if (wait := began + at - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait)
        connection.say(message)


# -- a banned word ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag_ms", range(0, 401, 50))
@virtual
async def test_no_slice_of_a_banned_word_is_heard(lag_ms: int) -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    connection = await call.connection()
    await answer(connection, lag_s=lag_ms / 1000)
    await call.play(TURN_COMPLETE)
    shown = await call.end()
    assert not set(slices(call.events)) & set(BAD)
    assert slices(call.events) == list(range(len(slices(call.events))))  # what was heard was heard in order
    assert len(slices(call.events)) >= BAD.start - 400 // SLICE_MS - 2
    assert not any("banana" in line for line in [*shown, *await call.saved_short()])
    assert shown[-4:] == ["interrupted", "error-speech_blocked", f":{SORRY} end", "end"]


@settings(max_examples=40, deadline=None)
@given(
    hold_ms=st.integers(100, 800),
    shares=st.lists(st.floats(0, 1), min_size=len(WORDS), max_size=len(WORDS)),
    chunk=st.integers(1, 7),
    thinks_s=st.sampled_from([0.0, 0.0, 0.05, 0.4]),
)
def test_no_slice_is_heard_whatever_the_lags_within_the_hold(
    hold_ms: int, shares: list[float], chunk: int, thinks_s: float
) -> None:
    async def check(words: str) -> bool:
        await asyncio.sleep(thinks_s)
        return "banana" not in words

    async def main() -> None:
        call = await Call.start(speech_guard=guard(check=check, hold_ms=hold_ms))
        connection = await call.connection()
        await answer(connection, lag_s=[share * hold_ms / 1000 for share in shares], chunk=chunk)
        connection.say(TURN_COMPLETE)
        await asyncio.sleep(2.0)
        await call.end()
        assert not set(slices(call.events)) & set(BAD)
        assert "error-speech_blocked" in call.short
        assert leftovers() == []

    run_virtual(main())


@virtual
async def test_a_word_that_comes_later_than_the_hold_is_heard_in_part_and_stopped() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=200))
    await answer(await call.connection(), lag_s=0.3)
    await call.end()
    assert 0 < len(set(slices(call.events)) & set(BAD)) <= 100 / SLICE_MS + 1


@virtual
async def test_history_ends_where_the_voice_ended_and_the_model_is_told() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    connection = await call.connection()
    await answer(connection, lag_s=0.1)
    await call.play(TURN_COMPLETE)
    await call.end()
    kept = [line for line in await call.saved_short() if line != "end"]
    assert kept[-1] == f":{SORRY} end"
    (spoken,) = [line for line in kept if line.startswith("M-out:")]
    assert "Well, the secret word ".startswith(spoken.removeprefix("M-out:").removesuffix(" interrupted"))
    (interrupted,) = [event for event in call.events if event.interrupted]
    assert interrupted.heard is not None
    assert interrupted.heard.played_ms is not None
    assert interrupted.heard.played_ms <= len(slices(call.events)) * SLICE_MS
    (blocked,) = [event for event in call.events if event.error_code]
    assert (blocked.error_code, blocked.recoverable) == ("speech_blocked", True)
    assert [kind for kind, _ in connection.sent] == ["interrupt", "partial"]
    assert SORRY in connection.sent[1][1].text


@virtual
async def test_the_next_answer_is_heard() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=100))
    connection = await call.connection()
    await answer(connection, lag_s=0.05, words=["banana "])
    await call.play(TURN_COMPLETE, heard("and then?", finished=True))
    await answer(connection, lag_s=0.05, words=["Apple "])
    await call.play(TURN_COMPLETE)
    shown = await call.end()
    assert slices(call.events) == list(range(SLICES))
    assert shown[-2:] == ["M-out:Apple ", "end"]


@virtual
async def test_an_answer_that_came_whole_before_its_check_is_stopped_before_its_end() -> None:
    async def slow(words: str) -> bool:
        await asyncio.sleep(1.0)
        return False

    call = await Call.start(speech_guard=guard(check=slow, hold_ms=400))
    await call.play(voice(0, 100), said("banana"), TURN_COMPLETE)
    await asyncio.sleep(2.0)
    assert await call.end() == ["interrupted", "end", "error-speech_blocked", f":{SORRY} end"]
    assert await call.saved_short() == ["interrupted", "end", f":{SORRY} end"]


# -- what the check says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (True, ["audio", "P-out:Hello", "M-out:Hello", "end"]),
        (None, ["audio", "P-out:Hello", "M-out:Hello", "end"]),
        (False, ["interrupted", "error-speech_blocked", f":{SORRY} end", "end"]),
        ("Never mind.", ["interrupted", "error-speech_blocked", ":Never mind. end", "end"]),
        ("", ["interrupted", "error-speech_blocked", "end"]),
    ],
)
@virtual
async def test_true_and_none_pass_false_and_a_text_stop(verdict: Any, shown: list[str]) -> None:
    call = await Call.start(speech_guard=guard(check=lambda _: verdict, hold_ms=100))
    await call.play(voice(0, 2), said("Hello"), TURN_COMPLETE)
    assert await call.end() == shown


@virtual
async def test_the_check_sees_all_that_the_turn_says_and_each_turn_by_itself() -> None:
    seen: list[str] = []
    call = await Call.start(speech_guard=guard(check=seen.append, hold_ms=100))
    await call.play(voice(0, 2), said("ba"), said("nana"), TURN_COMPLETE, voice(2, 2), said("split"), TURN_COMPLETE)
    await call.end()
    assert seen == ["ba", "banana", "split"]


def fails(words: str) -> bool:
    raise RuntimeError("out of order")


async def hangs(words: str) -> bool:
    await asyncio.sleep(1e9)
    return True


@pytest.mark.parametrize("check", [fails, hangs])
@virtual
async def test_what_cannot_be_checked_is_not_said(check: Callable[[str], bool | Awaitable[bool]]) -> None:
    call = await Call.start(speech_guard=guard(check=check, hold_ms=100, deadline_ms=500))
    await call.play(voice(0, 2), said("Hello"))
    await asyncio.sleep(1.0)
    await call.play(TURN_COMPLETE)
    shown = ["error-callback_failed", "interrupted", "error-speech_blocked", f":{SORRY} end", "end"]
    assert await call.end() == shown


# -- what is held keeps its order -------------------------------------------------------------------------------------


@virtual
async def test_a_good_answer_comes_whole_in_order_and_later_by_the_hold() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    await call.play(voice(0, 2), said("Hel"), voice(2, 2), said("lo"), GENERATION_COMPLETE, TURN_COMPLETE)
    await asyncio.sleep(0.35)
    assert call.short == []
    whole = ["audio", "P-out:Hel", "audio", "P-out:lo", "M-out:Hello", "generated", "end"]
    await asyncio.sleep(0.1)
    assert call.short == whole
    assert await call.end() == whole
    assert await call.saved_short() == ["M-out:Hello", "end"]


@virtual
async def test_closing_waits_for_what_is_held() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    await call.play(voice(0, 2), said("Hello"), TURN_COMPLETE)
    assert call.short == []
    assert await call.end() == ["audio", "P-out:Hello", "M-out:Hello", "end"]


@virtual
async def test_a_limit_that_ends_the_run_lets_the_last_answer_be_heard() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400), run_config=RunConfig(max_turns=1))
    await call.play(voice(0, 2), said("Hello"), TURN_COMPLETE)
    await call.reader
    assert call.short == ["audio", "P-out:Hello", "M-out:Hello", "end", "error-max_turns"]


@virtual
async def test_nothing_unchecked_leaks_when_a_run_is_cancelled() -> None:
    call = await Call.start(speech_guard=guard(check=hangs, hold_ms=400))
    await call.play(voice(0, 2), said("banana"), TURN_COMPLETE)
    call.reader.cancel()
    await asyncio.wait([call.reader])
    assert call.short == []
    assert await call.saved_short() == ["end"]


@virtual
async def test_an_interruption_does_not_wait_and_what_was_held_is_never_heard() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    await call.play(voice(0, 2), said("Hello "))
    await asyncio.sleep(0.41)
    await call.play(voice(2, 20), said("there"), INTERRUPTED)
    assert call.short == ["audio", "P-out:Hello ", "M-out:Hello ", "interrupted"]
    await call.play(TURN_COMPLETE)
    await asyncio.sleep(1.0)
    assert await call.end() == ["audio", "P-out:Hello ", "M-out:Hello ", "interrupted", "end"]
    assert slices(call.events) == [0, 1]


@virtual
async def test_calls_and_their_answers_come_behind_the_voice_that_is_held() -> None:
    def look() -> str:
        """Looks."""
        return "sunny"

    call = await Call.start(speech_guard=guard(hold_ms=400), tools=[look])
    connection = await call.play(voice(0, 2), said("Let me see."), calls(("c1", "look")))
    await connection.wait_sent(1)  # the tool does not wait
    assert call.short == []
    call.queue.send_content(user("Thanks"))
    await asyncio.sleep(0.5)
    assert call.short == ["audio", "P-out:Let me see.", "call-c1", "answer-c1"]
    await call.play(TURN_COMPLETE)
    await call.end()
    assert await call.saved_short() == ["call-c1", "answer-c1", "M-out:Let me see.", "end", "user:Thanks"]


@virtual
async def test_a_lost_line_loses_nothing_that_was_held() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    connection = await call.connection()
    call.queue.send_content(user("Hello?"))
    await connection.wait_sent(1)
    await call.play(voice(0, 4), said("Hello "))
    connection.lose()
    second = await call.connection(2)
    await asyncio.sleep(1.0)
    assert call.short == ["error-connection_lost", "audio", "P-out:Hello ", "M-out:Hello "]
    assert [kind for kind, _ in second.sent] == ["question"]  # the answer that broke off is given anew
    await call.play(voice(10, 2), said("Hi."), TURN_COMPLETE, number=2)
    await call.end()
    assert slices(call.events) == [0, 1, 2, 3, 10, 11]


@virtual
async def test_a_run_that_fails_shows_what_passes_first() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    connection = await call.play(voice(0, 2), said("Hello"))
    connection.lose(1008, recoverable=False)
    with pytest.raises(ConnectionLost):
        await call.reader
    assert call.short == ["audio", "P-out:Hello", "M-out:Hello", "error-connection_lost"]


@virtual
async def test_text_is_shown_when_its_check_has_passed() -> None:
    call = await Call.start(speech_guard=guard())
    await call.play(text("An apple "), text("or a banana"), text("?"), TURN_COMPLETE)
    assert await call.end() == ["P:An apple ", "M:An apple !", "error-speech_blocked", f":{SORRY} end", "end"]


@virtual
async def test_the_next_agent_speaks_behind_the_voice_that_is_held() -> None:
    first, second = ScriptedModel("first-live"), ScriptedModel("second-live")
    helper = Agent(name="helper", model=second, description="Knows bills.")
    root = Agent(name="root", model=first, sub_agents=[helper], speech_guard=guard(hold_ms=400))
    runner = Runner(app_name="app", agent=root, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=first)
    connection = await call.connection()
    call.queue.send_content(user("I want my money back"))
    await connection.wait_sent(1)
    transfer = ("t1", "transfer_to_agent", {"agent_name": "helper"})
    await call.play(voice(0, 2), said("One moment."), calls(transfer))
    next_line = await second.opened()
    for message in (voice(10, 2), said("Which order?"), TURN_COMPLETE):
        next_line.say(message)
    await asyncio.sleep(1.0)
    await call.end()
    assert slices(call.events) == [0, 1, 10, 11]
    shown = [(event.author, line) for event, line in zip(call.events, map(short, call.events), strict=True) if line]
    assert [line for line in shown if line[1] != "setup"] == [
        ("root", "audio"),
        ("root", "P-out:One moment."),
        ("root", "call-t1"),
        ("root", "answer-t1"),
        ("root", "M-out:One moment."),
        ("root", "end"),
        ("helper", "audio"),
        ("helper", "P-out:Which order?"),
        ("helper", "M-out:Which order?"),
        ("helper", "end"),
    ]


STEPS = st.lists(
    st.sampled_from(["voice", "words", "call", "end", "typed", "generated", "handle", "heard", "wait", "long wait"]),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, hold_ms=st.sampled_from([40, 400]), thinks_s=st.sampled_from([0.0, 0.1]))
def test_what_passes_comes_out_as_without_a_guard(steps: list[str], hold_ms: int, thinks_s: float) -> None:
    """The events that are shown, and those that are kept, are the same and in the same order."""

    async def check(words: str) -> bool:
        await asyncio.sleep(thinks_s)
        return True

    async def played(speech_guard: SpeechGuard | None) -> tuple[list[str], list[str], list[int]]:
        call = await Call.start(speech_guard=speech_guard, tools=[look])
        connection = await call.connection()
        await settle()
        for number, step in enumerate(steps):
            match step:
                case "voice":
                    connection.say(voice(2 * number, 2))
                case "words":
                    connection.say(said(f"w{number} "))
                case "call":
                    connection.say(calls((f"c{number}", "look")))
                case "typed":
                    call.queue.send_content(user(f"t{number}"))
                case "heard":
                    connection.say(heard(f"h{number}", finished=True))
                case "wait" | "long wait":
                    await asyncio.sleep(0.06 if step == "wait" else 0.5)
                case _:
                    flags = {"end": TURN_COMPLETE, "generated": GENERATION_COMPLETE, "handle": handle(f"{number}")}
                    connection.say(flags[step])
            await settle()
        shown = await call.end()
        return shown, await call.saved_short(), slices(call.events)

    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S):
            assert await played(guard(check=check, hold_ms=hold_ms)) == await played(None)
        assert leftovers() == []

    run_virtual(main())


def look() -> str:
    """Looks."""
    return "sunny"


@virtual
async def test_the_models_first_byte_is_when_it_came_and_not_when_it_was_let_go() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    connection = await call.connection()
    call.queue.send_content(user("Hello?"))
    await connection.wait_sent(1)
    loud = audio(b"\x00\x40" * 960)
    await call.play(loud, said("Hello"), TURN_COMPLETE)
    await call.end()
    (latency,) = [event.latency for event in call.events if event.latency is not None]
    assert latency.first_byte_at is not None
    assert latency.server_out_at is not None
    assert latency.server_out_at - latency.first_byte_at == pytest.approx(0.4, abs=0.01)


@virtual
async def test_handles_are_kept_behind_what_they_cover() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=400))
    await call.play(voice(0, 2), said("Hello"), TURN_COMPLETE, handle("h1"))
    await call.end()
    assert await call.saved_short() == ["M-out:Hello", "end", "handle"]


# -- what backends can do ---------------------------------------------------------------------------------------------


class Eloquent(ScriptedModel):
    """A backend that falls silent when it is told to, and says what it is told to."""

    class Connection(ScriptedConnection):
        """Says what it is told to."""

        async def interrupt(self) -> None:
            await super().interrupt()
            for message in (INTERRUPTED, TURN_COMPLETE):
                self.say(message)

        async def speak(self, words: str) -> bool:
            for message in (said(words), voice(900, 2), TURN_COMPLETE):
                self.say(message)
            return True

    connection_type = Connection


@virtual
async def test_a_backend_that_can_says_the_fallback_aloud() -> None:
    call = await Call.start(model=Eloquent(), speech_guard=guard(fallback="No banana today."))
    connection = await call.play(voice(0, 2), said("A banana "))
    shown = await call.end()
    assert shown == [
        "interrupted",
        "error-speech_blocked",
        "end",
        "P-out:No banana today.",  # the developer's own words are not checked
        "audio",
        "M-out:No banana today.",
        "end",
    ]
    assert slices(call.events) == [900, 901]
    assert [kind for kind, _ in connection.sent] == ["interrupt"]


@virtual
async def test_where_words_come_before_their_sound_the_sound_is_not_heard() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=100))
    await call.play(said("A banana "))
    await call.play(voice(0, 20), said("split"), TURN_COMPLETE)
    await call.play(voice(50, 2), said("Sorry?"), TURN_COMPLETE)
    await call.end()
    assert slices(call.events) == [50, 51]


@virtual
async def test_strict_mode_waits_for_words_with_times() -> None:
    def timed(word: str, start: float, end: float) -> dict[str, Any]:
        words = [{"word": word, "startOffset": f"{start}s", "endOffset": f"{end}s"}]
        return {"serverContent": {"outputTranscription": {"text": word, "words": words, "finished": True}}}

    call = await Call.start(speech_guard=guard(hold_ms=100, strict=True, deadline_ms=2000))
    await call.play(voice(0, 10), voice(10, 10))
    await asyncio.sleep(1.0)
    assert call.short == []
    await call.play(timed("Hello", 0.0, 0.2))
    assert slices(call.events) == list(range(10))
    await asyncio.sleep(1.0)
    assert slices(call.events) == list(range(20))
    assert "error-speech_unchecked" in call.short
    await call.end()


@virtual
async def test_strict_mode_waits_no_longer_when_the_answer_is_over() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=100, strict=True, deadline_ms=3000))
    await call.play(voice(0, 4), said("Hello."), TURN_COMPLETE)
    await asyncio.sleep(0.2)
    assert slices(call.events) == [0, 1, 2, 3]
    assert call.short[-1] == "end"
    await call.end()


@virtual
async def test_strict_mode_waits_for_no_words_of_a_line_that_is_gone() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=100, strict=True, deadline_ms=3000))
    connection = await call.play(voice(0, 4), said("Hello "))
    connection.lose()
    await call.play(voice(10, 2), said("Hi."), TURN_COMPLETE, number=2)
    await asyncio.sleep(0.5)
    assert slices(call.events) == [0, 1, 2, 3, 10, 11]
    assert "error-speech_unchecked" not in call.short
    await call.end()


# -- without a guard, and with one that holds nothing -----------------------------------------------------------------


@pytest.mark.parametrize("options", [None, guard(hold_ms=0)])
@virtual
async def test_nothing_stands_in_the_way_of_media_without_a_hold(
    options: SpeechGuard | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("the guard stands in the way")

    watched: list[str] = []
    for where, name in [(Conversation, "_hold"), (Guard, "take"), (Guard, "follow"), (Guard, "later")]:
        monkeypatch.setattr(where, name, never)
    monkeypatch.setattr(Guard, "watch", lambda _, events: watched.extend(map(short, events)))
    call = await Call.start(speech_guard=options)
    await call.play(voice(0, 2), said("Hello"), TURN_COMPLETE)
    assert "audio" not in watched
    assert call.short == ["audio", "P-out:Hello", "M-out:Hello", "end"]
    await call.end()


@virtual
async def test_with_nothing_held_back_what_follows_a_banned_word_is_stopped() -> None:
    call = await Call.start(speech_guard=guard(hold_ms=0))
    await call.play(voice(0, 2), said("A banana "), voice(2, 2), said("split"), TURN_COMPLETE)
    shown = await call.end()
    assert slices(call.events) == [0, 1]
    assert shown[-4:] == ["interrupted", "error-speech_blocked", f":{SORRY} end", "end"]


@virtual
async def test_a_guard_that_could_hear_nothing_is_refused() -> None:
    call = await Call.start(speech_guard=guard(), run_config=RunConfig(output_audio_transcription=None))
    with pytest.raises(InvalidConfig, match="speech_guard needs output_audio_transcription"):
        await call.reader
