"""The path under which ADK's users find `BasePlugin`."""

from fullduplex.plugins.base import BasePlugin

__all__ = ["BasePlugin"]
