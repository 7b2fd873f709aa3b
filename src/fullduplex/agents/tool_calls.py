"""One call of a tool with all that surrounds it: plugins, callbacks, the run itself, and what becomes of its failure.

Live runs and text runs both call tools by this door.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fullduplex.agents.callbacks import first_answer
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext
    from fullduplex.agents.llm_agent import LlmAgent

logger = logging.getLogger(__name__)


async def call_tool(
    ctx: InvocationContext, agent: LlmAgent, tool: BaseTool, args: dict[str, Any], context: ToolContext
) -> Any:
    """The result of `tool`. Plugins are asked before the agent's callbacks, before and after the run.

    A failure of the tool is a result, too: what an error callback makes of it, else `{"error": …}`. Failures of plugins
    and callbacks are raised.
    """
    result = await ctx.plugins.first("before_tool_callback", tool=tool, tool_args=args, tool_context=context)
    if result is None:
        result = await first_answer(agent.before_tool_callback, tool=tool, args=args, tool_context=context)
    if result is None:
        result = await _run(ctx, agent, tool, args, context)
    changed = await ctx.plugins.first(
        "after_tool_callback", tool=tool, tool_args=args, tool_context=context, result=result
    )
    if changed is None:
        changed = await first_answer(
            agent.after_tool_callback, tool=tool, args=args, tool_context=context, tool_response=result
        )
    return result if changed is None else changed


async def _run(
    ctx: InvocationContext, agent: LlmAgent, tool: BaseTool, args: dict[str, Any], context: ToolContext
) -> Any:
    try:
        return await tool.run_async(args=args, tool_context=context)
    except Exception as error:  # the boundary of the developer's code: its failure is an answer
        answer = await ctx.plugins.first(
            "on_tool_error_callback", tool=tool, tool_args=args, tool_context=context, error=error
        )
        if answer is None:
            answer = await first_answer(
                agent.on_tool_error_callback, tool=tool, args=args, tool_context=context, error=error
            )
        if answer is not None:
            return answer
        logger.exception("tool %s failed", tool.name)
        # The kind of the error and no more: its text may hold what neither model nor user should read.
        return {"error": f"Invoking `{tool.name}()` failed with an internal error ({type(error).__name__})."}
