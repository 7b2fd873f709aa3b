"""What is remembered of conversations: sessions, their state, and the stores that keep them."""

from fullduplex.sessions.base import BaseSessionService, GetSessionConfig, ListSessionsResponse, Session
from fullduplex.sessions.database import DatabaseSessionService
from fullduplex.sessions.in_memory import InMemorySessionService
from fullduplex.sessions.state import State
from fullduplex.sessions.vertex_ai import VertexAiSessionService

__all__ = [
    "BaseSessionService",
    "DatabaseSessionService",
    "GetSessionConfig",
    "InMemorySessionService",
    "ListSessionsResponse",
    "Session",
    "State",
    "VertexAiSessionService",
]
