"""The path under which ADK's users find `BaseArtifactService`."""

from fullduplex.artifacts.base import BaseArtifactService

__all__ = ["BaseArtifactService"]
