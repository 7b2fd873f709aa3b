"""What a text turn is made of: Mock Live's own steps that mean something here, and three more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from fullduplex.mock_live.steps import Drop, Grounding, Malformed, Quota, Raw, Refuse, Say, Stall, ToolCalls, Usage

from .exchange import Exchange


class Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API's own error of this HTTP status; after something was streamed, an error event."""

    status: int = 500
    message: str = "Internal error encountered."


class Finish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer ends here for this reason, in Gemini's words: `MAX_TOKENS`, `SAFETY`, …"""

    reason: str = "MAX_TOKENS"


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prompt is not answered: prompt feedback of this reason (an error of status 400 at OpenAI)."""

    reason: str = "PROHIBITED_CONTENT"


TextStep: TypeAlias = (
    Say | ToolCalls | Stall | Drop | Quota | Refuse | Raw | Malformed | Usage | Grounding | Error | Finish | Block
)
Turn: TypeAlias = Sequence[TextStep] | Callable[[Exchange], Sequence[TextStep]]

error = Error
finish = Finish
block = Block


def echo(exchange: Exchange) -> Sequence[TextStep]:
    """Says what was said, or what the tools answered."""
    if results := exchange.tool_results:
        return [Say(f"The tools said {msgspec.json.encode(results).decode()}.")]
    return [Say(f"You said: {exchange.text}")]


class Story:
    """The turns that are still to be told. What follows a tool call is the next request's."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = list(turns)

    def next(self, exchange: Exchange) -> list[TextStep]:
        """The steps that answer this request."""
        turn = self._turns.pop(0) if self._turns else echo
        steps = list(turn(exchange) if callable(turn) else turn)
        for index, step in enumerate(steps[:-1], start=1):
            if isinstance(step, ToolCalls):
                self._turns.insert(0, steps[index:])
                return steps[:index]
        return steps
