"""Workflow agents in writing: one sub-agent after another, over and over, or all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.workflow import LoopAgent, ParallelAgent
from fullduplex.events import Event
from fullduplex.text.approvals import awaits_user
from fullduplex.text.together import together


async def run(ctx: InvocationContext) -> AsyncGenerator[Event, None]:
    """The events of the workflow agent `ctx.agent`. It ends early when a tool in it asks the user for something."""
    agent = ctx.agent
    if isinstance(agent, ParallelAgent):
        events = _at_once(ctx, agent)
    else:
        events = _in_turn(ctx, agent, agent.max_iterations if isinstance(agent, LoopAgent) else 1)
    async with aclosing(events):
        async for event in events:
            yield event


async def _at_once(ctx: InvocationContext, agent: ParallelAgent) -> AsyncGenerator[Event, None]:
    agents = agent.sub_agents if ctx.resume_at is None else agent.sub_agents[_first(agent, ctx.resume_at) :][:1]
    parts = [one.run_async(dataclasses.replace(ctx, branch=ctx.branch_of(one))) for one in agents]
    async with aclosing(together(parts)) as events:
        async for event in events:
            yield event


async def _in_turn(ctx: InvocationContext, agent: BaseAgent, rounds: int | None) -> AsyncGenerator[Event, None]:
    """Round after round, without an end where `rounds` is None; each from the first sub-agent to the last."""
    place = _first(agent, ctx.resume_at)
    while agent.sub_agents and (rounds is None or place < rounds * len(agent.sub_agents)):
        sub_agent = agent.sub_agents[place % len(agent.sub_agents)]
        escalated = False
        async with aclosing(sub_agent.run_async(ctx)) as events:
            async for event in events:
                yield event
                escalated = escalated or (bool(event.actions.escalate) and _loop_of(event, agent) is agent)
        if escalated or awaits_user(ctx.session.events):
            return
        place += 1
        ctx = dataclasses.replace(ctx, resume_at=None)


def _first(agent: BaseAgent, resumed: BaseAgent | None) -> int:
    """The place of the sub-agent to begin with: that which `resumed` is, or is below of; else the first."""
    places = (place for place, one in enumerate(agent.sub_agents) if resumed and one.find_agent(resumed.name))
    return next(places, 0)


def _loop_of(event: Event, agent: BaseAgent) -> BaseAgent | None:
    """The innermost loop that the event's author is in: the one that it ends by escalating."""
    above: BaseAgent | None = agent.find_agent(event.author) or agent
    while above is not None and not isinstance(above, LoopAgent):
        above = above.parent_agent
    return above
