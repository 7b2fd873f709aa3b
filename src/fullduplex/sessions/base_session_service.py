"""The path under which ADK's users find the interface of session stores."""

from fullduplex.sessions.base import BaseSessionService, GetSessionConfig, ListSessionsResponse

__all__ = ["BaseSessionService", "GetSessionConfig", "ListSessionsResponse"]
