"""The path under which ADK's users find `DatabaseSessionService`."""

from fullduplex.sessions.database import DatabaseSessionService

__all__ = ["DatabaseSessionService"]
