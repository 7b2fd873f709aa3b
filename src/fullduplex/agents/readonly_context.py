"""The path under which ADK's users find `ReadonlyContext`."""

from fullduplex.tools.context import ReadonlyContext

__all__ = ["ReadonlyContext"]
