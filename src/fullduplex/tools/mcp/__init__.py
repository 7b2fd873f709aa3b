"""Tools of MCP servers. The official SDK (`fullduplex[mcp]`) is imported when a server is first spoken to."""

from fullduplex.tools.mcp.params import StdioConnectionParams, StdioServerParameters, StreamableHTTPConnectionParams
from fullduplex.tools.mcp.toolset import McpToolset

__all__ = ["McpToolset", "StdioConnectionParams", "StdioServerParameters", "StreamableHTTPConnectionParams"]
