"""What `RunConfig` bounds in one run: turns, time, tokens and the context. The rules alone are in `tests/turns`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import RunConfig, types
from fullduplex.agents.run_config import ContextFallback
from fullduplex.mock_live import MockOptions, memory_reactor
from fullduplex.turns.context import estimate_tokens
from fullduplex.turns.run_limits import GRACE_S
from fullduplex.turns.summary import MARK
from tests.chaos.memory import MemoryGemini, MemoryServer
from tests.live.kit import TURN_COMPLETE, Call, calls, settle, text, user, virtual

# -- guards -----------------------------------------------------------------------------------------------------------


def usage(total: int) -> dict[str, Any]:
    return {"usageMetadata": {"totalTokenCount": total}}


async def ended_by(call: Call) -> tuple[str | None, bool | None]:
    """How a run that ends by itself, without an exception, tells of it: code, and whether it lives on."""
    await call.reader
    [error] = [event for event in call.events if event.error_code]
    assert all(connection.closed for connection in call.model.connections)
    return error.error_code, error.recoverable


@pytest.mark.spec(31)
@virtual
async def test_a_run_ends_after_its_last_turn() -> None:
    call = await Call.start(run_config=RunConfig(max_turns=2))
    await call.play(text("One."), TURN_COMPLETE)
    assert not call.reader.done()
    await call.play(text("Two."))
    assert not call.reader.done(), "no answer is cut off"
    await call.play(TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)
    assert (await call.saved_short())[-2:] == ["M:Two.", "end"]


@pytest.mark.spec(31)
@virtual
async def test_turns_are_counted_over_all_connections() -> None:
    call = await Call.start(run_config=RunConfig(max_turns=2))
    first = await call.play(text("One."), TURN_COMPLETE)
    first.lose()
    await call.play(text("Two."), TURN_COMPLETE, number=2)
    await call.reader
    assert [event.error_code for event in call.events if event.error_code] == ["connection_lost", "max_turns"]


@pytest.mark.spec(31)
@pytest.mark.parametrize("answering", [False, True], ids=["at rest", "in mid-answer"])
@virtual
async def test_a_run_ends_when_its_time_is_over(answering: bool) -> None:
    call = await Call.start(run_config=RunConfig(max_duration_s=60.0))
    if answering:
        await call.play(text("And so on, "))
    assert await ended_by(call) == ("max_duration", False)
    assert asyncio.get_running_loop().time() == pytest.approx(60.0 + GRACE_S * answering, abs=0.1)


@pytest.mark.spec(31)
@virtual
async def test_the_last_answer_is_heard_to_its_end_when_the_time_is_over() -> None:
    call = await Call.start(run_config=RunConfig(max_duration_s=60.0))
    await asyncio.sleep(58)
    await call.play(text("One, "))
    await asyncio.sleep(5)
    await call.play(text("two."), TURN_COMPLETE)
    assert await ended_by(call) == ("max_duration", False)
    assert call.short[-3:-1] == ["M:One, two.", "end"]
    assert asyncio.get_running_loop().time() == pytest.approx(63, abs=0.1)


@pytest.mark.spec(31)
@virtual
async def test_a_run_that_cannot_reach_its_model_ends_in_time_too() -> None:
    call = await Call.start(run_config=RunConfig(max_duration_s=2.0))
    while not call.reader.done():
        for connection in call.model.connections:
            connection.lose()
        await asyncio.sleep(0.05)
    assert call.events[-1].error_code == "max_duration"


@pytest.mark.spec(31)
@virtual
async def test_a_run_ends_when_its_tokens_are_spent() -> None:
    call = await Call.start(run_config=RunConfig(max_total_tokens=1000))
    await call.play(text("One."), usage(600), TURN_COMPLETE)
    assert not call.reader.done()
    await call.play(text("Two."), usage(600), TURN_COMPLETE)
    assert await ended_by(call) == ("max_tokens", False)


@pytest.mark.spec(31)
@virtual
async def test_a_tool_at_work_is_no_reason_to_stay_for_ever() -> None:
    async def look() -> str:
        await asyncio.sleep(1e6)
        return "sunny"

    call = await Call.start(run_config=RunConfig(max_duration_s=60.0), tools=[look])
    await call.play(calls(("fc-1", "look")))
    assert await ended_by(call) == ("max_duration", False)
    assert asyncio.get_running_loop().time() < 60.0 + GRACE_S + 1


@pytest.mark.spec(31)
@virtual
async def test_a_run_without_limits_goes_on() -> None:
    call = await Call.start()
    for number in range(20):
        await call.play(text(f"{number}."), usage(100_000), TURN_COMPLETE)
    await asyncio.sleep(900)
    assert not call.reader.done()
    await call.end()


# -- context ----------------------------------------------------------------------------------------------------------

TRIGGER, TARGET, KEPT = 600, 300, 4
STORY = "Then the keeper of the lighthouse told me, at some length, of winter number {} and of the ships that passed."


def told(contents: list[dict[str, Any]]) -> list[types.Content]:
    """A conversation of the mock's as ours."""
    return [types.Content.model_validate(one) for one in contents]


