"""Workflow agents in writing: one sub-agent after another, over and over, or all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.workflow import LoopAgent, ParallelAgent
from fullduplex.events import Event
from fullduplex.text.together import together


async def run(ctx: InvocationContext) -> AsyncGenerator[Event, None]:
    """The events of the workflow agent `ctx.agent`."""
    agent = ctx.agent
    if isinstance(agent, ParallelAgent):
        events = together([sub_agent.run_async(_on_branch(ctx, sub_agent)) for sub_agent in agent.sub_agents])
    elif isinstance(agent, LoopAgent):
        events = _loop(ctx, agent)
    else:
        events = _in_turn(ctx, agent)
    async with aclosing(events):
        async for event in events:
            yield event


async def _in_turn(ctx: InvocationContext, agent: BaseAgent) -> AsyncGenerator[Event, None]:
    for sub_agent in agent.sub_agents:
        async with aclosing(sub_agent.run_async(ctx)) as events:
            async for event in events:
                yield event


async def _loop(ctx: InvocationContext, agent: LoopAgent) -> AsyncGenerator[Event, None]:
    rounds = 0
    while agent.sub_agents and (agent.max_iterations is None or rounds < agent.max_iterations):
        for sub_agent in agent.sub_agents:
            escalated = False
            async with aclosing(sub_agent.run_async(ctx)) as events:
                async for event in events:
                    yield event
                    escalated = escalated or (bool(event.actions.escalate) and _loop_of(event, agent) is agent)
            if escalated:
                return
        rounds += 1


def _loop_of(event: Event, agent: LoopAgent) -> BaseAgent:
    """The innermost loop that the event's author is in: the one that it ends by escalating."""
    above = agent.find_agent(event.author)
    while above is not None and not isinstance(above, LoopAgent):
        above = above.parent_agent
    return above or agent


def _on_branch(ctx: InvocationContext, sub_agent: BaseAgent) -> InvocationContext:
    own = f"{ctx.agent_name}.{sub_agent.name}"
    return dataclasses.replace(ctx, branch=f"{ctx.branch}.{own}" if ctx.branch else own)
