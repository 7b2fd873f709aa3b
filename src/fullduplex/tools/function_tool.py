"""The path under which ADK's users find `FunctionTool`."""

from fullduplex.tools.function import FunctionTool

__all__ = ["FunctionTool"]
