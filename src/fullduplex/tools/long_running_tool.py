"""The path under which ADK's users find `LongRunningFunctionTool`."""

from fullduplex.tools.long_running import LongRunningFunctionTool

__all__ = ["LongRunningFunctionTool"]
