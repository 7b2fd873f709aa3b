"""What answers here, in words for people: the body of `GET /api/info`, and the line that the command prints."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any

from fullduplex.agents import BaseAgent
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.models.gemini.capabilities import short_name
from fullduplex.server.run_config import is_gemini, is_local, model_name
from fullduplex.sessions import BaseSessionService, InMemorySessionService
from fullduplex.tools import BaseTool

_MOST_SENTENCES = 4
_START = secrets.token_hex(4)


@cache
def version() -> str:
    """The version of Fullduplex that is installed."""
    try:
        return metadata.version("fullduplex")
    except metadata.PackageNotFoundError:
        return "0"


def on_vertex() -> bool:
    """Whether the environment sends Gemini models to Vertex AI (`GOOGLE_GENAI_USE_VERTEXAI` or its newer alias)."""
    names = ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
    return any(os.environ.get(name, "").strip().lower() in ("true", "1") for name in names)


def engine_of(model: str) -> str:
    """The engine behind a model's name; of the embedded agent it says plainly what it is."""
    if is_local(model):
        return "local-rules, a scripted tool router with offline speech; it does not understand free speech"
    if is_gemini(model):
        return f"{short_name(model)} on {'Vertex AI' if on_vertex() else 'the Gemini Live API'}"
    return model


def sentences(agent: BaseAgent) -> list[str]:
    """What one can say to an embedded agent and those below it: the first example of each tool, four at most."""
    from fullduplex.models.cascade.router import Router

    declarations = [one for tool in _tools(agent) if (one := tool.declaration()) is not None]
    entries = Router(declarations).tools.values()
    spoken = [entry.patterns[0].example() for entry in entries if entry.patterns]
    return [text[:1].upper() + text[1:] for text in spoken[:_MOST_SENTENCES]]


def _tools(agent: BaseAgent) -> list[BaseTool]:
    own = agent.canonical_tools() if isinstance(agent, LlmAgent) else []
    return [*own, *(tool for below in agent.sub_agents for tool in _tools(below))]


def place_of(service: BaseSessionService) -> str:
    """Names the place where sessions are: `store` when they outlive the server, else one of its own for every start."""
    return f"memory-{_START}" if isinstance(service, InMemorySessionService) else "store"


def describe(agent: BaseAgent, sessions: str, examples: Sequence[str] = ()) -> dict[str, Any]:
    """Agent, model, engine, tools, where `sessions` are, and things to try: `examples`, or what an embedded agent
    listens for."""
    model = model_name(agent)
    return {
        "agent": agent.name,
        "model": model,
        "engine": engine_of(model),
        "offline": is_local(model),
        "version": version(),
        "tools": [tool.name for tool in _tools(agent)],
        "sessions": sessions,
        "examples": list(examples) or (sentences(agent) if is_local(model) else []),
    }
