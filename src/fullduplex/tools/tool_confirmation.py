"""The path under which ADK's users find `ToolConfirmation`."""

from fullduplex.types.confirmation import ToolConfirmation

__all__ = ["ToolConfirmation"]
