"""Tools in a live run: what the model is answered, side by side and off the receive path."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from fullduplex import RunConfig
from fullduplex.agents.run_config import ToolThreadPoolConfig
from fullduplex.errors import QueueFull
from fullduplex.live import LiveSettings
from fullduplex.tools import BaseTool, FunctionTool, ToolContext
from fullduplex.types.config import FunctionResponseScheduling
from fullduplex.types.content import FunctionDeclaration
from tests.live.kit import (
    INTERRUPTED,
    TURN_COMPLETE,
    Call,
    answers,
    audio,
    calls,
    cancellation,
    settle,
    text,
    user,
    virtual,
)


class Multiplier:
    """A tool that is an object."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, number: int) -> int:
        """Multiplies."""
        return number * self.factor


class Clock(BaseTool):
    """A tool with a declaration of its own."""

    def __init__(self) -> None:
        scheduling = FunctionResponseScheduling.WHEN_IDLE
        super().__init__(name="clock", description="Tells the time.", response_scheduling=scheduling)

    def declaration(self) -> FunctionDeclaration:
        return FunctionDeclaration(name=self.name, description=self.description)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return {"hour": 12}


@dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    y: int


@pytest.mark.spec(84)
async def test_every_kind_of_tool_and_of_result_is_answered() -> None:
    def sync_dict() -> dict[str, int]:
        return {"a": 1}

    async def async_text() -> str:
        return "hi"

    async def nothing() -> None:
        return None

    async def listed() -> list[int]:
        return [1, 2]

    async def point() -> Point:
        return Point(3)

    async def model() -> Model:
        return Model(y=4)

    call = await Call.start(tools=[sync_dict, async_text, nothing, listed, point, model, Multiplier(3), Clock()])
    connection = await call.connection()
    wanted = ["sync_dict", "async_text", "nothing", "listed", "point", "model", "Multiplier", "clock"]
    connection.say(calls(*[(name, name, {"number": 7}) for name in wanted]))
    async with asyncio.timeout(20):
        await connection.wait_sent(1)
    await call.end()
    assert [(a.name, a.response) for a in answers(connection)] == [
        ("sync_dict", {"a": 1}),
        ("async_text", {"result": "hi"}),
        ("nothing", {"result": None}),
        ("listed", {"result": [1, 2]}),
        ("point", {"x": 3}),
        ("model", {"y": 4}),
        ("Multiplier", {"result": 21}),
        ("clock", {"hour": 12}),
    ]
    assert answers(connection)[-1].scheduling == "WHEN_IDLE"


@pytest.mark.spec(85)
@virtual
async def test_tools_run_side_by_side_and_are_answered_in_one_event_in_the_order_of_the_calls() -> None:
    async def slow() -> str:
        await asyncio.sleep(0.5)
        return "slow"

    async def slower(tool_context: ToolContext) -> str:
        await asyncio.sleep(0.6)
        tool_context.state["by"] = "slower"
        return "slower"

    call = await Call.start(tools=[slow, slower])
    connection = await call.connection()
    await settle()
    begun = asyncio.get_running_loop().time()
    connection.say(calls(("c1", "slower"), ("c2", "slow"), ("c3", "slow")))
    await connection.wait_sent(1)
    assert asyncio.get_running_loop().time() - begun < 0.7
    assert await call.end() == ["call-c1 call-c2 call-c3", "answer-c1 answer-c2 answer-c3 state{'by': 'slower'}"]
    assert call.events[-1].content.role == "user"
    assert [answer.id for answer in answers(connection)] == ["c1", "c2", "c3"]
    assert len(connection.sent) == 1


