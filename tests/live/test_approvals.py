"""Tools that wait for the user, live: a yes, a no, a credential, and what comes between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex import Agent, Runner, types
from fullduplex.events import Event
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.turns.approvals import CONFIRMATION, CREDENTIAL
from fullduplex.types.config import Behavior
from tests.live.kit import (
    GO_AWAY,
    TURN_COMPLETE,
    Call,
    answered,
    calls,
    cancellation,
    clocked,
    settle,
    short,
    text,
    user,
    virtual,
)


class Till:
    """A tool that pays, and what it paid."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    def tool(self, **options: Any) -> FunctionTool:
        async def pay(amount: int) -> str:
            """Pays."""
            self.paid.append(amount)
            return f"paid {amount}"

        return FunctionTool(pay, **{"require_confirmation": True, **options})


async def asked(call: Call, name: str = CONFIRMATION) -> types.FunctionCall:
    """The request to the user, as soon as it is there."""
    event = await call.until(lambda event: any(one.name == name for one in event.get_function_calls()))
    return event.get_function_calls()[0]


def decide(call: Call, request: types.FunctionCall, **response: Any) -> None:
    answer = types.FunctionResponse(id=request.id, name=request.name, response=response)
    call.queue.send_content(types.Content(role="user", parts=[types.Part(function_response=answer)]))


@pytest.mark.spec(100)
@virtual
async def test_a_yes_lets_the_tool_run_once_and_its_result_is_the_one_answer() -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    assert request.args["originalFunctionCall"] == {"id": "c1", "name": "pay", "args": {"amount": 5}}
    event = next(event for event in call.events if event.long_running_tool_ids == {request.id})
    assert event.actions.requested_tool_confirmations["c1"].confirmed is False
    await asyncio.sleep(100)
    assert (till.paid, connection.sent) == ([], []), "the call waits for as long as the user takes"
    decide(call, request, confirmed=True)
    await settle()
    assert till.paid == [5]
    assert answered(connection) == [("c1", {"result": "paid 5"})]
    await call.end()
    assert call.short == ["call-c1", f"call-{request.id}", f"answer-{request.id}", "answer-c1"]
    assert await call.saved_short() == ["call-c1", f"call-{request.id}", f"useranswer-{request.id}", "answer-c1"]


@pytest.mark.spec(100)
@pytest.mark.parametrize("response", [{"confirmed": False}, {"confirmed": "true"}, {}])
@virtual
async def test_a_no_is_enforced(response: dict[str, Any]) -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})))
    decide(call, await asked(call), **response)
    await settle()
    await call.end()
    assert till.paid == []
    ((call_id, answer),) = answered(connection)
    assert call_id == "c1"
    assert "did not approve" in answer["error"]


@pytest.mark.spec(100)
@virtual
async def test_a_decision_that_comes_twice_or_for_nothing_is_refused_and_the_run_lives_on() -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    decide(call, request, confirmed=True)
    decide(call, request, confirmed=True)
    decide(call, types.FunctionCall(id="made-up", name=CONFIRMATION), confirmed=True)
    await settle()
    await call.end()
    assert till.paid == [5]
    assert len(connection.sent) == 1
    assert [event.error_code for event in call.events if event.error_code] == ["invalid_content"] * 2


@virtual
async def test_calls_beside_it_are_answered_without_it() -> None:
    async def look() -> str:
        return "seen"

    till = Till()
    call = await Call.start(tools=[till.tool(), look])
    connection = await call.play(calls(("c1", "pay", {"amount": 5}), ("c2", "look")))
    request = await asked(call)
    assert answered(connection) == [("c2", {"result": "seen"})]
    decide(call, request, confirmed=True)
    await settle()
    await call.end()
    assert answered(connection)[1:] == [("c1", {"result": "paid 5"})]


@pytest.mark.spec(100)
@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("said", ["while away", "later"])
@virtual
async def test_a_request_outlives_the_line(resumed: bool, said: str) -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    first = await call.connection()
    await settle()
    if resumed:
        first.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    first.lose()
    if said == "while away":
        decide(call, request, confirmed=True)
    second = await call.connection(2)
    if said == "later":
        await asyncio.sleep(30)
        assert second.sent == [], "the model is not asked what only the user can decide"
        decide(call, request, confirmed=True)
    await asyncio.sleep(5)
    await call.end()
    assert till.paid == [5]
    assert first.sent == []
    ((kind, turns),) = second.sent
    assert kind == "question"
    parts = [part for turn in turns for part in turn.parts]
    assert [part.function_call.name for part in parts if part.function_call] == ["pay"]
    assert [part.function_response.response for part in parts if part.function_response] == [{"result": "paid 5"}]


@pytest.mark.spec(100)
@virtual
async def test_a_request_outlives_the_run() -> None:
    till = Till()
    model = ScriptedModel()
    call = await Call.start(model=model, tools=[till.tool()])
    call.queue.send_content(user("pay five"))
    await settle()
    await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    await call.end()
    again = await Call.start(runner=call.runner, model=model, session=await call.saved())
    second = await again.connection(2)
    await settle()
    ((kind, turns),) = second.sent
    assert second.request.history == []
    assert kind == "history", "asked once more, it would call once more: the user could pay twice"
    assert [turn.role for turn in turns] == ["user"], "the call has no answer: it is not told"
    decide(again, request, confirmed=True)
    await settle()
    await again.end()
    assert till.paid == [5]
    assert [short(event) for event in again.events if event.content] == [f"answer-{request.id}", "answer-c1"]
    _, (kind, turns) = second.sent
    assert kind == "question"
    assert [part.function_call.name for part in turns[0].parts] == ["pay"]
    third = await Call.start(runner=call.runner, model=model, session=await call.saved())
    await third.connection(3)
    decide(third, request, confirmed=True)
    await settle()
    await third.end()
    assert till.paid == [5], "what was decided is decided"


