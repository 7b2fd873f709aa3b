"""One call of a tool: plugins and callbacks around it, the user's yes, keys, deadlines, failures. No engine here."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from fullduplex import Agent, RunConfig
from fullduplex.agents import InvocationContext
from fullduplex.agents.tool_calls import call_tool, on_record, requests_of, resumed
from fullduplex.events import Event, EventActions
from fullduplex.plugins import BasePlugin, PluginManager
from fullduplex.sessions import InMemorySessionService, Session
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.turns.approvals import open_requests
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from tests.live.kit import virtual


class Kit:
    """A run with one tool, and what a test asks of it."""

    def __init__(self, tool: FunctionTool, plugins: list[BasePlugin] | None = None, **agent: Any) -> None:
        self.tool = tool
        self.agent = Agent(name="guide", tools=[tool], **agent)
        self.session = Session(id="s", app_name="app", user_id="u")
        self.ctx = InvocationContext(
            invocation_id="e-1",
            session=self.session,
            session_service=InMemorySessionService(),
            agent=self.agent,
            run_config=RunConfig(),
            engine=SimpleNamespace(),  # type: ignore[arg-type]
            plugins=PluginManager(plugins),
        )
        self.calls = 0

    def context(self) -> ToolContext:
        self.calls += 1
        return ToolContext(self.ctx, function_call_id=f"c{self.calls}")

    async def call(self, context: ToolContext | None = None, **args: Any) -> Any:
        """Calls the tool; what it answers is on record, as an engine would keep it."""
        context = context or self.context()
        result = await call_tool(self.ctx, self.agent, self.tool, args, context)
        call = FunctionCall(id=context.function_call_id, name=self.tool.name, args=args)
        if context.tool_confirmation is None:
            self.keep(Part(function_call=call))
        if context.awaits_user:
            self.session.events.append(requests_of(call, context, new_id=lambda: f"r{self.calls}"))
        elif result is not None:
            response = result if isinstance(result, dict) else {"result": result}
            self.keep(Part(function_response=FunctionResponse(id=call.id, name=call.name, response=response)))
        return result

    def keep(self, part: Part) -> None:
        self.session.events.append(Event(content=Content(parts=[part])))

    async def decide(self, **response: Any) -> Any:
        """The user answers the open request."""
        ((request_id, request),) = open_requests(self.session.events).items()
        answer = FunctionResponse(id=request_id, response=response)
        self.calls += 1
        context = resumed(self.ctx, request, answer)
        self.keep(Part(function_response=on_record(request, answer)))
        return await self.call(context, **(request.call.args or {}))


class Tracer(BasePlugin):
    def __init__(self, trace: list[str]) -> None:
        super().__init__("tracer")
        self.trace = trace

    async def before_tool_callback(self, **_: Any) -> None:
        self.trace.append("plugin before")

    async def after_tool_callback(self, **_: Any) -> None:
        self.trace.append("plugin after")

    async def on_tool_error_callback(self, **_: Any) -> None:
        self.trace.append("plugin error")


async def test_plugins_come_before_callbacks_and_both_around_the_tool() -> None:
    trace: list[str] = []

    async def tool() -> str:
        trace.append("tool")
        return "ok"

    kit = Kit(
        FunctionTool(tool),
        [Tracer(trace)],
        before_tool_callback=lambda tool, args, tool_context: trace.append("before"),
        after_tool_callback=lambda tool, args, tool_context, tool_response: trace.append(f"after {tool_response}"),
    )
    assert await kit.call() == "ok"
    assert trace == ["plugin before", "before", "tool", "plugin after", "after ok"]


async def test_an_error_callback_has_the_word_on_a_failure(caplog: Any) -> None:
    trace: list[str] = []

    async def tool() -> None:
        raise ValueError("secret")

    kit = Kit(FunctionTool(tool), [Tracer(trace)])
    with caplog.at_level(logging.CRITICAL):
        assert await kit.call() == {"error": "Invoking `tool()` failed with an internal error (ValueError)."}
    assert trace == ["plugin before", "plugin error", "plugin after"]
    kit = Kit(FunctionTool(tool), on_tool_error_callback=lambda tool, args, tool_context, error: {"said": str(error)})
    assert await kit.call() == {"said": "secret"}


@virtual
async def test_a_run_that_takes_too_long_is_cancelled_and_the_answer_says_so() -> None:
    stopped: list[float] = []

    async def tool() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            stopped.append(asyncio.get_running_loop().time())
            raise

    begun = asyncio.get_running_loop().time()
    answer = await Kit(FunctionTool(tool, deadline_s=2)).call()
    assert answer == {"error": "Invoking `tool()` failed: timeout, no result within 2 s."}
    assert stopped == [pytest.approx(begun + 2, abs=0.05)]


@virtual
async def test_a_run_that_does_not_let_itself_be_stopped_holds_nobody_up_after_its_deadline(caplog: Any) -> None:
    async def tool() -> None:
        for _ in range(10):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass

    begun = asyncio.get_running_loop().time()
    with caplog.at_level(logging.ERROR):
        assert "timeout" in (await Kit(FunctionTool(tool, deadline_s=2)).call())["error"]
    assert asyncio.get_running_loop().time() - begun < 3.1
    await asyncio.sleep(20)


# -- the user's yes ---------------------------------------------------------------------------------------------------


def paying(**options: Any) -> tuple[Kit, list[int]]:
    paid: list[int] = []

    async def pay(amount: int) -> str:
        """Pays."""
        paid.append(amount)
        return f"paid {amount}"

    return Kit(FunctionTool(pay, **options)), paid


async def test_a_tool_that_needs_a_yes_runs_after_it_and_once() -> None:
    kit, paid = paying(require_confirmation=True)
    assert await kit.call(amount=5) is None
    assert paid == []
    request = kit.session.events[-1]
    assert request.long_running_tool_ids == {"adk-r1"}
    assert request.is_final_response()
    assert request.actions.requested_tool_confirmations["c1"].hint == "Allow the call of `pay()`?"
    assert await kit.decide(confirmed=True) == "paid 5"
    assert paid == [5]
    assert open_requests(kit.session.events) == {}


async def test_after_a_no_it_never_runs() -> None:
    kit, paid = paying(require_confirmation=True)
    await kit.call(amount=5)
    assert await kit.decide(confirmed=False) == {"error": "The user did not approve this call, so it did not run."}
    assert paid == []


@pytest.mark.parametrize("amount", [5, 500])
async def test_a_function_of_the_arguments_decides_who_is_asked(amount: int) -> None:
    async def much(amount: int, tool_context: ToolContext) -> bool:
        assert tool_context.function_call_id == "c1"
        return amount > 100

    kit, paid = paying(require_confirmation=much)
    await kit.call(amount=amount)
    assert paid == ([5] if amount == 5 else [])


async def test_nobody_is_asked_about_a_call_that_cannot_run() -> None:
    kit, paid = paying(require_confirmation=True, idempotency_key=lambda args: args["amount"])
    assert "mandatory" in (await kit.call())["error"]
    assert "amount" in (await kit.call(amount="much"))["error"]
    assert paid == []


async def test_nobody_is_asked_about_what_is_done_already() -> None:
    kit, paid = paying(require_confirmation=True, idempotency_key=True)
    await kit.call(amount=5)
    assert await kit.decide(confirmed=True) == "paid 5"
    assert await kit.call(amount=5) == {"result": "paid 5"}
    assert paid == [5]


async def test_a_decision_that_fails_keeps_the_tool_from_running(caplog: Any) -> None:
    def broken(amount: int) -> bool:
        raise RuntimeError("no")

    kit, paid = paying(require_confirmation=broken)
    with caplog.at_level(logging.CRITICAL):
        assert "RuntimeError" in (await kit.call(amount=5))["error"]
    assert paid == []


async def test_a_tool_asks_by_itself_and_hears_what_the_user_filled_in() -> None:
    async def leave(days: int, tool_context: ToolContext) -> Any:
        """Asks for leave."""
        said = tool_context.tool_confirmation
        if said is None:
            tool_context.request_confirmation(hint="How many?", payload={"approved": 0})
            return {"status": "dropped"}
        return said.payload

    kit = Kit(FunctionTool(leave))
    assert await kit.call(days=9) is None
    assert await kit.decide(confirmed=True, payload={"approved": 4}) == {"approved": 4}


async def test_a_credential_comes_by_an_event_and_is_not_kept() -> None:
    config = {"credential_key": "bank", "scheme": "oauth"}

    async def balance(tool_context: ToolContext) -> Any:
        """Tells the balance."""
        token = tool_context.get_auth_response(config)
        if token is None:
            tool_context.request_credential(config)
            return None
        return f"with {token['access_token']}"

    kit = Kit(FunctionTool(balance, require_confirmation=True))
    await kit.call()
    assert await kit.decide(confirmed=True) is None, "the yes is given, the credential is not"
    assert kit.session.events[-1].actions.requested_auth_configs == {"c1": config}
    assert await kit.decide(access_token="hidden") == "with hidden"
    whole = "".join(event.model_dump_json() for event in kit.session.events[:-1])
    assert "hidden" not in whole


# -- keys -------------------------------------------------------------------------------------------------------------


@virtual
async def test_one_key_is_one_run_while_it_works_and_after_it_is_done() -> None:
    runs: list[str] = []

    async def book(room: str, note: str = "", *, tool_context: ToolContext) -> str:
        """Books."""
        runs.append(tool_context.idempotency_key or "")
        await asyncio.sleep(1)
        return f"{room} {len(runs)}"

    kit = Kit(FunctionTool(book, idempotency_key=lambda args: args["room"]))
    answers = await asyncio.gather(kit.call(room="red"), kit.call(room="red", note="again"), kit.call(room="blue"))
    assert answers == ["red 1", "red 1", "blue 2"] or answers[:2] == ["red 2", "red 2"]
    assert await kit.call(room="red", note="later") == {"result": answers[0]}
    assert sorted(runs) == ["blue", "red"]


async def test_the_session_remembers_what_was_done_in_an_earlier_run() -> None:
    kit, paid = paying(idempotency_key=True)
    assert await kit.call(amount=5) == "paid 5"
    later, paid_later = paying(idempotency_key=True)
    later.session.events = kit.session.events
    assert await later.call(amount=5) == {"result": "paid 5"}
    assert await later.call(amount=6) == "paid 6"
    assert (paid, paid_later) == ([5], [6])


async def test_a_keyed_call_that_failed_is_done_again(caplog: Any) -> None:
    failures: list[Any] = [ValueError("x"), {"error": "no room"}, None]

    async def book() -> Any:
        """Books."""
        failure = failures.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure or "booked"

    kit = Kit(FunctionTool(book, idempotency_key=True))
    with caplog.at_level(logging.CRITICAL):
        assert "ValueError" in (await kit.call())["error"]
    assert await kit.call() == {"error": "no room"}
    assert await kit.call() == "booked"
    assert await kit.call() == {"result": "booked"}


async def test_a_keyed_run_in_a_thread_outlives_its_deadline_and_is_found_again() -> None:
    free, runs = threading.Event(), []

    def book() -> str:
        """Books."""
        runs.append(1)
        free.wait(20)
        return "booked"

    kit = Kit(FunctionTool(book, idempotency_key=True, deadline_s=0.5))
    assert "timeout" in (await kit.call())["error"]
    again = asyncio.create_task(kit.call())
    await asyncio.sleep(0)
    free.set()
    assert await again == "booked"
    assert runs == [1]


# -- streaming tools, where there is no live run ----------------------------------------------------------------------


async def test_a_streaming_tool_tells_its_progress_and_its_last_word_is_the_result() -> None:
    async def count(upto: int) -> AsyncGenerator[Any, None]:
        """Counts."""
        for number in range(upto):
            yield number
        yield Event(author="counter", actions=EventActions(state_delta={"n": upto}))
        yield FunctionResponse(response={"done": True}, scheduling="SILENT")

    kit, told = Kit(FunctionTool(count)), []
    result = await call_tool(kit.ctx, kit.agent, kit.tool, {"upto": 2}, kit.context(), progress=told.append)
    assert result == {"done": True}
    assert [update.response if isinstance(update, FunctionResponse) else update.author for update in told] == [
        {"result": 0},
        {"result": 1},
        "counter",
        {"done": True},
    ]
    assert all(update.id == "c1" and update.name == "count" for update in told if isinstance(update, FunctionResponse))
    assert await kit.call(upto=0) == {"done": True}


async def test_a_streaming_tool_that_listens_to_the_user_says_that_it_only_runs_live() -> None:
    async def watch(input_stream: Any) -> AsyncGenerator[str, None]:
        """Watches."""
        yield "never"

    assert "only runs live" in (await Kit(FunctionTool(watch)).call())["error"]