@pytest.mark.spec(86)
@virtual
async def test_a_call_without_its_arguments_and_a_call_of_no_tool_are_answered_with_what_is_wrong() -> None:
    async def weather(city: str, day: str = "today") -> str:
        return f"{city} {day}"

    call = await Call.start(tools=[weather])
    connection = await call.play(
        calls(("c1", "weather", {"day": "now"})),
        calls(("c2", "forecast", {"city": "Oslo"})),
        calls(("c3", "weather", {"city": "Oslo", "made_up": 1})),
        text("fine"),
        TURN_COMPLETE,
    )
    await call.end()
    first, second, third = [answer.response for answer in answers(connection)]
    assert first["error"].startswith(
        "Invoking `weather()` failed as the following mandatory input parameters are not present:\ncity"
    )
    assert "forecast" in second["error"]
    assert "weather" in second["error"]
    assert third == {"result": "Oslo today"}
    assert call.short[-1] == "end"


@pytest.mark.spec(87)
@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("x"),
        KeyError("k"),
        SystemExit(3),
        asyncio.CancelledError("inner"),
        StopAsyncIteration(),
        TimeoutError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_whatever_a_tool_raises_is_an_answer_and_the_run_lives_on(failure: BaseException, caplog) -> None:
    async def asynchronous() -> None:
        raise failure

    def synchronous() -> None:
        raise failure

    call = await Call.start(tools=[asynchronous, synchronous])
    connection = await call.connection()
    with caplog.at_level(logging.CRITICAL):
        connection.say(calls(("c1", "asynchronous")))
        connection.say(calls(("c2", "synchronous")))
        async with asyncio.timeout(20):
            await connection.wait_sent(2)
    connection.say(TURN_COMPLETE)
    await call.until(lambda event: event.turn_complete)
    await call.end()
    by_id = {answer.id: answer.response for answer in answers(connection)}
    assert by_id.keys() == {"c1", "c2"}
    assert all(type(failure).__name__ in response["error"] for response in by_id.values())


