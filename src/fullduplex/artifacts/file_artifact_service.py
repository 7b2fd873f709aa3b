"""The path under which ADK's users find `FileArtifactService`."""

from fullduplex.artifacts.file_system import FileArtifactService

__all__ = ["FileArtifactService"]
