"""What a run knows: its session, its settings, its agent, and the engine that it is handed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fullduplex.agents.once import Once
from fullduplex.agents.run_config import RunConfig
from fullduplex.agents.stop import Stop
from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.plugins import PluginManager
from fullduplex.requests import LiveRequestQueue
from fullduplex.sessions import BaseSessionService, Session
from fullduplex.tools.context import CallbackContext, Context, ReadonlyContext, ToolContext
from fullduplex.turns.run_limits import CallLimit
from fullduplex.types.content import Content

if TYPE_CHECKING:
    from fullduplex.agents.base import BaseAgent
    from fullduplex.artifacts.base import BaseArtifactService
    from fullduplex.memory.base import BaseMemoryService

__all__ = ["AgentEngine", "CallbackContext", "Context", "InvocationContext", "ReadonlyContext", "Stop", "ToolContext"]


class AgentEngine(Protocol):
    """What runs an agent, live or in writing; the runner hands one down, so that agents import nothing from above."""

    def run(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of `ctx.agent`'s run, until it ends."""


class NestedRuns(Protocol):
    """Runs another agent in writing within a run, in a session of its own; the runner hands it down."""

    def __call__(
        self, ctx: InvocationContext, agent: BaseAgent, message: Content, state: dict[str, Any], *, plugins: bool
    ) -> AsyncGenerator[Event, None]:
        """What `agent` answers to `message`; its session begins with `state`. `plugins`: those of `ctx` watch."""


@dataclass
class Transfer:
    """Which agent is next in a text run, where one hands the conversation over to another."""

    agent: BaseAgent | None = None


@dataclass
class InvocationContext:
    """One run of an agent. `end_invocation` set to True ends it before it connects.

    `branch` names the agents above in a parallel workflow (`fan.left`). `user_content` is what the user wrote to begin
    a text run, `llm_calls` counts how often its models are asked, and `transfer` is where an agent that was handed the
    conversation names the next one. `resume_at` is the agent with which a workflow goes on that waited for the user.
    `nested_runs` runs other agents on the side. `plugins` are the runner's; `once` is
    shared by all runs of the session. `hook_deadline_s` is how many seconds a hook or callback has at the end of a run
    that is over before its time.
    """

    invocation_id: str
    session: Session
    session_service: BaseSessionService
    agent: BaseAgent
    run_config: RunConfig
    engine: AgentEngine
    live_request_queue: LiveRequestQueue | None = None
    artifact_service: BaseArtifactService | None = None
    memory_service: BaseMemoryService | None = None
    credential_service: Any = None
    plugins: PluginManager = field(default_factory=PluginManager)
    branch: str | None = None
    user_content: Content | None = None
    llm_calls: CallLimit = field(default_factory=lambda: CallLimit(0))
    transfer: Transfer | None = None
    resume_at: BaseAgent | None = None
    nested_runs: NestedRuns | None = None
    stop: Stop = field(default_factory=Stop)
    once: Once = field(default_factory=Once)
    end_invocation: bool = False
    hook_deadline_s: float = 5.0

    @property
    def queue(self) -> LiveRequestQueue:
        """The queue of a live run. Raises `InvalidConfig` in a text run, which has none."""
        if self.live_request_queue is None:
            raise InvalidConfig("a text run has no live_request_queue")
        return self.live_request_queue

    @property
    def agent_name(self) -> str:
        """The agent that runs."""
        return self.agent.name

    @property
    def app_name(self) -> str:
        """The app that the session belongs to."""
        return self.session.app_name

    @property
    def user_id(self) -> str:
        """The user that the session belongs to."""
        return self.session.user_id

    def run_nested(
        self, agent: BaseAgent, message: Content, *, state: dict[str, Any], plugins: bool = True
    ) -> AsyncGenerator[Event, None]:
        """See `NestedRuns`. Raises `InvalidConfig` in a run that no runner began."""
        if self.nested_runs is None:
            raise InvalidConfig("this run cannot run another agent on the side: it was begun without a runner")
        return self.nested_runs(self, agent, message, state, plugins=plugins)

    def branch_of(self, agent: BaseAgent) -> str:
        """The branch of `agent`, which `self.agent` has work beside others."""
        return f"{self.branch or ''}.{self.agent_name}.{agent.name}".removeprefix(".")

    def for_agent(self, agent: BaseAgent) -> InvocationContext:
        """The same run, with `agent` at work."""
        return self if agent is self.agent else dataclasses.replace(self, agent=agent)