class Unreadable:
    """A result that raises when it is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("do not look")


def _circle() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    return circle


@pytest.mark.parametrize(
    "junk",
    [object, Unreadable, _circle, lambda: {(1, 2): 3}, lambda: print, lambda: (n for n in ())],
    ids=["object", "unreadable", "circle", "odd key", "function", "generator"],
)
@virtual
async def test_a_result_that_json_cannot_hold_is_answered_with_an_error(junk: Callable[[], Any]) -> None:
    async def bad() -> Any:
        return junk()

    call = await Call.start(tools=[bad])
    connection = await call.play(calls(("c1", "bad")), TURN_COMPLETE)
    assert await call.end() == ["call-c1", "answer-c1", "end"]
    (answer,) = answers(connection)
    assert "bad" in answer.response["error"]


@pytest.mark.parametrize(
    ("given", "told"),
    [({1, 2}, {"result": [1, 2]}), ({1: "a"}, {"1": "a"}), ("", {"result": ""}), (0, {"result": 0}), ({}, {})],
)
@virtual
async def test_results_that_json_can_hold_in_another_form_are_told(given: Any, told: dict[str, Any]) -> None:
    async def tool() -> Any:
        return given

    call = await Call.start(tools=[tool])
    connection = await call.play(calls(("c1", "tool")))
    await call.end()
    assert answers(connection)[0].response == told


@pytest.mark.spec(89)
@virtual
async def test_what_a_tool_changes_in_the_state_is_in_its_event_and_in_the_session() -> None:
    async def remember(city: str, tool_context: ToolContext) -> str:
        tool_context.state["city"] = city
        tool_context.state["user:home"] = city
        tool_context.state["temp:note"] = "x"
        return "ok"

    async def recall(tool_context: ToolContext) -> str:
        return tool_context.state["city"] + tool_context.state["temp:note"]

    call = await Call.start(tools=[remember, recall])
    connection = await call.play(calls(("c1", "remember", {"city": "Oslo"})), calls(("c2", "recall")))
    await call.end()
    event = next(event for event in call.events if event.get_function_responses())
    assert event.actions.state_delta == {"city": "Oslo", "user:home": "Oslo", "temp:note": "x"}
    assert answers(connection)[1].response == {"result": "Oslox"}
    session = await call.saved()
    assert (session.state["city"], session.state["user:home"]) == ("Oslo", "Oslo")
    assert "temp:note" not in session.state


@pytest.mark.spec(94)
@virtual
async def test_a_running_tool_holds_nothing_up() -> None:
    async def slow() -> str:
        await asyncio.sleep(10)
        return "done"

    call = await Call.start(tools=[slow])
    connection = await call.play(calls(("c1", "slow")), audio(), INTERRUPTED)
    assert asyncio.get_running_loop().time() < 1
    assert call.short == ["call-c1", "audio", "interrupted"]
    call.queue.send_content(user("never mind"))
    await settle()
    assert connection.sent == [("content", user("never mind"))]
    await connection.wait_sent(2)
    assert await call.end() == ["call-c1", "audio", "interrupted", "answer-c1"]


@pytest.mark.spec(94)
async def test_a_running_synchronous_tool_holds_nothing_up() -> None:
    free = threading.Event()

    def slow() -> str:
        free.wait(20)
        return "done"

    call = await Call.start(tools=[slow])
    connection = await call.connection()
    connection.say(calls(("c1", "slow")))
    connection.say(INTERRUPTED)
    async with asyncio.timeout(10):
        await call.until(lambda event: event.interrupted)
    assert connection.sent == []
    free.set()
    async with asyncio.timeout(10):
        await connection.wait_sent(1)
    await call.end()


@pytest.mark.spec(95)
@virtual
async def test_a_cancelled_call_is_stopped_and_not_answered() -> None:
    stopped = []

    async def slow(name: str) -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            stopped.append(name)
            raise
        return name

    call = await Call.start(tools=[slow])
    connection = await call.play(
        calls(("c1", "slow", {"name": "a"}), ("c2", "slow", {"name": "b"})), cancellation("c1", "unknown")
    )
    await connection.wait_sent(1)
    await call.end()
    assert stopped == ["a"]
    assert [answer.id for answer in answers(connection)] == ["c2"]
    assert call.short == ["call-c1 call-c2", "cancelled", "answer-c2"]


@virtual
async def test_when_all_calls_of_a_message_are_cancelled_nothing_is_said_of_them() -> None:
    async def slow() -> None:
        await asyncio.sleep(10)

    call = await Call.start(tools=[slow])
    connection = await call.play(calls(("c1", "slow"), ("c2", "slow")), cancellation("c1"), cancellation("c2"))
    await asyncio.sleep(20)
    assert await call.end() == ["call-c1 call-c2", "cancelled", "cancelled"]
    assert connection.sent == []


@virtual
async def test_a_tool_that_answers_although_it_was_cancelled_is_not_heard() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "anyway"

    call = await Call.start(tools=[stubborn])
    connection = await call.play(calls(("c1", "stubborn")), cancellation("c1"))
    await asyncio.sleep(20)
    assert await call.end() == ["call-c1", "cancelled"]
    assert connection.sent == []


@pytest.mark.spec(101)
@virtual
async def test_every_call_is_answered_exactly_once() -> None:
    async def tool(after: float) -> float:
        await asyncio.sleep(after)
        if after == 3:
            raise RuntimeError("three")
        return after

    call = await Call.start(tools=[tool])
    wanted = [[(f"c{m}-{n}", "tool", {"after": (m * 7 + n * 3) % 5}) for n in range(m % 4 + 1)] for m in range(30)]
    connection = await call.play(*[calls(*message) for message in wanted])
    await asyncio.sleep(10)
    await call.end()
    expected = [one[0] for message in wanted for one in message]
    assert sorted(answer.id for answer in answers(connection)) == sorted(expected)
    told = [response.id for event in call.events for response in event.get_function_responses()]
    assert sorted(told) == sorted(expected)


@pytest.mark.spec(101)
@virtual
async def test_a_call_whose_id_comes_again_while_it_runs_is_not_run_again() -> None:
    runs = []

    async def tool() -> None:
        runs.append(1)
        await asyncio.sleep(1)

    call = await Call.start(tools=[tool])
    connection = await call.play(calls(("c1", "tool"), ("c1", "tool")), calls(("c1", "tool")))
    await asyncio.sleep(5)
    await call.end()
    assert runs == [1]
    assert [answer.id for answer in answers(connection)] == ["c1"]


@virtual
async def test_a_call_without_an_id_is_given_one() -> None:
    async def tool(tool_context: ToolContext) -> str:
        return tool_context.function_call_id or ""

    call = await Call.start(tools=[tool])
    connection = await call.play({"toolCall": {"functionCalls": [{"name": "tool", "args": {}}]}})
    await call.end()
    (called,) = call.events[1].get_function_calls()
    (answer,) = answers(connection)
    assert called.id.startswith("adk-")
    assert (answer.id, answer.response) == (called.id, {"result": called.id})


class LongRunning(FunctionTool):
    """A function whose first result is only a beginning."""

    def __init__(self, func: Any) -> None:
        super().__init__(func)
        self.is_long_running = True


@virtual
async def test_a_long_running_tool_is_marked_and_may_say_nothing_yet() -> None:
    async def order() -> None:
        return None

    async def ticket() -> dict[str, str]:
        return {"status": "pending"}

    async def plain() -> str:
        return "x"

    call = await Call.start(tools=[LongRunning(order), LongRunning(ticket), plain])
    connection = await call.play(calls(("c1", "order"), ("c2", "ticket"), ("c3", "plain")))
    await call.end()
    assert call.events[1].long_running_tool_ids == {"c1", "c2"}
    assert [(a.id, a.response) for a in answers(connection)] == [("c2", {"status": "pending"}), ("c3", {"result": "x"})]


@virtual
async def test_an_answer_is_not_refused_although_nothing_else_may_wait_any_more() -> None:
    async def slow() -> str:
        await asyncio.sleep(1)
        return "done"

    call = await Call.start(tools=[slow])
    connection = await call.play(calls(("c1", "slow")))
    take = connection.send_content
    free = asyncio.Event()

    async def stall(*args: Any, **kwargs: Any) -> None:
        await free.wait()
        await take(*args, **kwargs)

    connection.send_content = stall  # type: ignore[method-assign]
    call.queue.send_content(user("first"))
    await settle()
    for number in range(10_000):
        call.queue.send_content(user(str(number)))
    with pytest.raises(QueueFull):
        call.queue.send_content(user("one too many"))
    await asyncio.sleep(2)
    free.set()
    await call.end()
    assert [answer.id for answer in answers(connection)] == ["c1"]
    assert len(connection.sent) == 10_002


# -- the end of a run -----------------------------------------------------------------------------------------------


@virtual
async def test_close_lets_running_tools_finish_and_their_answers_leave() -> None:
    async def slow() -> str:
        await asyncio.sleep(3)
        return "booked"

    call = await Call.start(tools=[slow], settings=LiveSettings(tool_deadline_s=5))
    connection = await call.play(calls(("c1", "slow")))
    assert await call.end() == ["call-c1", "answer-c1"]
    assert [answer.response for answer in answers(connection)] == [{"result": "booked"}]
    assert await call.saved_short() == ["call-c1", "answer-c1"]
    assert 3.0 <= asyncio.get_running_loop().time() < 3.1


@virtual
async def test_close_cancels_tools_that_take_longer_than_the_deadline(caplog) -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def quick() -> str:
        await asyncio.sleep(1)
        return "ok"

    call = await Call.start(tools=[endless, quick], settings=LiveSettings(tool_deadline_s=5))
    connection = await call.play(calls(("c1", "endless"), ("c2", "quick")))
    with caplog.at_level(logging.WARNING):
        assert await call.end() == ["call-c1 call-c2", "answer-c2"]
    assert [pytest.approx(time, abs=0.1) for time in ended] == [5.0]
    assert [answer.id for answer in answers(connection)] == ["c2"]
    assert "tool endless" in caplog.text


@virtual
async def test_close_drains_tools_when_the_connection_is_lost_meanwhile() -> None:
    async def slow() -> str:
        await asyncio.sleep(3)
        return "booked"

    call = await Call.start(tools=[slow])
    connection = await call.play(calls(("c1", "slow")))
    call.queue.close()
    await settle()
    connection.lose()
    assert await call.end() == ["call-c1", "answer-c1"]
    assert await call.saved_short() == ["call-c1", "answer-c1"]
    assert len(call.model.connections) == 1


@virtual
async def test_a_tool_that_does_not_let_itself_be_stopped_does_not_keep_the_run(caplog) -> None:
    free = False

    async def stubborn() -> None:
        while not free:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass

    call = await Call.start(tools=[stubborn], settings=LiveSettings(tool_deadline_s=5))
    await call.play(calls(("c1", "stubborn")))
    with caplog.at_level(logging.ERROR):
        await call.end()
    assert asyncio.get_running_loop().time() < 10
    assert "stubborn does not stop" in caplog.text
    free = True
    await asyncio.sleep(2)


@pytest.mark.parametrize("how", ["cancel", "error"])
@virtual
async def test_tools_are_cancelled_when_the_run_is_torn_down(how: str) -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(True)

    call = await Call.start(tools=[endless])
    connection = await call.play(calls(("c1", "endless")))
    if how == "cancel":
        call.reader.cancel()
    else:
        connection.lose(1008, recoverable=False)
    await asyncio.wait([call.reader])
    assert ended == [True]
    assert asyncio.get_running_loop().time() < 1
    if how == "error":
        assert call.reader.exception() is not None


# -- reconnecting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("done_after", [0.01, 60.0], ids=["while away", "later"])
@virtual
async def test_an_answer_reaches_the_model_once_though_the_connection_was_lost(
    resumed: bool, done_after: float
) -> None:
    async def slow() -> str:
        await asyncio.sleep(done_after)
        return "booked"

    call = await Call.start(tools=[slow])
    first = await call.connection()
    await settle()
    if resumed:
        first.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    first.say(calls(("c1", "slow")))
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(100)
    await call.end()
    assert first.sent == []
    resumption = second.request.config.session_resumption
    assert (resumption is not None and resumption.handle == "h") is resumed
    assert second.request.history == []
    # Neither a handle from before the call nor a fresh start knows the call: it is told with its answer.
    ((kind, turns),) = second.sent
    assert kind == "question", "the model goes on with the answer"
    assert [turn.role for turn in turns] == ["model", "user"]
    (call_part,), (answer_part,) = (turn.parts for turn in turns)
    assert (call_part.function_call.id, call_part.function_call.name) == ("c1", "slow")
    assert (answer_part.function_response.id, answer_part.function_response.response) == ("c1", {"result": "booked"})


# -- threads ----------------------------------------------------------------------------------------------------


async def test_the_thread_pool_setting_limits_synchronous_tools_and_no_others() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def synchronous() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    together = asyncio.Barrier(6)

    async def asynchronous() -> None:
        await together.wait()

    config = RunConfig(tool_thread_pool_config=ToolThreadPoolConfig(max_workers=2))
    call = await Call.start(tools=[synchronous, asynchronous], run_config=config)
    connection = await call.connection()
    connection.say(calls(*[(f"s{n}", "synchronous") for n in range(6)]))
    connection.say(calls(*[(f"a{n}", "asynchronous") for n in range(6)]))
    async with asyncio.timeout(10):
        await connection.wait_sent(2)
    await call.end()
    assert most == 2
    assert len(answers(connection)) == 12
