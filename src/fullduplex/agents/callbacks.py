"""What an agent's owner has called around its part of a run, its model and its tools (spec/live.md §1.2, §1.3).

A callback is given its arguments by name (by position where its names are others), and may be async. Of several the
first that returns something has the last word. Changes of state go into the event that follows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fullduplex.events import Event
from fullduplex.plugins.hooks import kept
from fullduplex.tools.context import CallbackContext
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


async def surrounded(
    events: Callable[[], AsyncGenerator[Event, None]],
    ctx: InvocationContext,
    *,
    before: Sequence[AgentCallback],
    after: Sequence[AgentCallback],
) -> AsyncGenerator[Event, None]:
    """The agent's `events`, with what the callbacks say around them. Content of a `before` stands in their place.

    When the run is cancelled or abandoned the `after` callbacks run all the same; nobody hears what they say.
    """
    opening = await _call(before, ctx)
    if opening is not None:
        yield opening
        if opening.content is not None:
            ctx.end_invocation = True
            return
    try:
        async with aclosing(events()) as inner:
            async for event in inner:
                yield event
    except BaseException as error:
        if not isinstance(error, Exception):  # cancelled or abandoned; a run that failed has no after
            await _call_quietly(after, ctx)
        raise
    closing = await _call(after, ctx)
    if closing is not None:
        yield closing


async def _call(callbacks: Sequence[AgentCallback], ctx: InvocationContext) -> Event | None:
    """Calls one after another; the event of what they said or changed, or None."""
    context = CallbackContext(ctx)
    content = None
    for callback in callbacks:
        content = await _result(callback, {"callback_context": context})
        if content:
            break
    if not content and not context.actions.state_delta:
        return None
    if content is not None and not content.role:
        content = content.model_copy(update={"role": "model"})
    event = Event(
        author=ctx.agent_name,
        invocation_id=ctx.invocation_id,
        content=content or None,
        actions=context.actions,
        branch=ctx.branch,
    )
    return await kept(ctx, event)


async def _call_quietly(callbacks: Sequence[AgentCallback], ctx: InvocationContext) -> None:
    try:
        await _call(callbacks, ctx)
    except Exception:  # the boundary of the developer's code: the run ends as it was about to
        logger.exception("a callback after agent %s failed", ctx.agent_name)


async def _result(callback: Callback, arguments: dict[str, Any]) -> Any:
    names = inspect.signature(callback).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values())
    named = takes_any or arguments.keys() <= names.keys()
    result = callback(**arguments) if named else callback(*arguments.values())
    return await result if inspect.isawaitable(result) else result
