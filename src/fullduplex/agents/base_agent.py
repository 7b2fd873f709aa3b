"""The path under which ADK's users find `BaseAgent`."""

from fullduplex.agents.base import BaseAgent

__all__ = ["BaseAgent"]
