"""What a test may look at afterwards: each connection with all that came over it, each refusal, and the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .handshake import Backend

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class ClientMessage:
    """One message of the client. `body` is what was in its payload field, camelCase; `at` the loop's time in seconds.

    `index` is 0 for the setup and counts up: the numbers of lastConsumedClientMessageIndex.
    """

    kind: str
    body: JsonDict
    at: float
    index: int


@dataclass(frozen=True)
class Refusal:
    """A handshake that was answered with an HTTP status."""

    status: int
    path: str
    headers: dict[str, str]


@dataclass
class Connection:
    """One WebSocket connection, open or not.

    `number` counts from 1 in the order of arrival. `audio` is all the PCM that came in, `audio_mimes` the mime type of
    each piece. `sent` holds the server messages in order (dicts; a malformed frame as its text). `notes` lists what the
    mock tolerated but a test may want to know, such as a response to a cancelled call.
    """

    number: int
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    backend: Backend
    version: str
    opened_at: float
    setup: JsonDict = field(default_factory=dict)
    messages: list[ClientMessage] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    audio_mimes: list[str] = field(default_factory=list)
    audio_seconds: float = 0.0
    images: list[tuple[str, bytes]] = field(default_factory=list)
    contents: list[JsonDict] = field(default_factory=list)
    handles: list[str] = field(default_factory=list)
    resumed_from: str | None = None
    notes: list[str] = field(default_factory=list)
    is_open: bool = True
    ready: bool = False
    close_code: int | None = None
    close_reason: str = ""
    closed_by_us: bool = False

    @property
    def kinds(self) -> list[str]:
        """The kinds of all messages in order of arrival."""
        return [message.kind for message in self.messages]

    def count(self, kind: str) -> int:
        """How many messages of this kind have come."""
        return sum(message.kind == kind for message in self.messages)

    def bodies(self, kind: str) -> list[JsonDict]:
        """The payloads of the messages of this kind."""
        return [message.body for message in self.messages if message.kind == kind]

    def sent_with(self, *path: str) -> list[JsonDict]:
        """The messages sent that have a value at this path, e.g. `("serverContent", "turnComplete")`."""
        return [message for message in self.sent if _has(message, path)]


@dataclass
class Stats:
    """Totals of a server. `closes` counts connections by close code (1006: without a close frame)."""

    connects: int = 0
    refused: int = 0
    open: int = 0
    messages_in: int = 0
    messages_out: int = 0
    audio_bytes_in: int = 0
    audio_bytes_out: int = 0
    turns: int = 0
    interruptions: int = 0
    closes: Counter[int] = field(default_factory=Counter)


def _has(message: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(message, dict) or name not in message:
            return False
        message = message[name]
    return True
