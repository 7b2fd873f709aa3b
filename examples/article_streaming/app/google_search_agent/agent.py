"""An agent that answers from Google Search; the model is set by DEMO_AGENT_MODEL."""

import os

from fullduplex.agents import Agent
from fullduplex.tools import google_search

root_agent = Agent(
    name="google_search_agent",
    model=os.environ.get("DEMO_AGENT_MODEL", "gemini-2.5-flash-native-audio-preview-12-2025"),
    description="Looks things up with Google Search.",
    instruction="Answer the question. Look it up with Google Search whenever the answer may have changed lately.",
    tools=[google_search],
)
