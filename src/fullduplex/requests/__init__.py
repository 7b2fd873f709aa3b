"""What goes up: `LiveRequest` and the `LiveRequestQueue` that carries it."""

from fullduplex.requests.live_request import LiveRequest
from fullduplex.requests.queue import Aside, Interrupt, LiveRequestQueue, Overload, QueueStats

__all__ = ["Aside", "Interrupt", "LiveRequest", "LiveRequestQueue", "Overload", "QueueStats"]
