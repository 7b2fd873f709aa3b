"""A server that may fail: connected when it is needed, given up when it is gone, and left alone for a while after that.

Whoever asks gets an answer or a `ServerUnavailable` in time; no failure of the server's is raised otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from fullduplex.errors import FullduplexError
from fullduplex.tools.mcp.connection import McpConnection
from fullduplex.tools.mcp.params import ConnectionParams

if TYPE_CHECKING:
    import mcp
    from mcp.types import Tool

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_PAGES = 50


class ServerUnavailable(FullduplexError):
    """Raised when an MCP server does not answer, or not in time. The message is fit for the model; `__cause__` is what
    the developer should know."""

    code = "tools_unavailable"


class McpServer:
    """One server, and whether it can be had just now. A lost connection is made anew at once; if that fails, later:
    after half a second, then after twice as long each time, up to 30 seconds."""

    def __init__(self, params: ConnectionParams, *, call_timeout: float, errlog: TextIO | None) -> None:
        self._params = params
        self._call_timeout = call_timeout
        self._errlog = errlog
        self._connection: McpConnection | None = None
        self._connecting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._not_before = 0.0

    async def tools(self) -> list[Tool]:
        """The tools that the server has now; raises `ServerUnavailable`."""
        while True:
            held = self._connection
            connection = await self._connected()
            try:
                tools = await connection.ask(_list, self._params.timeout)
            except Exception as error:  # the boundary of the SDK and of the server behind it
                self._lost(connection)
                if connection is held:
                    continue  # it may have gone while nobody asked it anything, and be back
                raise self._unavailable() from error
            self._failures = 0
            return tools

    async def call(self, request: Callable[[mcp.Client], Awaitable[T]]) -> T:
        """The server's answer to a call of a tool; raises `ServerUnavailable`, and the SDK's errors when it refuses."""
        connection = await self._connected()
        try:
            return await connection.ask(request, self._call_timeout)
        except TimeoutError as error:
            self._start(self._probe(connection))
            raise ServerUnavailable(f"no answer within {self._call_timeout:g} seconds") from error
        except Exception as error:  # the boundary of the SDK and of the server behind it
            if await self._probed(connection):
                raise
            raise ServerUnavailable("its server was lost on the way: it may or may not have done it") from error

    async def close(self) -> None:
        """Leaves the server; it may be asked again."""
        async with self._connecting:
            if self._connection is not None:
                self._lost(self._connection)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _connected(self) -> McpConnection:
        async with self._connecting:
            if self._connection is not None and not self._connection.is_over:
                return self._connection
            now = asyncio.get_running_loop().time()
            if now < self._not_before:
                raise ServerUnavailable(
                    f"its server is away; it is tried again in {self._not_before - now:.1f} seconds"
                )
            connection = McpConnection(self._params, self._errlog)
            try:
                await connection.opened(self._params.timeout)
                self._connection = connection
                return connection
            except Exception as error:  # whatever kept it from being opened
                raise self._unavailable() from error
            finally:
                if self._connection is not connection:
                    self._start(connection.leave())

    def _unavailable(self) -> ServerUnavailable:
        """Notes a failure: the server is left alone for a while."""
        pause = min(_FIRST_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 16)
        self._not_before = asyncio.get_running_loop().time() + pause
        return ServerUnavailable("its server does not answer")

    async def _probed(self, connection: McpConnection) -> bool:
        """Whether the server still answers anything; it is left if not."""
        try:
            await connection.ask(_list, self._params.timeout)
        except Exception as error:  # whatever it is, it is no answer
            logger.warning("an MCP server does not answer any more (%s); it is left", type(error).__name__)
            self._lost(connection)
            return False
        return True

    async def _probe(self, connection: McpConnection) -> None:
        await self._probed(connection)

    def _lost(self, connection: McpConnection) -> None:
        if self._connection is connection:
            self._connection = None
            self._start(connection.leave())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="MCP server")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _list(client: mcp.Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools
