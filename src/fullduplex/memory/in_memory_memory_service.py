"""The path under which ADK's users find `InMemoryMemoryService`."""

from fullduplex.memory.in_memory import InMemoryMemoryService

__all__ = ["InMemoryMemoryService"]
