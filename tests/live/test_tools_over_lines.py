"""What tools answer when the line that called them is gone: the model is told it once, and asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fullduplex import types
from fullduplex.testing.scripted_model import ScriptedConnection
from fullduplex.tools import FunctionTool, LongRunningFunctionTool
from fullduplex.types.config import FunctionResponseScheduling
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, calls, cancellation, settle, text, user, virtual


async def work(after: float) -> str:
    """Works."""
    await asyncio.sleep(after)
    return "done"


def told(connection: ScriptedConnection) -> list[tuple[str, list[Any]]]:
    """What a connection was told and asked: texts, and ids of calls (`>`) and answers (`<`)."""
    return [(kind, [_short(part) for turn in turns for part in turn.parts]) for kind, turns in _turns(connection)]


def _turns(connection: ScriptedConnection) -> list[tuple[str, list[types.Content]]]:
    kinds = ("history", "question", "content")
    sent = [(kind, value) for kind, value in connection.sent if kind in kinds]
    return [(kind, value if isinstance(value, list) else [value]) for kind, value in sent]


def _short(part: types.Part) -> Any:
    if part.function_call is not None:
        return f">{part.function_call.id}"
    if part.function_response is not None:
        response = part.function_response.response or {}
        return f"<{part.function_response.id} {response.get('result', '')}".strip()
    return part.text


async def begin(*tools: Any, wanted: dict[str, Any]) -> tuple[Call, ScriptedConnection]:
    """A call in which the user has asked, the model has called a tool, and the connection was lost."""
    call = await Call.start(tools=list(tools))
    await call.connection()
    call.queue.send_content(user("one"))
    await settle()
    first = await call.play(wanted)
    first.lose()
    second = await call.connection(2)
    await settle()
    return call, second


@virtual
async def test_what_a_tool_answers_after_another_question_was_answered_is_asked_for() -> None:
    call, line = await begin(work, wanted=calls(("c1", "work", {"after": 5.0})))
    call.queue.send_content(user("two"))
    await settle()
    await call.play(text("Two."), TURN_COMPLETE, number=2)
    await asyncio.sleep(5)
    assert told(line) == [("history", ["one"]), ("content", ["two"]), ("question", [">c1", "<c1 done"])]
    await call.end()


@virtual
async def test_what_a_tool_answers_in_the_middle_of_an_answer_is_asked_for_after_it() -> None:
    call, line = await begin(work, wanted=calls(("c1", "work", {"after": 5.0})))
    call.queue.send_content(user("two"))
    await settle()
    await call.play(text("Two"), number=2)
    await asyncio.sleep(5)
    assert told(line)[2:] == [("history", [">c1", "<c1 done"])]
    await call.play(text(", and more."), TURN_COMPLETE, number=2)
    assert told(line)[3:] == [("question", [])]
    await call.play(text("Done."), TURN_COMPLETE, number=2)
    assert told(line)[4:] == []
    await call.end()


@virtual
async def test_what_was_told_is_not_asked_for_when_the_user_goes_on_or_wants_silence() -> None:
    for how in ("speech", "button"):
        call, line = await begin(work, wanted=calls(("c1", "work", {"after": 5.0})))
        call.queue.send_content(user("two"))
        await settle()
        await call.play(text("Two"), number=2)
        await asyncio.sleep(5)
        if how == "button":
            call.queue.interrupt()
        await call.play(INTERRUPTED, TURN_COMPLETE, number=2)
        assert [kind for kind, _ in told(line)] == ["history", "content", "history"]
        await call.end()


@virtual
async def test_when_the_last_of_two_tools_is_cancelled_the_other_ones_answer_is_asked_for() -> None:
    call = await Call.start(tools=[work])
    first = await call.play(calls(("c1", "work", {"after": 1.0})), calls(("c2", "work", {"after": 60.0})))
    first.lose()
    line = await call.connection(2)
    await asyncio.sleep(2)
    assert told(line) == [("history", [">c1", "<c1 done"])]
    await call.play(cancellation("c2"), number=2)
    assert told(line)[1:] == [("question", [])]
    await call.end()


@virtual
async def test_what_a_stream_said_in_the_middle_of_an_answer_is_told_to_the_line_after_that_too() -> None:
    async def watch() -> AsyncGenerator[str, None]:
        """Watches."""
        await asyncio.sleep(1)
        yield "a fox"
        await asyncio.sleep(60)

    call, line = await begin(watch, wanted=calls(("c1", "watch")))
    call.queue.send_content(user("two"))
    await settle()
    await call.play(text("Two"), number=2)
    await asyncio.sleep(1)
    assert told(line)[2:] == [("history", [">c1", "<c1 a fox"])]
    line.lose()
    third = await call.connection(3)
    await settle()
    assert [turns for _, turns in told(third)].count([">c1", "<c1 a fox"]) == 1
    await call.end()


@virtual
async def test_what_the_app_answers_late_is_not_lost_with_a_line_in_the_middle_of_its_answer() -> None:
    def order() -> dict[str, str]:
        """Orders."""
        return {"result": "ticket"}

    call = await Call.start(tools=[LongRunningFunctionTool(order)])
    call.queue.send_content(user("one"))
    await settle()
    await call.play(calls(("c1", "order")), TURN_COMPLETE, text("Ordered"), {"goAway": {"timeLeft": "2s"}})
    answer = types.FunctionResponse(id="c1", name="order", response={"result": "pizza"})
    call.queue.send_content(types.Content(parts=[types.Part(function_response=answer)]))
    line = await call.connection(2)
    await asyncio.sleep(5)
    assert [turns for _, turns in told(line)].count([">c1", "<c1 pizza"]) == 1
    await call.end()


@virtual
async def test_for_what_is_told_silently_nothing_is_owed_and_no_next_line_is_asked() -> None:
    async def log() -> str:
        """Logs."""
        await asyncio.sleep(1)
        return "logged"

    call = await Call.start(tools=[FunctionTool(log, response_scheduling=FunctionResponseScheduling.SILENT)])
    await call.connection()
    call.queue.send_content(user("one"))
    await settle()
    first = await call.play(calls(("c1", "log")), text("Well."), TURN_COMPLETE)
    await asyncio.sleep(2)
    await call.play({"goAway": {"timeLeft": "30s"}})
    line = await call.connection(2)
    await settle()
    assert first.closed  # it owes nothing: the change need not wait
    assert [kind for kind, _ in told(line)] == ["history"]
    await call.end()
