"""Tools whose first result is only a beginning: the real one comes later, from the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fullduplex.tools.function import FunctionTool

NOTE = (
    "NOTE: This is a long-running operation. Do not call it again if it has already given an intermediate or pending "
    "status."
)


class LongRunningFunctionTool(FunctionTool):
    """A function that begins something. What it returns (a ticket, say) is told to the model at once; None is not.

    The id of its call is in the call event's `long_running_tool_ids`. When the real result is there, the app sends it
    as a function response with that id, by the queue or as a new message.
    """

    def __init__(self, func: Callable[..., Any], **options: Any) -> None:
        """`options` are those of `FunctionTool`."""
        super().__init__(func, **options)
        self.is_long_running = True
        self.description = f"{self.description}\n\n{NOTE}".strip()
