"""Tools whose first result is only a beginning."""

from __future__ import annotations

from fullduplex.tools import LongRunningFunctionTool
from fullduplex.tools.long_running import NOTE


def test_the_model_is_told_not_to_call_again() -> None:
    def order(item: str) -> None:
        """Orders."""

    tool = LongRunningFunctionTool(order, deadline_s=3)
    assert tool.declaration().description == f"Orders.\n\n{NOTE}"
    assert (tool.is_long_running, tool.blocks, tool.deadline_s) == (True, False, 3)


def test_without_a_docstring_there_is_the_note_alone() -> None:
    assert LongRunningFunctionTool(lambda: None).description == NOTE
