"""The path under which ADK's users find `VertexAiSessionService`."""

from fullduplex.sessions.vertex_ai import VertexAiSessionService

__all__ = ["VertexAiSessionService"]
