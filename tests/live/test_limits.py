"""What `RunConfig` bounds in one run: turns, time, tokens and the context. The rules alone are in `tests/turns`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import Agent, RunConfig, types
from fullduplex.agents.run_config import ContextFallback
from fullduplex.mock_live import MockOptions, memory_reactor
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool, LongRunningFunctionTool, ToolContext
from fullduplex.turns.context import estimate_tokens
from fullduplex.turns.run_limits import GRACE_S
from fullduplex.turns.summary import MARK
from tests.chaos.memory import MemoryGemini, MemoryServer
from tests.live.kit import TURN_COMPLETE, Call, answered, audio, calls, cancellation, settle, text, user, virtual

SOUND = b"\0\x20" * 2400

# -- guards -----------------------------------------------------------------------------------------------------------


def usage(total: int) -> dict[str, Any]:
    return {"usageMetadata": {"totalTokenCount": total}}


def sunny() -> str:
    return "sunny"


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


# Some models complete their turn right after a call, and answer in another; the rest complete it with the answer.
CALLED = [[calls(("fc-1", "look")), TURN_COMPLETE], [calls(("fc-1", "look"))]]


@pytest.mark.spec(31)
@pytest.mark.parametrize("takes_s", [0.0, 5.0], ids=["quick", "slow"])
@pytest.mark.parametrize("called", CALLED, ids=["own turn", "one turn"])
@virtual
async def test_an_answer_through_a_tool_is_one_whole_turn(called: list[dict[str, Any]], takes_s: float) -> None:
    async def look() -> str:
        await asyncio.sleep(takes_s)
        return "sunny"

    call = await Call.start(run_config=RunConfig(max_turns=1), tools=[look])
    connection = await call.play(*called)
    await asyncio.sleep(takes_s + 1)
    assert answered(connection) == [("fc-1", {"result": "sunny"})]
    await call.play(text("Sunny."))
    assert not call.reader.done()
    await call.play(TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)
    assert (await call.saved_short())[-2:] == ["M:Sunny.", "end"]


@pytest.mark.spec(31)
@virtual
async def test_one_tool_after_another_is_one_turn() -> None:
    call = await Call.start(run_config=RunConfig(max_turns=1), tools=[sunny])
    await call.play(calls(("fc-1", "sunny")), TURN_COMPLETE, calls(("fc-2", "sunny")), TURN_COMPLETE)
    assert not call.reader.done()
    await call.play(text("Sunny."), TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)


@pytest.mark.spec(31)
@pytest.mark.parametrize("called", CALLED, ids=["own turn", "one turn"])
@virtual
async def test_a_turn_whose_tool_is_cancelled_counts(called: list[dict[str, Any]]) -> None:
    async def look() -> None:
        await asyncio.sleep(1e6)

    call = await Call.start(run_config=RunConfig(max_turns=1), tools=[look])
    await call.play(*called)
    assert not call.reader.done()
    await call.play(cancellation("fc-1"))
    if len(called) == 1:
        await call.play(TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)


@pytest.mark.spec(31)
@pytest.mark.parametrize("policy", ["does not block", "works on elsewhere", "is not spoken of"])
@virtual
async def test_a_tool_of_which_the_model_says_nothing_is_not_waited_for(policy: str) -> None:
    async def look(tool_context: ToolContext) -> str | None:
        if policy == "does not block":
            await asyncio.sleep(1e6)
        tool_context.actions.skip_summarization = policy == "is not spoken of"
        return None if policy == "works on elsewhere" else "sunny"

    tool: Any = {
        "does not block": FunctionTool(look, behavior=types.Behavior.NON_BLOCKING),
        "works on elsewhere": LongRunningFunctionTool(look),
        "is not spoken of": look,
    }[policy]
    call = await Call.start(run_config=RunConfig(max_turns=1), tools=[tool])
    connection = await call.connection()
    connection.say(calls(("fc-1", "look")))
    connection.say(TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)
    assert asyncio.get_running_loop().time() < 10


@pytest.mark.spec(31)
@virtual
async def test_a_tool_that_the_user_talks_on_beside_keeps_no_turn_from_counting() -> None:
    async def look() -> None:
        await asyncio.sleep(1e6)

    call = await Call.start(run_config=RunConfig(max_turns=1), tools=[look])
    await call.play(calls(("fc-1", "look")), TURN_COMPLETE)
    await call.play(text("It takes a while."), TURN_COMPLETE)
    assert await ended_by(call) == ("max_turns", False)


@pytest.mark.spec(31)
@virtual
async def test_a_transfer_is_no_turn() -> None:
    model = ScriptedModel()
    child = Agent(name="child", model=model)
    call = await Call.start(run_config=RunConfig(max_turns=1), model=model, sub_agents=[child])
    transfer = calls(("fc-1", "transfer_to_agent", {"agent_name": "child"}))
    first = await call.connection()
    first.say(text("One moment."))
    first.say(transfer)
    first.say(TURN_COMPLETE)
    await call.connection(2)
    await settle()
    assert not call.reader.done()
    await call.play(text("Child here."), TURN_COMPLETE, number=2)
    assert await ended_by(call) == ("max_turns", False)
    assert call.short[-3:-1] == ["M:Child here.", "end"]


@pytest.mark.spec(31)
@virtual
async def test_the_time_gives_a_tool_its_grace_when_the_turn_of_its_call_is_complete() -> None:
    async def look() -> str:
        await asyncio.sleep(4)
        return "sunny"

    call = await Call.start(run_config=RunConfig(max_duration_s=60.0), tools=[look])
    await asyncio.sleep(58)
    await call.play(calls(("fc-1", "look")), TURN_COMPLETE)
    await asyncio.sleep(5)
    await call.play(text("Sunny."), TURN_COMPLETE)
    assert await ended_by(call) == ("max_duration", False)
    assert call.short[-3:-1] == ["M:Sunny.", "end"]


@pytest.mark.spec(31)
@virtual
async def test_tokens_that_are_reported_before_the_answer_do_not_keep_it_from_coming() -> None:
    call = await Call.start(run_config=RunConfig(max_total_tokens=1000))
    await call.connection()
    call.queue.send_content(user("And now?"))
    await settle()
    await call.play(usage(2000))
    await asyncio.sleep(3)
    assert not call.reader.done()
    await call.play(text("One."), TURN_COMPLETE)
    assert await ended_by(call) == ("max_tokens", False)


@pytest.mark.parametrize("called", CALLED, ids=["own turn", "one turn"])
@virtual
async def test_the_time_of_an_answer_through_a_tool_is_measured_from_its_question(called: list[dict[str, Any]]) -> None:
    async def look() -> str:
        await asyncio.sleep(2)
        return "sunny"

    call = await Call.start(tools=[look])
    await call.connection()
    call.queue.send_content(user("What is the weather?"))
    await settle()
    await call.play(*called)
    await asyncio.sleep(3)
    await call.play(audio(SOUND), TURN_COMPLETE)
    [latency] = [event.latency for event in call.events if event.latency is not None]
    assert latency.server_in_at == pytest.approx(0, abs=0.1)
    assert latency.total_ms == pytest.approx(3000, abs=100)
    await call.end()


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
