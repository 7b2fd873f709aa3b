"""Requests to the user: how they read, which are open, and what an answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fullduplex.events import Event, EventActions
from fullduplex.turns.approvals import CONFIRMATION, CREDENTIAL, Request, open_requests, requests
from fullduplex.types.confirmation import ToolConfirmation
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part

CALL = FunctionCall(id="c1", name="pay", args={"amount": 5})


def called(*calls: FunctionCall) -> Event:
    return Event(content=Content(role="model", parts=[Part(function_call=call) for call in calls]))


def answered(call_id: str, name: str) -> Event:
    answer = FunctionResponse(id=call_id, name=name, response={})
    return Event(content=Content(role="user", parts=[Part(function_response=answer)]))


def asked(**actions: Any) -> list[Request]:
    return requests(CALL, EventActions(**actions), iter("rst"))


def test_a_confirmation_is_a_call_with_the_tools_call_in_it() -> None:
    (request,) = asked(requested_tool_confirmations={"c1": ToolConfirmation(hint="Pay 5?", payload={"tip": 0})})
    call = request.as_call()
    assert (call.id, call.name) == ("r", CONFIRMATION)
    assert call.args == {
        "originalFunctionCall": {"id": "c1", "name": "pay", "args": {"amount": 5}},
        "toolConfirmation": {"hint": "Pay 5?", "confirmed": False, "payload": {"tip": 0}},
    }
    assert Request.read(call) == request


def test_a_credential_is_asked_for_by_its_config_and_remembers_the_yes() -> None:
    yes = ToolConfirmation(confirmed=True)
    (request,) = requests(CALL, EventActions(requested_auth_configs={"c1": {"credential_key": "k"}}), ["r"], yes)
    call = request.as_call()
    assert (call.name, call.args["authConfig"], call.args["functionCallId"]) == (
        CREDENTIAL,
        {"credential_key": "k"},
        "c1",
    )
    assert Request.read(call) == request
    assert request.confirmed == yes


def test_other_calls_are_no_requests() -> None:
    assert Request.read(CALL) is None
    assert Request.read(FunctionCall(id="x", name=CONFIRMATION, args={"made": "up"})) is None


def test_a_request_is_open_until_it_or_its_call_is_answered() -> None:
    (request,) = asked(requested_tool_confirmations={"c1": ToolConfirmation()})
    events = [called(CALL), called(request.as_call())]
    assert open_requests(events) == {"r": request}
    assert open_requests([*events, answered("r", CONFIRMATION)]) == {}
    assert open_requests([*events, answered("c1", "pay")]) == {}
    earlier = [*events, answered("r", CONFIRMATION), answered("c1", "pay")]
    assert open_requests([*earlier, *events]) == {"r": request}, "ids may come again"


@pytest.mark.parametrize(
    ("response", "confirmed"),
    [
        ({"confirmed": True}, True),
        ({"response": json.dumps({"confirmed": True})}, True),
        ({"confirmed": False}, False),
        ({"confirmed": "yes"}, False),
        ({"response": "yes"}, False),
        ({"response": "[1]"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_a_plain_yes_is_one(response: Any, confirmed: bool) -> None:
    (request,) = asked(requested_tool_confirmations={"c1": ToolConfirmation(hint="Pay?")})
    said = request.confirmation(FunctionResponse(id="r", response=response))
    assert (said.confirmed, said.hint) == (confirmed, "Pay?")


def test_what_the_user_filled_in_comes_with_the_yes() -> None:
    (request,) = asked(requested_tool_confirmations={"c1": ToolConfirmation(hint="Pay?", payload={"tip": 0})})
    said = request.confirmation(FunctionResponse(response={"confirmed": True, "payload": {"tip": 2}}))
    assert said.payload == {"tip": 2}
