"""What comes down: `Event` and the `EventActions` that it carries."""

from fullduplex.events.actions import EventActions
from fullduplex.events.event import Event, NodeInfo

__all__ = ["Event", "EventActions", "NodeInfo"]
