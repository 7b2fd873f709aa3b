"""The path under which ADK's users find `EventActions`."""

from fullduplex.events.actions import EventActions

__all__ = ["EventActions"]
