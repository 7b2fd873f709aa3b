"""The path under which ADK's users find the queue."""

from fullduplex.requests import LiveRequest, LiveRequestQueue

__all__ = ["LiveRequest", "LiveRequestQueue"]
