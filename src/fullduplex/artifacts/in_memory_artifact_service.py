"""The path under which ADK's users find `InMemoryArtifactService`."""

from fullduplex.artifacts.in_memory import InMemoryArtifactService

__all__ = ["InMemoryArtifactService"]
