"""What a streaming tool yields, as the model or the app is told of it."""

from __future__ import annotations

from typing import Any

from fullduplex.events import Event
from fullduplex.tools.answers import as_response
from fullduplex.types.content import FunctionResponse

STOP = "stop_streaming"
PENDING = {"status": "The function is running asynchronously and the results are pending."}

Update = FunctionResponse | Event


def as_update(value: Any, *, call_id: str | None, name: str) -> Update:
    """A yielded `value` as an update to the model, who is told that more may follow.

    A `FunctionResponse` is one already, with its own `scheduling` and `will_continue`. An `Event` is for the app alone.
    """
    if isinstance(value, Event):
        return value
    if isinstance(value, FunctionResponse) or type(value).__name__ == "FunctionResponse":
        return FunctionResponse.model_validate(value).model_copy(update={"id": call_id, "name": name})
    return FunctionResponse(id=call_id, name=name, response=as_response(value, name), will_continue=True)
