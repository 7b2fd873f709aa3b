"""The path under which ADK's users find `InvocationContext`, and the error of `max_llm_calls`."""

from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import LlmCallsLimitExceededError

__all__ = ["InvocationContext", "LlmCallsLimitExceededError"]
