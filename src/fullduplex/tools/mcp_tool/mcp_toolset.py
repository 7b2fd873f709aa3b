"""The path under which ADK's users find `McpToolset`."""

from fullduplex.tools.mcp import McpToolset

__all__ = ["McpToolset"]
