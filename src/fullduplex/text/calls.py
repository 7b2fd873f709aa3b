"""The tools that a model called in one answer: they run side by side, and answer in one event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from fullduplex.agents.contexts import InvocationContext, ToolContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.tool_calls import call_tool
from fullduplex.events import Event, EventActions
from fullduplex.text.together import together
from fullduplex.tools.answers import as_response, merged
from fullduplex.tools.base import BaseTool
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part


class _Answer(NamedTuple):
    """What one tool gave, and what it did besides."""

    response: FunctionResponse
    actions: EventActions


async def answers(
    ctx: InvocationContext, agent: LlmAgent, tools: Sequence[BaseTool], calls: Sequence[FunctionCall]
) -> AsyncGenerator[Event, None]:
    """What happens while the tools run, then one event with their answers, in the order of the calls.

    A tool that takes long and gives nothing yet has no answer in it; without any there is no such event.
    """
    known = {tool.name: tool for tool in tools if tool.declaration() is not None}
    given: dict[int, _Answer] = {}
    streams = [_call(ctx, agent, known, number, call) for number, call in enumerate(calls)]
    async with aclosing(together(streams)) as results:
        async for number, answer in results:
            given[number] = answer
    in_order = [given[number] for number in sorted(given)]
    if not in_order:
        return
    yield Event(
        invocation_id=ctx.invocation_id,
        author=ctx.agent_name,
        branch=ctx.branch,
        content=Content(role="user", parts=[Part(function_response=answer.response) for answer in in_order]),
        actions=merged(answer.actions for answer in in_order),
    )


async def _call(
    ctx: InvocationContext, agent: LlmAgent, known: dict[str, BaseTool], number: int, call: FunctionCall
) -> AsyncGenerator[tuple[int, _Answer], None]:
    context = ToolContext(ctx, function_call_id=call.id)
    tool = known.get(call.name or "")
    if tool is None:
        names = ", ".join(known) or "none"
        result = {"error": f"There is no tool `{call.name}`. The tools that can be called: {names}."}
    else:
        result = await call_tool(ctx, agent, tool, call.args or {}, context)
        if result is None and tool.is_long_running:
            return
    target = context.actions.transfer_to_agent
    if target is not None and agent.root_agent.find_agent(target) is None:
        context.actions.transfer_to_agent = None
        result = {"error": f"There is no agent `{target}` to transfer to."}
    response = FunctionResponse(id=call.id, name=call.name, response=as_response(result, call.name or ""))
    yield number, _Answer(response, context.actions)
