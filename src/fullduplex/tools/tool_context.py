"""The path under which ADK's users find `ToolContext`."""

from fullduplex.tools.context import ToolContext

__all__ = ["ToolContext"]