@virtual
async def test_a_call_that_the_model_takes_back_needs_no_yes_any_more() -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    await call.play(cancellation("c1"))
    decide(call, request, confirmed=True)
    await settle()
    await call.end()
    assert till.paid == []
    assert connection.sent == []
    assert call.short[-3:] == ["cancelled", f"answer-{request.id}", "error-invalid_content"]


@virtual
async def test_while_a_tool_that_does_not_block_waits_the_model_goes_on() -> None:
    till = Till()
    call = await Call.start(tools=[till.tool(behavior=Behavior.NON_BLOCKING)])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})), text("I asked."), TURN_COMPLETE)
    request = await asked(call)
    decide(call, request, confirmed=True)
    await settle()
    await call.end()
    assert "M:I asked." in call.short
    assert answered(connection) == [("c1", {"result": "paid 5"})]


@virtual
async def test_other_parts_beside_a_decision_go_up() -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    connection = await call.play(calls(("c1", "pay", {"amount": 5})))
    request = await asked(call)
    answer = types.FunctionResponse(id=request.id, name=request.name, response={"confirmed": True})
    call.queue.send_content(types.Content(parts=[types.Part(function_response=answer), types.Part(text="go")]))
    await settle()
    await call.end()
    assert till.paid == [5]
    assert connection.sent[0] == ("content", user("go"))


@virtual
async def test_a_credential_is_asked_for_by_an_event_and_stored_nowhere() -> None:
    config = {"credential_key": "bank"}

    async def balance(tool_context: ToolContext) -> Any:
        """Tells the balance."""
        token = tool_context.get_auth_response(config)
        if token is None:
            tool_context.request_credential(config)
            return None
        return f"seen with {len(token['access_token'])} letters"

    call = await Call.start(tools=[balance])
    connection = await call.play(calls(("c1", "balance")))
    request = await asked(call, CREDENTIAL)
    assert request.args["authConfig"] == config
    decide(call, request, access_token="hidden")
    await settle()
    await call.play(calls(("c2", "balance")))
    await call.end()
    assert answered(connection) == [(key, {"result": "seen with 6 letters"}) for key in ("c1", "c2")]
    written: list[Event] = [*call.events, *(await call.saved()).events]
    assert "hidden" not in "".join(event.model_dump_json() for event in written)
    assert "hidden" not in str((await call.saved()).state)


@pytest.mark.parametrize("turn_ends", [True, False])
@virtual
async def test_a_request_outlives_a_change_of_lines(turn_ends: bool) -> None:
    till = Till()
    call = await Call.start(tools=[till.tool()])
    first = await call.play(calls(("c1", "pay", {"amount": 5})), *[TURN_COMPLETE][: int(turn_ends)], GO_AWAY)
    request = await asked(call)
    second = await call.connection(2)
    await asyncio.sleep(60)
    decide(call, request, confirmed=True)
    await settle()
    await call.end()
    assert till.paid == [5]
    assert answered(first) == []
    parts = [part for _, turns in second.sent for turn in turns for part in turn.parts]
    assert [part.function_response.response for part in parts if part.function_response] == [{"result": "paid 5"}]


@virtual
async def test_what_the_user_types_while_a_request_waits_is_kept_before_its_answer() -> None:
    async def slowly(amount: int) -> bool:
        await asyncio.sleep(1)
        return True

    till = Till()
    call = await Call.start(tools=[till.tool(behavior=Behavior.NON_BLOCKING, require_confirmation=slowly)])
    await call.play(calls(("c1", "pay", {"amount": 5})), TURN_COMPLETE)
    await asked(call)
    call.queue.send_content(user("what is that?"))
    await settle()
    await call.play(text("A bill."), TURN_COMPLETE)
    await call.end()
    said = [one for one in await call.saved_short() if ":" in one]
    assert said == ["user:what is that?", "M:A bill."]


@pytest.mark.parametrize("namesake", [False, True])
@virtual
async def test_a_decision_after_a_transfer_is_for_the_tool_of_the_agent_that_asked(namesake: bool) -> None:
    till, model = Till(), ScriptedModel()
    seen: list[str] = []

    def before(tool: Any, args: dict[str, Any], tool_context: ToolContext) -> None:
        seen.append(tool_context.agent_name)

    tool = till.tool(behavior=Behavior.NON_BLOCKING)
    clerk = Agent(name="clerk", tools=[Till().tool()] if namesake else [])
    guide = Agent(name="guide", model=model, tools=[tool], sub_agents=[clerk], before_tool_callback=before)
    runner = Runner(app_name="app", agent=guide, session_service=InMemorySessionService(), engine=clocked())
    call = await Call.start(runner=runner, model=model)
    await call.play(calls(("c1", "pay", {"amount": 5})), TURN_COMPLETE)
    request = await asked(call)
    await call.play(calls(("t1", "transfer_to_agent", {"agent_name": "clerk"})))
    second = await call.connection(2)
    await settle()
    decide(call, request, confirmed=True)
    await settle()
    await call.end()
    assert till.paid == [5]
    assert seen == ["guide"] * 3, "its callbacks stand around it, wherever the conversation is"
    (paid,) = (event for event in call.events if any(one.id == "c1" for one in event.get_function_responses()))
    assert paid.author == "guide", "to whom the call would be one without an answer, else"
    told = [part for kind, turns in second.sent for turn in turns for part in turn.parts]
    assert any("paid 5" in str(part) for part in told)
