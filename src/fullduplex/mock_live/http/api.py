"""What the player asks of an API, and the refusal of a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fullduplex.mock_live.steps import FunctionCall, Usage

from .exchange import Exchange


class Refused(Exception):
    """Raised when a request is answered with an error: the HTTP status and the API's body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


@dataclass
class Said:
    """All that was said in an answer: `pieces` are ("text", str), ("thought", str) and ("call", FunctionCall)."""

    pieces: list[tuple[str, str | FunctionCall]] = field(default_factory=list)
    grounding: dict[str, Any] | None = None
    reason: str = "STOP"
    usage: Usage | None = None

    def joined(self, kind: str) -> str:
        """The text of all pieces of a kind."""
        return "".join(value for name, value in self.pieces if name == kind and isinstance(value, str))

    @property
    def calls(self) -> list[FunctionCall]:
        """The function calls, in order."""
        return [value for _, value in self.pieces if isinstance(value, FunctionCall)]

    def counts(self, exchange: Exchange) -> Usage:
        """The script's token counts, or a word a token."""
        words = len((self.joined("text") + self.joined("thought")).split()) + 5 * len(self.calls)
        return self.usage or Usage(prompt=max(1, len(exchange.text.split())), response=words)


class Api(ABC):
    """Writes one answer in the words of one API."""

    newline = b"\n"

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @abstractmethod
    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""

    @abstractmethod
    def begin(self) -> Iterable[dict[str, Any]]:
        """Events before the first words."""

    @abstractmethod
    def text(self, text: str, *, thought: bool) -> dict[str, Any]:
        """An event with a piece of text."""

    @abstractmethod
    def calls(self, calls: list[FunctionCall], *, first: int) -> Iterable[dict[str, Any]]:
        """Events with function calls; `first` is how many there were before."""

    @abstractmethod
    def end(self, said: Said) -> Iterable[dict[str, Any]]:
        """Events at the end."""

    @abstractmethod
    def whole(self, said: Said) -> dict[str, Any]:
        """The body of an answer that is not streamed."""

    @abstractmethod
    def blocked(self, reason: str) -> dict[str, Any]:
        """The body, or the only event, for a prompt that is not answered. May raise `Refused`."""

    def event(self, message: dict[str, Any] | str) -> bytes:
        """The bytes of one server-sent event."""
        data = message.encode() if isinstance(message, str) else msgspec.json.encode(message)
        return b"data: " + data + self.newline * 2

    def last(self) -> bytes:
        """What stands behind the last event of an answer that ended as it should."""
        return b""
