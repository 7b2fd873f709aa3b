"""What an agent's owner has called around its part of a run, its model and its tools.

A callback is given its arguments by name (by position where its names are others), and may be async. Of several the
first that returns something has the last word. Changes of state go into the event that follows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fullduplex.events import Event
from fullduplex.tools.context import CallbackContext
from fullduplex.tools.running import in_time
from fullduplex.types.content import Content

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext

logger = logging.getLogger(__name__)

AgentCallback = Callable[..., Content | Awaitable[Content | None] | None]
AgentCallbacks = AgentCallback | list[AgentCallback] | None
Callback = Callable[..., Any]
Callbacks = Callback | list[Callback] | None


def as_list(callbacks: Callbacks) -> list[Callback]:
    """The callbacks as a list, however they were given."""
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list) else [callbacks]


async def first_answer(callbacks: Callbacks, **arguments: Any) -> Any:
    """Calls one after another until one returns something true, and gives that; None when none does."""
    for callback in as_list(callbacks):
        if answer := await _result(callback, arguments):
            return answer
    return None


async def before_agent(ctx: InvocationContext) -> Event | None:
    """What plugins or the agent's callbacks say or change before its part; content stands in the part's place."""
    return await _around(ctx, "before_agent_callback", ctx.agent.before_agent_callback)


async def after_agent(ctx: InvocationContext) -> Event | None:
    """What they say or change when its part is over."""
    return await _around(ctx, "after_agent_callback", ctx.agent.after_agent_callback)


async def after_agent_quietly(ctx: InvocationContext) -> Event | None:
    """The same at the end of a run that was cancelled or abandoned, which no callback may fail or hold up."""
    try:
        return await in_time(f"after_agent_callback of {ctx.agent_name}", lambda: after_agent(ctx), ctx.hook_deadline_s)
    except Exception:  # the boundary of the developer's code: the run ends as it was about to
        logger.exception("a callback after agent %s failed", ctx.agent_name)
        return None


async def agent_failed(ctx: InvocationContext, error: Exception) -> None:
    """Tells the plugins that the agent's part has failed."""
    arguments = {"agent": ctx.agent, "callback_context": CallbackContext(ctx), "error": error}
    await ctx.plugins.tell("on_agent_error_callback", deadline_s=ctx.hook_deadline_s, **arguments)


async def surrounded(
    events: Callable[[], AsyncGenerator[Event, None]], ctx: InvocationContext
) -> AsyncGenerator[Event, None]:
    """The events of the agent's part of a text run, with what is said around it."""
    opening = await before_agent(ctx)
    if opening is not None:
        yield opening
        if opening.content is not None:
            ctx.end_invocation = True
            return
    try:
        async with aclosing(events()) as inner:
            async for event in inner:
                yield event
    except Exception as error:
        await agent_failed(ctx, error)
        raise
    except BaseException:  # cancelled or abandoned: nobody hears what is said
        await after_agent_quietly(ctx)
        raise
    closing = await after_agent(ctx)
    if closing is not None:
        yield closing


def is_awaited(ctx: InvocationContext) -> bool:
    """Whether anybody has a say before the agent's part begins."""
    return bool(as_list(ctx.agent.before_agent_callback)) or ctx.plugins.wants("before_agent_callback")


async def _around(ctx: InvocationContext, hook: str, callbacks: AgentCallbacks) -> Event | None:
    """Asks plugins, then callbacks; the event of what they said or changed, or None. Who runs the agent keeps it."""
    context = CallbackContext(ctx)
    content = await ctx.plugins.first(hook, agent=ctx.agent, callback_context=context)
    if content is None:
        content = await first_answer(callbacks, callback_context=context)
    if not content and not context.actions.state_delta:
        return None
    if content and not content.role:
        content = content.model_copy(update={"role": "model"})
    return Event(
        author=ctx.agent_name,
        invocation_id=ctx.invocation_id,
        content=content or None,
        actions=context.actions,
        branch=ctx.branch,
    )


async def _result(callback: Callback, arguments: dict[str, Any]) -> Any:
    names = inspect.signature(callback).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values())
    named = takes_any or arguments.keys() <= names.keys()
    result = callback(**arguments) if named else callback(*arguments.values())
    return await result if inspect.isawaitable(result) else result
