"""Runs of an agent within the run of another, for agents that are tools."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import AgentEngine, InvocationContext
from fullduplex.agents.run_config import RunConfig
from fullduplex.agents.stop import Stop
from fullduplex.events import Event
from fullduplex.memory import InMemoryMemoryService
from fullduplex.plugins import PluginManager
from fullduplex.sessions import InMemorySessionService
from fullduplex.text.run import run
from fullduplex.turns.run_limits import CallLimit
from fullduplex.types.content import Content


class Nested:
    """See `agents.contexts.NestedRuns`. The session of such a run lives as long as the run.

    It has the id of the outer one, so that artifacts are the same. Questions to models count for the outer run, too; in
    a live run, which may be long, each nested run has the whole limit.
    """

    def __init__(self, engine: AgentEngine) -> None:
        self._engine = engine

    async def __call__(
        self, ctx: InvocationContext, agent: BaseAgent, message: Content, state: dict[str, Any], *, plugins: bool
    ) -> AsyncGenerator[Event, None]:
        """The events of `agent`'s run."""
        sessions = InMemorySessionService()
        session = await sessions.create_session(
            app_name=ctx.app_name, user_id=ctx.user_id, session_id=ctx.session.id, state=state
        )
        limit = ctx.run_config.max_llm_calls
        inner = dataclasses.replace(
            ctx,
            invocation_id=f"e-{uuid.uuid4()}",
            session=session,
            session_service=sessions,
            agent=agent,
            run_config=RunConfig(max_llm_calls=limit),
            engine=self._engine,
            live_request_queue=None,
            memory_service=InMemoryMemoryService(),
            plugins=ctx.plugins if plugins else PluginManager(),
            branch=None,
            user_content=None,
            llm_calls=ctx.llm_calls if ctx.live_request_queue is None else CallLimit(limit),
            transfer=None,
            resume_at=None,
            stop=Stop(),
            end_invocation=False,
        )
        async with aclosing(run(inner, message, None)) as events:
            async for event in events:
                yield event
