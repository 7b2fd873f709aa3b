"""The path under which ADK's users find `LoopAgent`."""

from fullduplex.agents.workflow import LoopAgent

__all__ = ["LoopAgent"]
