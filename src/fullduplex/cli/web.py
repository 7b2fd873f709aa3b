"""`fullduplex web`: serves an agent with its page, and says in a few lines where and on what."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fullduplex.cli.errors import UsageError

if TYPE_CHECKING:
    from fullduplex.agents import BaseAgent
    from fullduplex.agents.llm_agent import LlmAgent
    from fullduplex.apps import App
    from fullduplex.runners import Runner
    from fullduplex.server import ServerSettings

NATIVE_AUDIO_MODEL = "gemini-2.5-flash-native-audio-preview-12-2025"

DEMO_EXAMPLES = (
    "What time is it in Tokyo?",
    "What is the weather in Paris?",
    "Set a timer for five minutes",
    "Roll two dice",
    "Tell me about yourself",
)


def web(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit code."""
    # First of all: the agent's module may read the environment while it is imported.
    read_dotenv(Path.cwd() / ".env")
    try:
        return _web(options)
    except UsageError as error:
        print(f"fullduplex: {error}", file=sys.stderr)
        return 2


def read_dotenv(path: Path) -> None:
    """Puts what the file says into the environment; what is set there already stays."""
    if path.is_file():
        from dotenv import load_dotenv

        load_dotenv(path)


def demo_model(environment: dict[str, str]) -> str:
    """The model of the demo agent: `DEMO_AGENT_MODEL`, else Gemini's when there is access to it, else `local`."""
    named = environment.get("DEMO_AGENT_MODEL", "").strip()
    if named:
        return named
    from fullduplex.server.info import on_vertex

    return NATIVE_AUDIO_MODEL if environment.get("GOOGLE_API_KEY") or on_vertex() else "local"


def require_model(model: str) -> None:
    """Raises `UsageError` when nobody knows the model, or it needs a key and the environment has none."""
    from fullduplex.errors import InvalidConfig
    from fullduplex.models.registry import resolve
    from fullduplex.server.info import on_vertex
    from fullduplex.server.run_config import is_gemini

    if is_gemini(model) and not os.environ.get("GOOGLE_API_KEY") and not on_vertex():
        raise UsageError(
            f"model {model} needs a key: set GOOGLE_API_KEY (in the environment or in .env), "
            "or run with --model local, which needs none"
        )
    try:
        resolve(model)
    except InvalidConfig as error:
        raise UsageError(str(error)) from None


def _web(options: argparse.Namespace) -> int:
    settings = _settings(options)
    served, examples = _agent(options)
    from fullduplex.cli.loading import root_of
    from fullduplex.errors import InvalidConfig
    from fullduplex.server.run_config import model_name

    agent = root_of(served)
    require_model(model_name(agent))

    from fullduplex.server.app import create_app
    from fullduplex.server.logs import configure_logging
    from fullduplex.server.serve import address_of, bind, serve

    configure_logging(settings)
    try:
        app = create_app(served, settings, examples=examples)
    except InvalidConfig as error:
        raise UsageError(str(error)) from None
    try:
        listener = bind(settings)
    except OSError as error:
        print(f"fullduplex: cannot listen on {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)
        return 1
    address = address_of(listener)
    serve(app, settings, listener=listener, on_started=lambda: print(_banner(address, agent), flush=True))
    return 0


def _settings(options: argparse.Namespace) -> ServerSettings:
    from pydantic import ValidationError

    from fullduplex.server.settings import ServerSettings

    named = ("host", "port", "session_db_url", "session_conflict", "log_level", "log_format")
    given = {name: value for name in named if (value := getattr(options, name)) is not None}
    try:
        return ServerSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _agent(options: argparse.Namespace) -> tuple[BaseAgent | App | Runner, tuple[str, ...]]:
    if options.agent is None:
        model = options.model or demo_model(dict(os.environ))
        require_model(model)
        from fullduplex.demo import demo_agent

        return demo_agent(model), DEMO_EXAMPLES
    from fullduplex.agents.llm_agent import LlmAgent
    from fullduplex.cli.loading import load_agent, root_of, set_model

    found = load_agent(options.agent)
    agent = root_of(found)
    if isinstance(agent, LlmAgent):
        _check_tools(agent)
    set_model(agent, options.model)
    return found, ()


def _check_tools(agent: LlmAgent) -> None:
    """A tool that no model can be told of is found now, not in the first call."""
    from fullduplex.errors import InvalidConfig
    from fullduplex.tools.declared import declared

    try:
        declared(agent.canonical_tools())
    except InvalidConfig as error:
        raise UsageError(f"a tool of agent {agent.name}: {error}") from None


def _banner(address: str, agent: BaseAgent) -> str:
    from fullduplex.server.info import engine_of, version
    from fullduplex.server.run_config import is_local, model_name

    model = model_name(agent)
    lines = [
        f"Fullduplex {version()}",
        f"  page    {address}",
        f"  agent   {agent.name}",
        f"  engine  {engine_of(model)}",
    ]
    if is_local(model):
        lines.append("  hint    set GOOGLE_API_KEY to talk with a Gemini model; Ctrl-C stops")
    else:
        lines.append("  hint    Ctrl-C stops")
    return "\n".join(lines)
