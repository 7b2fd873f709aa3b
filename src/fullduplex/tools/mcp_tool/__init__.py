"""The path under which ADK's users find `McpToolset` and how its server is reached."""

from fullduplex.tools.mcp import (
    McpToolset,
    StdioConnectionParams,
    StdioServerParameters,
    StreamableHTTPConnectionParams,
)

__all__ = ["McpToolset", "StdioConnectionParams", "StdioServerParameters", "StreamableHTTPConnectionParams"]
