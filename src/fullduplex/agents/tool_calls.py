"""One call of a tool with all that surrounds it: plugins, callbacks, the user's yes, deadlines, and its failure.

Live runs and text runs both call tools by this door: `call_tool` gives the result, and `requests_of` what the user is
to be asked before there can be one.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fullduplex.agents.callbacks import first_answer
from fullduplex.events import Event
from fullduplex.tools.answers import is_failure
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import CREDENTIAL_PREFIX, ToolContext, credential_key
from fullduplex.tools.running import Outcome, attempt, guard
from fullduplex.tools.streaming import Update, as_update
from fullduplex.turns.approvals import CONFIRMATION, Request, requests
from fullduplex.turns.ledger import earlier_answer
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext
    from fullduplex.agents.llm_agent import LlmAgent

logger = logging.getLogger(__name__)

Run = Callable[[], Awaitable[Any]]


async def call_tool(
    ctx: InvocationContext,
    agent: LlmAgent,
    tool: BaseTool,
    args: dict[str, Any],
    context: ToolContext,
    *,
    run: Run | None = None,
    progress: Callable[[Update], None] | None = None,
) -> Any:
    """The result of `tool`. Plugins are asked before the agent's callbacks, before and after the run.

    A failure of the tool is a result, too: what an error callback makes of it, else `{"error": …}`; so are a deadline
    that passes and a no of the user's. Failures of plugins and callbacks are raised.

    When `context.awaits_user` is true afterwards there is no result yet, and what came back is to be dropped: show the
    event of `requests_of`, and leave the call unanswered. When the user's answer comes (`turns.approvals` finds the
    request in the session's events), call again with the context of `resumed`.

    `run` runs the tool in another way. Without it a streaming tool tells `progress` what it yields, as it comes (see
    `tools.streaming`), and what it says last is the result; a live run lets it go on in the background instead.
    """
    result = await ctx.plugins.first("before_tool_callback", tool=tool, tool_args=args, tool_context=context)
    if result is None:
        result = await first_answer(agent.before_tool_callback, tool=tool, args=args, tool_context=context)
    if result is None:
        result = await _result(ctx, agent, tool, args, context, run or _way(tool, args, context, progress))
    if context.awaits_user:
        return None
    changed = await ctx.plugins.first(
        "after_tool_callback", tool=tool, tool_args=args, tool_context=context, result=result
    )
    if changed is None:
        changed = await first_answer(
            agent.after_tool_callback, tool=tool, args=args, tool_context=context, tool_response=result
        )
    return result if changed is None else changed


async def failure(
    ctx: InvocationContext,
    agent: LlmAgent,
    tool: BaseTool,
    args: dict[str, Any],
    context: ToolContext,
    error: BaseException,
) -> Any:
    """What the model is answered when `tool` failed: what an error callback says, else the kind of the error."""
    answer = await ctx.plugins.first(
        "on_tool_error_callback", tool=tool, tool_args=args, tool_context=context, error=error
    )
    if answer is None:
        answer = await first_answer(
            agent.on_tool_error_callback, tool=tool, args=args, tool_context=context, error=error
        )
    if answer is not None:
        return answer
    if isinstance(error, TooLate):
        logger.warning("%s", error)
        return {"error": str(error)}
    return internal_error(tool, error)


def internal_error(tool: BaseTool, error: BaseException) -> dict[str, Any]:
    """What a model is told of an `error`, which is logged: its kind alone, because its text may hold what neither model
    nor user should read."""
    logger.error("tool %s failed", tool.name, exc_info=error)
    return {"error": f"Invoking `{tool.name}()` failed with an internal error ({type(error).__name__})."}


def unknown_tool(name: str | None, known: Iterable[str]) -> dict[str, Any]:
    """What a model is answered that calls a tool which is not there."""
    return {"error": f"There is no tool `{name}`. The tools that can be called: {', '.join(known) or 'none'}."}


def requests_of(
    call: FunctionCall, context: ToolContext, *, new_id: Callable[[], str], event: Callable[..., Event] = Event
) -> Event:
    """The event that asks the user for what `call` needs: long-running calls, which the user answers by their ids.

    `event` makes an event of the run from the fields given here.
    """
    asked = requests(call, context.actions, iter(lambda: f"adk-{new_id()}", None), context.tool_confirmation)
    return event(
        content=Content(role="model", parts=[Part(function_call=request.as_call()) for request in asked]),
        long_running_tool_ids={request.id for request in asked},
        actions=context.actions,
    )


def resumed(ctx: InvocationContext, request: Request, answer: FunctionResponse) -> ToolContext:
    """The context in which `request.call` is called again, now that the user has answered.

    A credential is put where `get_auth_response` finds it; it is not stored with the session.
    """
    if request.kind == CONFIRMATION:
        return ToolContext(ctx, function_call_id=request.call.id, tool_confirmation=request.confirmation(answer))
    ctx.session.state[CREDENTIAL_PREFIX + credential_key(request.asked)] = answer.response
    return ToolContext(ctx, function_call_id=request.call.id, tool_confirmation=request.confirmed)


def on_record(request: Request, answer: FunctionResponse) -> FunctionResponse:
    """The user's answer as the session may keep it: without the secret."""
    kept = answer.response if request.kind == CONFIRMATION else {"given": bool(answer.response)}
    return FunctionResponse(id=request.id, name=request.kind, response=kept)


