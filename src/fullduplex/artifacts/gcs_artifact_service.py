"""The path under which ADK's users find `GcsArtifactService`."""

from fullduplex.artifacts.object_store import GcsArtifactService

__all__ = ["GcsArtifactService"]
