"""The engine that the runner hands to agents: it finds the model and starts a conductor."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from fullduplex.agents.contexts import InvocationContext, ReadonlyContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.conductor import Conductor
from fullduplex.live.settings import LiveSettings
from fullduplex.live.setup import Setup
from fullduplex.models.base import LiveModel

logger = logging.getLogger(__name__)


class Engine:
    """Runs agents live. `resolve` turns a model's name into a backend."""

    def __init__(
        self,
        *,
        resolve: Callable[[str], LiveModel],
        ambient: Ambient | None = None,
        settings: LiveSettings | None = None,
    ) -> None:
        self._resolve = resolve
        self._ambient = ambient or Ambient()
        self._settings = settings or LiveSettings()

    @property
    def ambient(self) -> Ambient:
        """Where time, ids and chance come from."""
        return self._ambient

    async def run(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of `ctx.agent`'s run. Raises what its instruction raises, before anything connects."""
        agent = ctx.agent
        if not isinstance(agent, LlmAgent):
            raise InvalidConfig(f"agent `{agent.name}` has no model to run live")
        chosen = agent.canonical_model
        model = self._resolve(chosen) if isinstance(chosen, str) else chosen
        if not isinstance(model, LiveModel):
            raise InvalidConfig(f"agent `{agent.name}`: {type(model).__name__} is a text model, which cannot run live")
        tools = await agent.all_tools(ReadonlyContext(ctx), live=True)
        setup = await Setup.of(ctx, agent, model.model, tools)
        if ctx.end_invocation:
            return
        conductor = Conductor(
            ctx=ctx, agent=agent, model=model, setup=setup, tools=tools, ambient=self._ambient, settings=self._settings
        )
        async with aclosing(conductor.events()) as events:
            async for event in events:
                yield event