# -- the run itself ---------------------------------------------------------------------------------------------------


async def _result(
    ctx: InvocationContext, agent: LlmAgent, tool: BaseTool, args: dict[str, Any], context: ToolContext, start: Run
) -> Any:
    said = context.tool_confirmation
    if said is not None and not said.confirmed:
        return {"error": "The user did not approve this call, so it did not run."}
    outcome = await attempt(functools.partial(_run, ctx, tool, args, context, start))
    if outcome.error is not None:
        return await failure(ctx, agent, tool, args, context, outcome.error)
    return outcome.result


def _way(tool: BaseTool, args: dict[str, Any], context: ToolContext, progress: Callable[[Update], None] | None) -> Run:
    """How a tool runs where nothing else is said."""
    if tool.is_streaming:
        return functools.partial(_last, tool, args, context, progress)
    return functools.partial(tool.run_async, args=args, tool_context=context)


class TooLate(TimeoutError):
    """Raised when a tool's deadline has passed."""

    def __init__(self, tool: BaseTool) -> None:
        super().__init__(f"Invoking `{tool.name}()` failed: timeout, no result within {tool.deadline_s:g} s.")


async def _run(ctx: InvocationContext, tool: BaseTool, args: dict[str, Any], context: ToolContext, start: Run) -> Any:
    """What `start()` gives: if it was not done before, if the user agrees, and if it is done in time."""
    key = context.idempotency_key = None if tool.is_streaming else tool.key_of(args)
    if key is not None:
        earlier = earlier_answer(ctx.session.events, tool.name, lambda args: tool.key_of(args) == key)
        if earlier is not None:
            return earlier
    if context.tool_confirmation is None and await tool.needs_confirmation(args, context):
        context.request_confirmation(hint=f"Allow the call of `{tool.name}()`?")
        return None
    outcome = await _in_time(tool, _once(ctx, tool, context, start))
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


async def _once(ctx: InvocationContext, tool: BaseTool, context: ToolContext, start: Run) -> Outcome:
    work = functools.partial(attempt, start)
    if context.idempotency_key is None:
        return await work()
    outcome: Outcome = await ctx.once.run(
        (tool.name, context.idempotency_key),
        work,
        succeeded=lambda outcome: not (outcome.error or is_failure(outcome.result) or context.awaits_user),
        stoppable=not tool.takes_thread,
    )
    return outcome


async def _in_time(tool: BaseTool, work: Coroutine[Any, Any, Outcome]) -> Outcome:
    if tool.deadline_s is None:
        return await work
    try:
        task = asyncio.create_task(work, name=f"run of tool {tool.name}")
        return await guard(task, deadline_s=tool.deadline_s)
    except TimeoutError:
        raise TooLate(tool) from None


async def _last(
    tool: BaseTool, args: dict[str, Any], context: ToolContext, progress: Callable[[Update], None] | None
) -> Any:
    """What a streaming tool says last, where nobody can be told of it in between."""
    if tool.takes_input:
        return {"error": f"`{tool.name}()` listens to the user: it only runs live."}
    last: Any = None
    async with aclosing(tool.stream(args=args, tool_context=context)) as values:
        async for value in values:
            update = as_update(value, call_id=context.function_call_id, name=tool.name)
            if isinstance(update, FunctionResponse):
                last = update.response
            if progress is not None:
                progress(update)
    return last
