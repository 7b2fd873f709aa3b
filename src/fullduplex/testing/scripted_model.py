"""A model without a wire: it plays messages that a test hands it and records what it is sent.

For tests of an app or of the engine that need no protocol; `fullduplex.mock_live` is the one that speaks Gemini's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fullduplex.errors import ConnectionLost
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.types.content import Blob, Content, FunctionResponse
from fullduplex.types.live import LiveServerMessage, LiveServerSetupComplete, Signal


class ScriptedConnection(LiveConnection):
    """One connection: `say` makes the model speak, `lose` cuts it, `sent` holds what came up, in order."""

    def __init__(self, request: ConnectRequest) -> None:
        self.request = request
        self.sent: list[tuple[str, Any]] = []
        self.closed = False
        self._inbox: asyncio.Queue[LiveServerMessage | ConnectionLost | None] = asyncio.Queue()
        self._arrived = asyncio.Event()

    def say(self, message: LiveServerMessage | dict[str, Any]) -> None:
        """Delivers a message, as an object or as the wire's JSON."""
        self._inbox.put_nowait(LiveServerMessage.model_validate(message))

    def lose(self, close_code: int = 1006, *, recoverable: bool = True) -> None:
        """Ends the connection from the model's side."""
        self._inbox.put_nowait(
            ConnectionLost(f"closed with {close_code}", close_code=close_code, recoverable=recoverable)
        )

    async def wait_sent(self, count: int) -> None:
        """Returns when at least `count` things were sent up."""
        while len(self.sent) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        """See `LiveConnection`."""
        self._record("content" if turn_complete else "partial", content)

    async def send_history(self, contents: list[Content], *, turn_complete: bool) -> None:
        """See `LiveConnection`."""
        self._record("question" if turn_complete else "history", contents)

    async def interrupt(self) -> None:
        """See `LiveConnection`."""
        self._record("interrupt", None)

    @property
    def messages_sent(self) -> int:
        """See `LiveConnection`; the setup counts as one."""
        return len(self.sent) + 1

    async def send_realtime(self, blob: Blob) -> None:
        """See `LiveConnection`."""
        self._record("realtime", blob)

    async def send_activity(self, signal: Signal) -> None:
        """See `LiveConnection`."""
        self._record("activity", signal)

    async def send_tool_response(self, responses: list[FunctionResponse]) -> None:
        """See `LiveConnection`."""
        self._record("tool_response", responses)

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        """See `LiveConnection`."""
        while (message := await self._inbox.get()) is not None:
            if isinstance(message, ConnectionLost):
                raise message
            yield message

    async def close(self) -> None:
        """See `LiveConnection`."""
        self.closed = True
        self._inbox.put_nowait(None)

    def _record(self, kind: str, value: Any) -> None:
        if self.closed:
            raise ConnectionLost("this connection is closed", close_code=1000)
        self.sent.append((kind, value))
        self._arrived.set()


class ScriptedModel(LiveModel):
    """A model whose connections a test drives by hand; `connections` holds them in the order of their opening.

    A subclass may set `connection_type` to a kind of connection that answers by itself.
    """

    connection_type: type[ScriptedConnection] = ScriptedConnection

    def __init__(self, model: str = "scripted-live") -> None:
        self.model = model
        self.connections: list[ScriptedConnection] = []
        self._opened = asyncio.Event()

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        """See `LiveModel`."""
        connection = self.connection_type(request)
        connection.say(LiveServerMessage(setup_complete=LiveServerSetupComplete()))
        self.connections.append(connection)
        self._opened.set()
        try:
            yield connection
        finally:
            connection.closed = True

    async def opened(self, count: int = 1) -> ScriptedConnection:
        """The connection with this number (1 for the first), as soon as it is open."""
        while len(self.connections) < count:
            self._opened.clear()
            await self._opened.wait()
        return self.connections[count - 1]
