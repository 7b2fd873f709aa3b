"""What a streaming tool yields, as an update."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fullduplex import LiveRequestQueue
from fullduplex.events import Event
from fullduplex.tools import FunctionTool
from fullduplex.tools.streaming import as_update
from fullduplex.types import FunctionResponse


@pytest.mark.parametrize(
    ("value", "response"), [({"a": 1}, {"a": 1}), ("text", {"result": "text"}), (None, {"result": None})]
)
def test_a_value_is_a_response_and_more_may_follow(value: Any, response: dict[str, Any]) -> None:
    update = as_update(value, call_id="c1", name="watch")
    assert update == FunctionResponse(id="c1", name="watch", response=response, will_continue=True)


def test_a_response_keeps_what_it_says_and_is_put_to_its_call() -> None:
    given = FunctionResponse(response={"a": 1}, scheduling="SILENT", will_continue=False)
    assert as_update(given, call_id="c1", name="watch") == FunctionResponse(
        id="c1", name="watch", response={"a": 1}, scheduling="SILENT", will_continue=False
    )
    genai = pytest.importorskip("google.genai").types
    theirs = genai.FunctionResponse(response={"a": 1}, scheduling="SILENT")
    assert as_update(theirs, call_id="c1", name="watch") == FunctionResponse(
        id="c1", name="watch", response={"a": 1}, scheduling="SILENT"
    )


def test_an_event_stays_one() -> None:
    event = Event(author="me")
    assert as_update(event, call_id="c1", name="watch") is event


def test_a_function_that_yields_is_declared_without_what_the_engine_gives_it() -> None:
    async def watch(what: str, input_stream: LiveRequestQueue) -> AsyncGenerator[str, None]:
        """Watches."""
        yield what

    tool = FunctionTool(watch)
    declared = tool.declaration()
    assert (tool.is_streaming, tool.takes_input, tool.blocks, declared.behavior) == (True, True, False, "NON_BLOCKING")
    assert declared.parameters == {
        "type": "OBJECT",
        "properties": {"what": {"type": "STRING"}},
        "required": ["what"],
    }
    assert declared.response is None
