"""One connection to an MCP server, from the handshake to the last trace of its process.

The SDK's context managers must be entered and left by the same task, and what runs in them ends with that task. So each
connection has a task of its own, and a server that fails takes nobody else's task down.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from fullduplex.errors import InvalidConfig
from fullduplex.tools.mcp.params import ConnectionParams, StdioConnectionParams, StreamableHTTPConnectionParams

if TYPE_CHECKING:
    import mcp

logger = logging.getLogger(__name__)

T = TypeVar("T")

# The SDK gives a process about seven seconds: to end by itself, then to obey a signal, then none.
_LEAVING_S = 10.0


class McpConnection:
    """A server that can be asked. Make one with `open`, and `leave` it in the end; both are the caller's duty."""

    def __init__(self, params: ConnectionParams, errlog: TextIO | None) -> None:
        self._leaving = asyncio.Event()
        self._opened: asyncio.Future[mcp.Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(params, errlog), name="MCP connection")

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return self._task.done()

    async def opened(self, deadline_s: float) -> None:
        """Returns when the handshake is done; raises what kept it from being done, or `TimeoutError`."""
        async with asyncio.timeout(deadline_s):
            await asyncio.shield(self._opened)

    async def ask(self, request: Callable[[mcp.Client], Awaitable[T]], deadline_s: float) -> T:
        """The server's answer; raises `TimeoutError` after `deadline_s` seconds, and what the SDK raises."""
        async with asyncio.timeout(deadline_s):
            return await request(await asyncio.shield(self._opened))

    def part(self) -> None:
        """Begins to take leave; requests that wait for an answer fail."""
        self._leaving.set()
        if not self._opened.done():
            self._task.cancel()

    async def leave(self) -> None:
        """Takes leave, and returns when process, sockets and tasks are gone."""
        self.part()
        await asyncio.wait([self._task], timeout=_LEAVING_S)
        if not self._task.done():
            logger.error("an MCP server does not let itself be closed; its task is cancelled")
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)

    async def _keep(self, params: ConnectionParams, errlog: TextIO | None) -> None:
        try:
            async with _connected(params, errlog) as client:
                self._opened.set_result(client)
                await self._leaving.wait()
        except asyncio.CancelledError:
            self._opened.cancel()
            raise
        except Exception as error:  # the boundary of the SDK: it wraps failures in groups, and has many kinds
            self._failed(_first(error))
        finally:
            self._opened.cancel()

    def _failed(self, error: BaseException) -> None:
        if self._opened.done():
            logger.debug("an MCP connection ended with an error", exc_info=error)
            return
        self._opened.set_exception(error)
        self._opened.exception()  # seen: whoever waited may have gone


@asynccontextmanager
async def _connected(params: ConnectionParams, errlog: TextIO | None) -> AsyncIterator[mcp.Client]:
    try:
        import mcp
    except ImportError as error:
        raise InvalidConfig(
            f"McpToolset needs an extra that is not installed: pip install 'fullduplex[mcp]' ({error})",
            code="missing_extra",
        ) from None
    async with AsyncExitStack() as stack:
        transport = _stdio(params, errlog) if isinstance(params, StdioConnectionParams) else await _http(params, stack)
        # No cache: a listing asks whether the server is there, too.
        yield await stack.enter_async_context(mcp.Client(transport, cache=None))


def _stdio(params: StdioConnectionParams, errlog: TextIO | None) -> Any:
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters.model_validate(params.server_params.model_dump())
    return stdio_client(server, errlog=errlog or sys.stderr)


async def _http(params: StreamableHTTPConnectionParams, stack: AsyncExitStack) -> Any:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    timeout = httpx2.Timeout(params.timeout, read=params.sse_read_timeout)
    client = await stack.enter_async_context(httpx2.AsyncClient(headers=params.headers, timeout=timeout))
    return streamable_http_client(params.url, http_client=client, terminate_on_close=params.terminate_on_close)


def _first(error: BaseException) -> BaseException:
    """The failure itself, out of the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
