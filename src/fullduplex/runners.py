"""Runs agents: loads the session, hands the agent its engine, and yields what comes down.

One `Runner` serves any number of runs at once; what belongs to a run lives in the run.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import uuid
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import aclosing
from typing import Any, Self
from weakref import WeakValueDictionary

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import AgentEngine, InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.once import Once
from fullduplex.agents.run_config import RunConfig
from fullduplex.agents.stop import Stop, Stopped
from fullduplex.agents.succession import present_agent
from fullduplex.apps import App
from fullduplex.artifacts import BaseArtifactService, InMemoryArtifactService
from fullduplex.errors import AlreadyExistsError, InvalidInput, SessionNotFoundError
from fullduplex.events import Event
from fullduplex.live import Engine
from fullduplex.live.leases import Conflict, Leases
from fullduplex.memory import BaseMemoryService, InMemoryMemoryService
from fullduplex.models.registry import resolve, resolve_text
from fullduplex.plugins import BasePlugin, PluginManager, hooks
from fullduplex.requests import LiveRequestQueue
from fullduplex.sessions import BaseSessionService, InMemorySessionService, Session
from fullduplex.text import TextEngine, threaded
from fullduplex.text.nested import Nested
from fullduplex.text.printing import Printer
from fullduplex.text.run import run as text_run
from fullduplex.tools.agent_tool import AgentTool
from fullduplex.tools.base import BaseToolset
from fullduplex.tools.running import in_time
from fullduplex.turns.run_limits import CallLimit
from fullduplex.types.content import Content, Part
from fullduplex.types.struct import coerce

logger = logging.getLogger(__name__)


class Runner:
    """Runs one agent (or app) on the sessions of a store.

    Give exactly one of `app`, `agent` and `node` (an agent too), and `app_name` with an agent. `plugins` stand behind
    those of an app. `live_conflict` says what a live run does on a session that another run holds: it is refused with
    `SessionBusy`, or it takes over and the first run ends with an error event `session_busy`. A text run is always
    refused. `plugin_close_timeout` is how many seconds a plugin or a toolset has to close, and a plugin or callback at
    the end of a run that was cancelled or failed. With `auto_create_session` a missing session is created.
    """

    def __init__(
        self,
        *,
        app: App | None = None,
        app_name: str | None = None,
        agent: BaseAgent | None = None,
        node: BaseAgent | None = None,
        session_service: BaseSessionService,
        artifact_service: BaseArtifactService | None = None,
        memory_service: BaseMemoryService | None = None,
        credential_service: Any = None,
        plugins: list[BasePlugin] | None = None,
        plugin_close_timeout: float = 5.0,
        auto_create_session: bool = False,
        live_conflict: Conflict = "refuse",
        engine: Engine | None = None,
        text_engine: TextEngine | None = None,
    ) -> None:
        if sum(given is not None for given in (app, agent, node)) != 1:
            raise ValueError("Provide exactly one of app, agent and node.")
        root = app.root_agent if app is not None else agent or node
        name = app_name or (app.name if app is not None else None)
        if not name:
            raise ValueError("app_name is required when an agent is given.")
        assert root is not None
        self.app_name = name
        self.agent = root
        self.session_service = session_service
        self.artifact_service = artifact_service
        self.memory_service = memory_service
        self.credential_service = credential_service
        self.plugins = PluginManager([*(app.plugins if app is not None else ()), *(plugins or ())])
        self._plugin_close_timeout = plugin_close_timeout
        self.auto_create_session = auto_create_session
        self._engine = engine or Engine(resolve=resolve)
        self._text_engine = text_engine or TextEngine(resolve=resolve_text)
        self._nested = Nested(self._text_engine)
        self._leases = Leases(live_conflict)
        self._once: WeakValueDictionary[tuple[str, str], Once] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every live run of this runner, and lets go of what its agents' toolsets, text models and plugins hold.

        What fails in it or hangs is logged, and the rest is let go of all the same.
        """
        await self._leases.end_all()
        toolsets = _toolsets(self.agent)
        await asyncio.gather(*(self._let_go(f"toolset {type(one).__name__}", one.close) for one in toolsets))
        await self._let_go("the text models", self._text_engine.close)
        await self.plugins.close(self._plugin_close_timeout)

    async def _let_go(self, name: str, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await in_time(f"close of {name}", close, self._plugin_close_timeout)
        except Exception:  # the boundary of the developer's code
            logger.exception("%s did not close", name)

    async def run_live(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        live_request_queue: LiveRequestQueue,
        run_config: RunConfig | None = None,
        session: Session | None = None,
    ) -> AsyncGenerator[Event, None]:
        """A live conversation: what is sent into `live_request_queue` goes up, events come down as they happen.

        It ends when the queue is closed. An error that ends it under way comes as an event with `error_code` first and
        is then raised; one that keeps it from beginning is only raised. Raises `ValueError` for missing arguments,
        `SessionNotFoundError`, and `SessionBusy` (see the class).
        `session` is deprecated: give `user_id` and `session_id`.
        """
        if live_request_queue is None:
            raise ValueError("live_request_queue is required for run_live.")
        if session is not None:
            warnings.warn("session is deprecated: give user_id and session_id", DeprecationWarning, stacklevel=2)
            user_id, session_id = session.user_id, session.id
        elif user_id is None or session_id is None:
            raise ValueError("Either session or user_id and session_id must be provided.")
        run_config = RunConfig.model_validate(run_config or {})
        key, stop = (user_id, session_id.strip()), Stop()
        await self._leases.claim(key, stop, live_request_queue)
        try:
            _obey(live_request_queue, stop, self._engine.settings.send_deadline_s)
            async with stop.working():
                # Loaded when it is ours: a run that was taken over has written its last words by now.
                session = session or await self._load(user_id, session_id, run_config)
            ctx = self._context(
                session, run_config, engine=self._engine, live_request_queue=live_request_queue, stop=stop
            )
            agent = present_agent(self.agent, session.events)
            async with aclosing(hooks.around(ctx, lambda: agent.run_live(ctx))) as events:
                async for event in events:
                    yield event
        except Stopped:
            logger.info("the run on session %s was over before it had begun", session_id)
        finally:
            self._leases.release(key, stop)

    async def run_async(
        self,
        *,
        user_id: str,
        session_id: str,
        invocation_id: str | None = None,
        new_message: Content | None = None,
        state_delta: dict[str, Any] | None = None,
        run_config: RunConfig | None = None,
    ) -> AsyncGenerator[Event, None]:
        """A turn in writing: the events of what agents say and do until `new_message` is answered.

        `RunConfig(streaming_mode=StreamingMode.SSE)` streams text as it is written: events with `partial` hold what is
        new, and the whole follows. `state_delta` is set together with the message. `invocation_id` goes on with an
        earlier run of the session, without a message from where it ended.

        An error comes as an event with `error_code` first and is then raised; one that keeps the run from beginning is
        only raised. Raises `ValueError` for missing arguments and for a message that a user cannot send,
        `SessionNotFoundError`, and `SessionBusy` (see the class).
        """
        if new_message is None and invocation_id is None:
            raise ValueError("Running an agent requires either a new_message or an invocation_id to go on with.")
        run_config = RunConfig.model_validate(run_config or {})
        message = None if new_message is None else coerce(Content, new_message)
        key, stop = (user_id, session_id.strip()), Stop()
        await self._leases.claim(key, stop)
        try:
            async with stop.working():
                session = await self._load(user_id, session_id, run_config)
            if invocation_id is not None and all(event.invocation_id != invocation_id for event in session.events):
                raise InvalidInput(f"Session {session_id} has no run {invocation_id}.", field="invocation_id")
            ctx = self._context(session, run_config, engine=self._text_engine, invocation_id=invocation_id, stop=stop)
            async with aclosing(text_run(ctx, message, state_delta)) as events:
                async for event in events:
                    yield event
        finally:
            self._leases.release(key, stop)

    def run(
        self,
        *,
        user_id: str,
        session_id: str,
        new_message: Content,
        state_delta: dict[str, Any] | None = None,
        run_config: RunConfig | None = None,
    ) -> Generator[Event]:
        """`run_async` for scripts and notebooks: it blocks, and the run takes place in a thread of its own."""
        return threaded.read(
            lambda: self.run_async(
                user_id=user_id,
                session_id=session_id,
                new_message=new_message,
                state_delta=state_delta,
                run_config=run_config,
            )
        )

    async def run_debug(
        self,
        user_messages: str | list[str],
        *,
        user_id: str = "debug_user_id",
        session_id: str = "debug_session_id",
        run_config: RunConfig | None = None,
        quiet: bool = False,
        verbose: bool = False,
    ) -> list[Event]:
        """One message after another, for a first try: the session is created if need be, and answers are printed.

        Gives all events. `quiet` prints nothing, `verbose` the calls and answers of tools too.
        """
        key: dict[str, Any] = {"app_name": self.app_name, "user_id": user_id, "session_id": session_id}
        if await self.session_service.get_session(**key) is None:
            await self.session_service.create_session(**key)
        printer = Printer(io.StringIO() if quiet else sys.stdout, tools=verbose)
        events = []
        for text in [user_messages] if isinstance(user_messages, str) else user_messages:
            message = Content(role="user", parts=[Part(text=text)])
            printer.show(Event(author="user", content=message))
            run = self.run_async(user_id=user_id, session_id=session_id, new_message=message, run_config=run_config)
            async for event in run:
                printer.show(event)
                events.append(event)
        return events

    def _context(
        self,
        session: Session,
        run_config: RunConfig,
        *,
        engine: AgentEngine,
        invocation_id: str | None = None,
        **of_run: Any,
    ) -> InvocationContext:
        return InvocationContext(
            invocation_id=invocation_id or f"e-{uuid.uuid4()}",
            session=session,
            session_service=self.session_service,
            agent=self.agent,
            run_config=run_config,
            engine=engine,
            artifact_service=self.artifact_service,
            memory_service=self.memory_service,
            credential_service=self.credential_service,
            plugins=self.plugins,
            once=self._once.setdefault((session.user_id, session.id), Once()),
            nested_runs=self._nested,
            llm_calls=CallLimit(run_config.max_llm_calls),
            hook_deadline_s=self._plugin_close_timeout,
            **of_run,
        )

    async def _load(self, user_id: str, session_id: str, run_config: RunConfig) -> Session:
        key: dict[str, Any] = {"app_name": self.app_name, "user_id": user_id, "session_id": session_id}
        config = run_config.get_session_config
        session = await self.session_service.get_session(**key, config=config)
        if session is not None:
            return session
        if not self.auto_create_session:
            raise SessionNotFoundError(
                f"Session not found: {session_id}. Create it with session_service.create_session(app_name="
                f"{self.app_name!r}, user_id={user_id!r}, session_id={session_id!r}), or set auto_create_session."
            )
        try:
            return await self.session_service.create_session(**key)
        except AlreadyExistsError:
            if (session := await self.session_service.get_session(**key, config=config)) is None:
                raise
            return session  # another run has made it meanwhile


def _obey(queue: LiveRequestQueue, stop: Stop, deadline_s: float) -> None:
    """Has a hang-up end a run that has not begun: at once, or after `deadline_s`, if something waits to be sent."""
    loop = asyncio.get_running_loop()
    if queue.closed:
        return

    def hung_up(closed: asyncio.Future[None]) -> None:
        if not closed.cancelled():
            loop.call_later(deadline_s if queue.qsize() else 0.0, stop.call_off)

    closed = queue.closing()
    closed.add_done_callback(hung_up)
    stop.watched(closed)


def _toolsets(agent: BaseAgent) -> list[BaseToolset]:
    """The toolsets of an agent, of all below it, and of those that are its tools, each once."""
    own = agent.toolsets if isinstance(agent, LlmAgent) else []
    tools = agent.tools if isinstance(agent, LlmAgent) else []
    others = [*agent.sub_agents, *(tool.agent for tool in tools if isinstance(tool, AgentTool))]
    below = [toolset for other in others for toolset in _toolsets(other)]
    return list({id(toolset): toolset for toolset in [*own, *below]}.values())


class InMemoryRunner(Runner):
    """A runner whose sessions, artifacts and memories live in memory: for laptops, tests and demos."""

    def __init__(
        self,
        agent: BaseAgent | None = None,
        *,
        node: BaseAgent | None = None,
        app_name: str | None = None,
        app: App | None = None,
        plugins: list[BasePlugin] | None = None,
        plugin_close_timeout: float = 5.0,
        live_conflict: Conflict = "refuse",
        engine: Engine | None = None,
        text_engine: TextEngine | None = None,
    ) -> None:
        super().__init__(
            app=app,
            app_name=app_name or (None if app else "InMemoryRunner"),
            agent=agent,
            node=node,
            session_service=InMemorySessionService(),
            artifact_service=InMemoryArtifactService(),
            memory_service=InMemoryMemoryService(),
            plugins=plugins,
            plugin_close_timeout=plugin_close_timeout,
            live_conflict=live_conflict,
            engine=engine,
            text_engine=text_engine,
        )
