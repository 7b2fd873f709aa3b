"""The path under which ADK's users find `ParallelAgent`."""

from fullduplex.agents.workflow import ParallelAgent

__all__ = ["ParallelAgent"]
