"""The path under which ADK's users find `MemoryEntry`."""

from fullduplex.memory.base import MemoryEntry

__all__ = ["MemoryEntry"]
