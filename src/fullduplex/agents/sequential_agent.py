"""The path under which ADK's users find `SequentialAgent`."""

from fullduplex.agents.workflow import SequentialAgent

__all__ = ["SequentialAgent"]