@pytest.mark.spec(192)
@pytest.mark.parametrize("reports", [True, False], ids=["usage reported", "no usage"])
@virtual
async def test_a_long_chat_stays_under_its_limit_and_knows_the_last_turns_word_for_word(reports: bool) -> None:
    server = MemoryServer(memory_reactor, MockOptions(usage=reports))
    fallback = ContextFallback(trigger_tokens=TRIGGER, target_tokens=TARGET, keep_turns=KEPT)
    config = RunConfig(response_modalities=["TEXT"], context_fallback=fallback)
    call = await Call.start(model=MemoryGemini("gemini-live-2.5-flash", server), run_config=config)  # type: ignore[arg-type]
    largest = 0
    said: list[str] = []
    for number in range(60):
        said += [words := STORY.format(number), f"You said: {words}"]
        call.queue.send_content(user(words))
        await asyncio.sleep(5)
        assert sum(bool(event.turn_complete) for event in call.events) == number + 1
        counts = [event.usage_metadata.prompt_token_count or 0 for event in call.events if event.usage_metadata]
        context = estimate_tokens(told(server.connections[-1].contents))
        largest = max(largest, counts[-1] if reports else context)
    one_turn = estimate_tokens([user(said[-1]), user(said[-2])])
    assert largest < TRIGGER + one_turn
    assert len(server.lines) > 5, "it was compressed again and again"
    assert len(server.open_lines) == 1
    remembered = [content.text for content in told(server.connections[-1].contents)]
    assert remembered[0].startswith(MARK)
    assert remembered[-KEPT:] == said[-KEPT:]
    assert len(remembered) == len(set(remembered)), "nothing twice"
    assert not [event for event in call.events if event.error_code]
    await call.end()
    kept = [event.content.text for event in (await call.saved()).events if event.content is not None]
    assert kept == said, "the session has it all"


@pytest.mark.spec(192)
@virtual
async def test_the_summary_is_the_developers_where_there_is_one() -> None:
    asked: list[list[types.Content]] = []

    async def summarize(earlier: list[types.Content]) -> str:
        asked.append(earlier)
        await asyncio.sleep(1)
        return "They spoke of lighthouses."

    server = MemoryServer(memory_reactor, MockOptions())
    fallback = ContextFallback(trigger_tokens=TRIGGER, target_tokens=TARGET, keep_turns=KEPT, summarize=summarize)
    config = RunConfig(response_modalities=["TEXT"], context_fallback=fallback)
    call = await Call.start(model=MemoryGemini("gemini-live-2.5-flash", server), run_config=config)  # type: ignore[arg-type]
    for number in range(30):
        call.queue.send_content(user(STORY.format(number)))
        await asyncio.sleep(5)
    assert asked
    assert "They spoke of lighthouses." in told(server.connections[-1].contents)[0].text
    await settle()
    await call.end()
