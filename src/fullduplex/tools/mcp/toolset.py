"""The tools of one MCP server, as tools of an agent."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from fullduplex.errors import InvalidConfig
from fullduplex.tools.base import BaseTool, BaseToolset
from fullduplex.tools.context import ReadonlyContext, ToolContext
from fullduplex.tools.mcp.answers import answer_of
from fullduplex.tools.mcp.params import ConnectionParams, StdioConnectionParams, StreamableHTTPConnectionParams
from fullduplex.tools.mcp.schema import parameters_of
from fullduplex.tools.mcp.server import McpServer, ServerUnavailable
from fullduplex.types.content import FunctionDeclaration

if TYPE_CHECKING:
    from mcp.types import Tool

logger = logging.getLogger(__name__)

ToolFilter = Sequence[str] | Callable[[BaseTool, ReadonlyContext | None], bool]

_LONGEST_NAME = 64


class McpToolset(BaseToolset):
    """Lets an agent use the tools of an MCP server: a process that is started, or a service at a URL.

        McpToolset(connection_params=StreamableHTTPConnectionParams(url="http://localhost:8000/mcp"))

    `tool_filter` is a list of names, or a predicate of a tool and the context. `tool_name_prefix` goes before each
    name. A call of a connected server is answered within `call_timeout` seconds, if only with an error. A server that
    fails costs the agent its tools until it is back, and nothing else. `errlog` takes what a process writes to its
    standard error.
    """

    def __init__(
        self,
        *,
        connection_params: ConnectionParams,
        tool_filter: ToolFilter | None = None,
        tool_name_prefix: str | None = None,
        call_timeout: float = 30.0,
        errlog: TextIO | None = None,
    ) -> None:
        if not isinstance(connection_params, (StdioConnectionParams, StreamableHTTPConnectionParams)):
            raise InvalidConfig("connection_params are StdioConnectionParams or StreamableHTTPConnectionParams")
        self._server = McpServer(connection_params, call_timeout=call_timeout, errlog=errlog)
        self._filter = tool_filter
        self._prefix = f"{tool_name_prefix}_" if tool_name_prefix else ""

    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """See `BaseToolset`: asks the server each time; none while it is out of reach."""
        try:
            listed = await self._server.tools()
        except ServerUnavailable as error:
            cause = error.__cause__
            self.failure = f"{error} ({type(cause).__name__}: {cause})" if cause else str(error)
            logger.warning("the tools of an MCP server are not to be had: %s", self.failure)
            return []
        self.failure = None
        tools: dict[str, BaseTool] = {}
        for each in listed:
            tool = self._tool(each)
            if tool is None or not self._selects(tool, readonly_context):
                continue
            if tools.setdefault(tool.name, tool) is not tool:
                logger.warning("an MCP server has two tools that are called %s here; the first one counts", tool.name)
        return list(tools.values())

    async def close(self) -> None:
        """See `BaseToolset`."""
        await self._server.close()

    def _tool(self, listed: Tool) -> McpTool | None:
        try:
            return McpTool(listed, server=self._server, prefix=self._prefix)
        except Exception:  # the boundary to schemas that anybody may have written
            logger.warning("the schema of the MCP tool %s cannot be read: it is left out", listed.name, exc_info=True)
            return None

    def _selects(self, tool: McpTool, context: ReadonlyContext | None) -> bool:
        if self._filter is None:
            return True
        if callable(self._filter):
            return self._filter(tool, context)
        return tool.listed_name in self._filter


class McpTool(BaseTool):
    """One tool of a server. `listed_name` is what the server calls it."""

    def __init__(self, listed: Tool, *, server: McpServer, prefix: str) -> None:
        super().__init__(name=_name(prefix + listed.name), description=listed.description or "")
        self.listed_name = listed.name
        self._parameters = parameters_of(listed.input_schema)
        self._server = server

    def declaration(self) -> FunctionDeclaration:
        """See `BaseTool`."""
        behavior = self.behavior.value if self.behavior is not None else None
        return FunctionDeclaration(
            name=self.name, description=self.description, parameters=self._parameters, behavior=behavior
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> dict[str, Any]:
        """Calls the server; whatever goes wrong there becomes an answer under `error`."""
        try:
            return answer_of(await self._server.call(lambda client: client.call_tool(self.listed_name, args)))
        except Exception as error:  # the boundary of the SDK and of the server behind it
            logger.warning("the MCP tool %s failed", self.name, exc_info=True)
            return {"error": f"`{self.name}()` failed: {_told(error)}"}


def _told(error: Exception) -> str:
    """What the model may know of an error: what the server says to it, else its kind and no more."""
    from mcp import MCPError

    return str(error) if isinstance(error, (ServerUnavailable, MCPError)) else type(error).__name__


def _name(listed: str) -> str:
    """A name that every model's backend takes: letters, digits, `_`, `-` and `.`, not a digit first."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", listed)
    return (name if name[:1].isalpha() or name[:1] == "_" else f"_{name}")[:_LONGEST_NAME]
