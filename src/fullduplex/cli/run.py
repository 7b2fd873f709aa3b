"""`fullduplex run`: a chat with an agent in the terminal, in writing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullduplex.cli.errors import UsageError
from fullduplex.cli.web import read_dotenv

if TYPE_CHECKING:
    from fullduplex.agents import BaseAgent
    from fullduplex.apps import App
    from fullduplex.runners import Runner
    from fullduplex.types import Content, FunctionCall


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit code: 1 when a turn failed in a run that nobody watches."""
    # First of all: the agent's module may read the environment while it is imported.
    read_dotenv(Path.cwd() / ".env")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        runner = _runner(options)
        _require_models(runner.agent)
        state = _state(options.state)
    except UsageError as error:
        print(f"fullduplex: {error}", file=sys.stderr)
        return 2
    with asyncio.Runner() as loop:
        try:
            return _Chat(runner, options, state, loop).run()
        finally:
            loop.run(_close(runner))


async def _close(runner: Runner) -> None:
    from fullduplex.sessions import DatabaseSessionService

    await runner.close()
    if isinstance(runner.session_service, DatabaseSessionService):
        await runner.session_service.close()


def _runner(options: argparse.Namespace) -> Runner:
    from fullduplex.apps import App
    from fullduplex.cli.loading import load_agent, root_of, set_model
    from fullduplex.errors import InvalidConfig
    from fullduplex.runners import InMemoryRunner, Runner
    from fullduplex.sessions import DatabaseSessionService

    if options.agent is None:
        from fullduplex.demo import demo_agent

        found: BaseAgent | App | Runner = demo_agent(options.model or _demo_model())
    else:
        found = load_agent(options.agent)
        set_model(root_of(found), options.model)
    if isinstance(found, Runner):
        if options.session_db_url:
            raise UsageError("--session-db: the runner has a session service already")
        return found
    runner = InMemoryRunner(app=found if isinstance(found, App) else App(name=found.name, root_agent=found))
    if options.session_db_url:
        try:
            runner.session_service = DatabaseSessionService(options.session_db_url)
        except InvalidConfig as error:
            raise UsageError(f"--session-db: {error}") from None
    return runner


def _demo_model() -> str:
    """The text model of the demo agent; a model that can only be talked with gives way to its text counterpart."""
    from fullduplex.agents.llm_agent import DEFAULT_TEXT_MODEL
    from fullduplex.cli.web import demo_model
    from fullduplex.models.gemini.capabilities import is_live_only

    model = demo_model(dict(os.environ))
    return DEFAULT_TEXT_MODEL if is_live_only(model) else model


def _require_models(agent: BaseAgent) -> None:
    """Raises `UsageError` for an agent without a text model, or one whose model has no key."""
    from fullduplex.agents.llm_agent import LlmAgent
    from fullduplex.errors import InvalidConfig
    from fullduplex.models.base import LiveModel
    from fullduplex.models.gemini.endpoint import Options, find_endpoint
    from fullduplex.models.gemini.generate import GeminiText
    from fullduplex.models.registry import resolve_text

    if isinstance(agent, LlmAgent):
        model = agent.canonical_text_model
        try:
            if isinstance(model, LiveModel):
                model.text_model()
            elif isinstance(model, str) and isinstance(resolve_text(model), GeminiText):
                find_endpoint(Options(), model, os.environ)
        except InvalidConfig as error:
            raise UsageError(f"agent {agent.name}: {error} (--model sets another; `local` needs no key)") from None
    for sub_agent in agent.sub_agents:
        _require_models(sub_agent)


def _state(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        state = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--state is not JSON: {error}") from None
    if not isinstance(state, dict):
        raise UsageError("--state is not a JSON object")
    return state


class _Chat:
    """Reads lines, has them answered, and prints the answers, until the input ends."""

    def __init__(
        self, runner: Runner, options: argparse.Namespace, state: dict[str, Any] | None, loop: asyncio.Runner
    ) -> None:
        from fullduplex.text.printing import Printer

        self._runner = runner
        self._user_id = options.user
        self._session_id = options.session
        self._state = state
        self._loop = loop
        self._printer = Printer(sys.stdout)
        self._watched = sys.stdin.isatty()
        self._told = False
        self._failed = False

    def run(self) -> int:
        """The exit code."""
        self._runner.auto_create_session = True
        if self._watched:
            print(f"{self._runner.agent.name}, in writing. Ctrl-D leaves, Ctrl-C stops an answer.")
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  (input() edits lines with it)
        try:
            for line in self._lines("you> "):
                if line.strip():
                    self._turn(line)
        except KeyboardInterrupt:
            print()
        return int(self._failed and not self._watched)

    def _lines(self, prompt: str, *, always: bool = False) -> Iterator[str]:
        shown = self._watched or always
        while True:
            try:
                line = input(prompt if shown else "")
                if shown and not self._watched:
                    print()  # nobody has pressed Enter
                yield line
            except EOFError:
                if shown:
                    print()
                return

    def _turn(self, line: str) -> None:
        """One message and its answer, and what the user is asked on the way."""
        from fullduplex.types import Content, Part

        message: Content | None = Content(role="user", parts=[Part(text=line)])
        while message is not None:
            requests = self._answer(message)
            message = self._decided(requests) if requests else None

    def _answer(self, message: Content) -> list[FunctionCall]:
        """Prints what is answered; what the user is asked for."""
        try:
            return self._loop.run(self._print(message))
        except KeyboardInterrupt:
            self._printer.end_line()
            print("(stopped)")
        except Exception as error:  # the boundary of the agent's code: the chat goes on
            if not self._told:
                self._printer.error(getattr(error, "code", "internal"), str(error))
            self._failed = True
        return []

    async def _print(self, message: Content) -> list[FunctionCall]:
        from fullduplex.agents.run_config import RunConfig, StreamingMode
        from fullduplex.turns.approvals import REQUESTS

        requests = []
        self._told = False
        state, self._state = self._state, None
        events = self._runner.run_async(
            user_id=self._user_id,
            session_id=self._session_id,
            new_message=message,
            state_delta=state,
            run_config=RunConfig(streaming_mode=StreamingMode.SSE),
        )
        async with contextlib.aclosing(events):
            async for event in events:
                asked = [call for call in event.get_function_calls() if call.name in REQUESTS]
                if asked:
                    requests += asked
                else:
                    self._printer.show(event)
                self._told = self._told or (event.error_code is not None and not event.recoverable)
        self._failed = self._failed or self._told
        return requests

    def _allows(self, question: str) -> bool:
        try:
            said = next(self._lines(question, always=True), "")
        except KeyboardInterrupt:
            said = ""
            print()
        if not self._watched:
            print()
        return said.strip().lower() in ("y", "yes")

    def _decided(self, calls: list[FunctionCall]) -> Content | None:
        """The user's answers to what tools ask; no answer is a no."""
        from fullduplex.text.printing import call_line
        from fullduplex.turns.approvals import CONFIRMATION, Request
        from fullduplex.types import Content, FunctionResponse, Part

        parts = []
        for request in filter(None, map(Request.read, calls)):
            if request.kind != CONFIRMATION:
                self._printer.error("credential_wanted", f"{request.call.name} needs one; a terminal cannot give it")
                continue
            yes = self._allows(f"Allow {call_line(request.call)}? [y/N] ")
            answer = FunctionResponse(id=request.id, name=request.kind, response={"confirmed": yes})
            parts.append(Part(function_response=answer))
        return Content(role="user", parts=parts) if parts else None
