"""The path under which ADK's users find `BaseMemoryService`."""

from fullduplex.memory.base import BaseMemoryService, SearchMemoryResponse

__all__ = ["BaseMemoryService", "SearchMemoryResponse"]
