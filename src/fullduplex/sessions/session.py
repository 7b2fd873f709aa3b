"""The path under which ADK's users find `Session`."""

from fullduplex.sessions.base import Session

__all__ = ["Session"]
