"""The path under which ADK's users find `InMemorySessionService`."""

from fullduplex.sessions.in_memory import InMemorySessionService

__all__ = ["InMemorySessionService"]
