"""The path under which ADK's users find `InvocationContext`."""

from fullduplex.agents.contexts import InvocationContext

__all__ = ["InvocationContext"]
