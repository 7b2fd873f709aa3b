"""What is remembered beyond one session: what was said, found again by its words."""

from fullduplex.memory.base import BaseMemoryService, MemoryEntry, SearchMemoryResponse
from fullduplex.memory.in_memory import InMemoryMemoryService
from fullduplex.memory.sql import DatabaseMemoryService

__all__ = [
    "BaseMemoryService",
    "DatabaseMemoryService",
    "InMemoryMemoryService",
    "MemoryEntry",
    "SearchMemoryResponse",
]
