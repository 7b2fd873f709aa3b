"""What an agent is: fields, instructions, contexts, and how a run is configured."""

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import Context, InvocationContext
from fullduplex.agents.llm_agent import Agent, LlmAgent
from fullduplex.agents.run_config import RunConfig
from fullduplex.agents.speech_guard import SpeechGuard, banned_words
from fullduplex.agents.workflow import LoopAgent, ParallelAgent, SequentialAgent
from fullduplex.requests import LiveRequest, LiveRequestQueue

__all__ = [
    "Agent",
    "BaseAgent",
    "Context",
    "InvocationContext",
    "LiveRequest",
    "LiveRequestQueue",
    "LlmAgent",
    "LoopAgent",
    "ParallelAgent",
    "RunConfig",
    "SequentialAgent",
    "SpeechGuard",
    "banned_words",
]
