"""What a tool needs of the user before it runs: a yes, or a credential.

A request is a call that the user answers: an event with a call of `adk_request_confirmation` or
`adk_request_credential`, and later a function response with its id. Its arguments hold the tool's call. Both events are
in the session, so that a request outlives the connection, the run and the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fullduplex.errors import InvalidInput
from fullduplex.events import Event, EventActions
from fullduplex.types.confirmation import ToolConfirmation
from fullduplex.types.content import FunctionCall, FunctionResponse
from fullduplex.types.struct import plain

CONFIRMATION = "adk_request_confirmation"
CREDENTIAL = "adk_request_credential"
REQUESTS = frozenset({CONFIRMATION, CREDENTIAL})


@dataclass(frozen=True)
class Request:
    """One question to the user: its `id`, its `kind` (of `REQUESTS`), the tool's `call`, and what is `asked`.

    `confirmed` is the yes that the call has already, when it asks for a credential.
    """

    id: str
    kind: str
    call: FunctionCall
    asked: Any
    confirmed: ToolConfirmation | None = None

    def as_call(self) -> FunctionCall:
        """The call that the app shows to the user."""
        original = {"id": self.call.id, "name": self.call.name, "args": self.call.args or {}}
        if self.kind == CONFIRMATION:
            args = {"originalFunctionCall": original, "toolConfirmation": self.asked}
        else:
            args = {"functionCallId": self.call.id, "originalFunctionCall": original, "authConfig": self.asked}
            if self.confirmed is not None:
                args["toolConfirmation"] = plain(self.confirmed)
        return FunctionCall(id=self.id, name=self.kind, args=args)

    @classmethod
    def read(cls, call: FunctionCall) -> Request | None:
        """The request that `call` is; None when it is another tool's call."""
        args = call.args or {}
        original = args.get("originalFunctionCall")
        if call.name not in REQUESTS or not isinstance(original, Mapping):
            return None
        told, config = args.get("toolConfirmation"), args.get("authConfig")
        original = FunctionCall.model_validate(original)
        if call.name == CONFIRMATION:
            return cls(call.id or "", call.name, original, told)
        return cls(call.id or "", call.name, original, config, told and ToolConfirmation.model_validate(told))

    def confirmation(self, answer: FunctionResponse) -> ToolConfirmation:
        """What the user said. Anything but `"confirmed": true` is a no."""
        said = _said(answer)
        hint = self.asked.get("hint") if isinstance(self.asked, Mapping) else None
        return ToolConfirmation(hint=hint or "", confirmed=said.get("confirmed") is True, payload=said.get("payload"))


class Decision(NamedTuple):
    """A request, and what the user said to it."""

    request: Request
    answer: FunctionResponse


def requests(
    call: FunctionCall, actions: EventActions, ids: Iterable[str], confirmed: ToolConfirmation | None = None
) -> list[Request]:
    """What a tool's run asks of the user, read off the `actions` that it left; `ids` are for the requests."""
    names = iter(ids)
    questions = [
        Request(next(names), CONFIRMATION, call, plain(asked))
        for asked in actions.requested_tool_confirmations.values()
    ]
    configs = actions.requested_auth_configs.values()
    return [*questions, *(Request(next(names), CREDENTIAL, call, plain(asked), confirmed) for asked in configs)]


def open_requests(events: Iterable[Event]) -> dict[str, Request]:
    """The requests among `events` that wait for the user, by id: neither they nor their calls are answered."""
    asked: dict[str, Request] = {}
    answered: set[str | None] = set()
    for event in events:
        answered.update(answer.id for answer in event.get_function_responses())
        for call in event.get_function_calls():
            answered.discard(call.id)  # ids may come again in another run
            if (request := Request.read(call)) is not None:
                asked[request.id] = request
    return {key: request for key, request in asked.items() if key not in answered and request.call.id not in answered}


def not_waiting(answer: FunctionResponse, *, field: str) -> InvalidInput:
    """The error that refuses an `answer` which came, in `field`, to a request that waits for none."""
    return InvalidInput(f"no request {answer.id} waits for an answer", code="invalid_content", field=field)


def _said(answer: FunctionResponse) -> Mapping[str, Any]:
    """The answer's fields; clients of ADK's may put them into `response` as a JSON text."""
    said = answer.response or {}
    text = said.get("response")
    if len(said) == 1 and isinstance(text, str):
        try:
            read = json.loads(text)
        except ValueError:
            return said
        return read if isinstance(read, Mapping) else said
    return said
