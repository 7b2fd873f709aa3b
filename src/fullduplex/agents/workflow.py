"""Agents without a model of their own, which say when which of their sub-agents is at work."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from pydantic import Field

from fullduplex.agents.base import BaseAgent
from fullduplex.events import Event

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext


class WorkflowAgent(BaseAgent):
    """What the workflow agents have in common: the engine runs their sub-agents."""

    def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return ctx.engine.run(ctx)

    _run_async_impl = _run_live_impl


class SequentialAgent(WorkflowAgent):
    """Its sub-agents work one after another.

    In a live run each talks with the user until it calls `task_completed`, a tool that it is given for that; the part
    ends with the last of them.
    """


class LoopAgent(WorkflowAgent):
    """Its sub-agents work one after another, and again from the first.

    The loop ends when one of them escalates (`exit_loop`, or `tool_context.actions.escalate = True`), or after
    `max_iterations` rounds; None is no limit. In a live run each sub-agent ends its part with `task_completed`.
    """

    max_iterations: int | None = Field(default=None, ge=1)


class ParallelAgent(WorkflowAgent):
    """Its sub-agents work at once, each on a branch of its own; their events carry `branch` (`fan.left`).

    In a live run all of them hear the user, and one speaks at a time: the first that begins has the floor until its
    turn is over, and what others say meanwhile follows then, in the order in which they began. An interruption drops
    what waits.
    """
