"""The path under which ADK's users find how an MCP server is reached."""

from fullduplex.tools.mcp import StdioConnectionParams, StreamableHTTPConnectionParams

__all__ = ["StdioConnectionParams", "StreamableHTTPConnectionParams"]
