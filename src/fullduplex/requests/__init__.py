"""What goes up: `LiveRequest` and the `LiveRequestQueue` that carries it."""

from fullduplex.requests.live_request import LiveRequest
from fullduplex.requests.queue import LiveRequestQueue, QueueStats

__all__ = ["LiveRequest", "LiveRequestQueue", "QueueStats"]
