"""What agents keep as files: named, versioned artifacts of a session or of a user, and the services that store them."""

from fullduplex.artifacts.base import BaseArtifactService
from fullduplex.artifacts.file_system import FileArtifactService
from fullduplex.artifacts.in_memory import InMemoryArtifactService
from fullduplex.artifacts.object_store import GcsArtifactService, ObjectStoreArtifactService

__all__ = [
    "BaseArtifactService",
    "FileArtifactService",
    "GcsArtifactService",
    "InMemoryArtifactService",
    "ObjectStoreArtifactService",
]
