"""What every agent is: a name, a place in a tree, and its part of a run, live or in writing."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from fullduplex.agents.callbacks import AgentCallbacks, surrounded
from fullduplex.errors import InvalidConfig
from fullduplex.events import Event

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext

logger = logging.getLogger(__name__)


class BaseAgent(BaseModel):
    """An agent in a tree of agents. An agent has one parent at most; names are Python identifiers and not `user`.

    `before_agent_callback` and `after_agent_callback` are called around its part of a run: see `agents.callbacks`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    name: str
    description: str = ""
    sub_agents: list[BaseAgent] = Field(default_factory=list)
    before_agent_callback: AgentCallbacks = None
    after_agent_callback: AgentCallbacks = None
    _parent: BaseAgent | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.isidentifier():
            raise ValueError(f"agent name {value!r} is not a Python identifier (letters, digits and underscores)")
        if value == "user":
            raise ValueError("an agent cannot be called `user`: that is the name of the person it talks with")
        return value

    def model_post_init(self, _: Any, /) -> None:
        """Takes the sub-agents in."""
        names = [agent.name for agent in self.sub_agents]
        for name in {name for name in names if names.count(name) > 1}:
            logger.warning("agent %s has several sub-agents named %s", self.name, name)
        for agent in self.sub_agents:
            parent = agent._parent or (self if sum(other is agent for other in self.sub_agents) > 1 else None)
            if parent is not None:
                raise InvalidConfig(
                    f"Agent `{agent.name}` already has a parent agent, `{parent.name}`: it cannot go under "
                    f"`{self.name}` too"
                )
        for agent in self.sub_agents:
            agent._parent = self

    @property
    def parent_agent(self) -> BaseAgent | None:
        """The agent above this one, set by it."""
        return self._parent

    @property
    def root_agent(self) -> BaseAgent:
        """The top of the tree."""
        agent: BaseAgent = self
        while agent._parent is not None:
            agent = agent._parent
        return agent

    def find_agent(self, name: str) -> BaseAgent | None:
        """This agent or one below it, by name."""
        return self if self.name == name else self.find_sub_agent(name)

    def find_sub_agent(self, name: str) -> BaseAgent | None:
        """An agent below this one, by name."""
        for agent in self.sub_agents:
            if found := agent.find_agent(name):
                return found
        return None

    def clone(self, update: Mapping[str, Any] | None = None) -> Self:
        """A copy without a parent, its sub-agents copied too; `update` replaces fields."""
        changes = dict(update or {})
        if "parent_agent" in changes:
            raise InvalidConfig("a clone has no parent: `parent_agent` cannot be set")
        unknown = changes.keys() - type(self).model_fields.keys()
        if unknown:
            raise InvalidConfig(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields = {name: list(value) if isinstance(value, list) else value for name, value in fields.items()}
        if "sub_agents" not in changes:
            changes["sub_agents"] = [agent.clone() for agent in self.sub_agents]
        return type(self)(**{**fields, **changes})

    def run_live(self, parent_context: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of this agent's part of a live run, and of those that it hands the conversation to."""
        return parent_context.engine.run(parent_context.for_agent(self))

    def run_async(self, parent_context: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of this agent's part of a text run."""
        ctx = parent_context.for_agent(self)
        return surrounded(lambda: self._run_async_impl(ctx), ctx)

    def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        raise NotImplementedError(f"{type(self).__name__} does not run in writing")

    def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """What the engine plays. A subclass may run other agents here: `async for event in agent.run_live(ctx)`."""
        raise NotImplementedError(f"{type(self).__name__} does not run live")
