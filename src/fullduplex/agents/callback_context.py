"""The path under which ADK's users find `CallbackContext`."""

from fullduplex.tools.context import CallbackContext

__all__ = ["CallbackContext"]
