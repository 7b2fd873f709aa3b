"""Agents that people talk with, live: voice, video and text both ways over one connection, with interruptions.

The names that a beginner needs; the rest is under the paths that ADK's users know (`fullduplex.agents`, …).
"""

from __future__ import annotations

import logging

from fullduplex import types
from fullduplex.agents import Agent, LiveRequestQueue, RunConfig
from fullduplex.agents.run_config import StreamingMode
from fullduplex.events import Event
from fullduplex.runners import InMemoryRunner, Runner

__all__ = [
    "Agent",
    "Event",
    "InMemoryRunner",
    "LiveRequestQueue",
    "RunConfig",
    "Runner",
    "StreamingMode",
    "types",
]
__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())
