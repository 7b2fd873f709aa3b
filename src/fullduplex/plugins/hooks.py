"""What plugins are asked around a run and its events; live runs and text runs both ask here.

The hooks around agents, models and tools are called where those are called.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from fullduplex.errors import PluginError
from fullduplex.events import Event
from fullduplex.types.content import Content
from fullduplex.types.struct import coerce

if TYPE_CHECKING:
    from fullduplex.agents.contexts import InvocationContext


def around(ctx: InvocationContext, events: Callable[[], AsyncGenerator[Event, None]]) -> AsyncGenerator[Event, None]:
    """A run's `events` with the plugins' hooks around them. Content of `before_run_callback` stands in their place.

    `after_run_callback` is called however the run ends, unless it fails: then `on_run_error_callback` is. In a run that
    ends before its time they have `ctx.hook_deadline_s` each.
    """
    return _around(ctx, events) if ctx.plugins.plugins else events()  # no layer for every chunk to go through


async def _around(
    ctx: InvocationContext, events: Callable[[], AsyncGenerator[Event, None]]
) -> AsyncGenerator[Event, None]:
    try:
        async with ctx.stop.working():
            opening = await ctx.plugins.first("before_run_callback", invocation_context=ctx)
            said = None if opening is None else await _said(ctx, opening)
        if said is not None:
            yield said
        else:
            async with aclosing(events()) as inner:
                async for event in inner:
                    yield event
    except BaseException as error:
        end = functools.partial(ctx.plugins.tell, deadline_s=ctx.hook_deadline_s, invocation_context=ctx)
        if isinstance(error, Exception) and not ctx.stop.is_quiet(error):
            await end("on_run_error_callback", error=error)
        else:  # cancelled, abandoned or stopped
            await end("after_run_callback")
        raise
    await ctx.plugins.tell("after_run_callback", invocation_context=ctx)


async def user_message(ctx: InvocationContext, content: Content) -> Content:
    """What the user wrote, as the plugins would have it."""
    if not ctx.plugins.wants("on_user_message_callback"):
        return content
    replaced = await ctx.plugins.first("on_user_message_callback", invocation_context=ctx, user_message=content)
    return content if replaced is None else coerce(Content, replaced)


async def seen(ctx: InvocationContext, event: Event) -> Event:
    """`event` as the plugins would have it kept and shown.

    One that takes its place keeps its id, by which players and the engine know it, and lacks neither run nor author.
    """
    if not ctx.plugins.wants("on_event_callback"):
        return event
    replaced = await ctx.plugins.first("on_event_callback", invocation_context=ctx, event=event)
    if replaced is None or replaced is event:
        return event
    if not isinstance(replaced, Event):
        raise PluginError(f"on_event_callback returns an Event or None, not {type(replaced).__name__}")
    origin = {"id": event.id, "invocation_id": event.invocation_id, "author": replaced.author or event.author}
    return replaced.model_copy(update=origin)


async def kept(ctx: InvocationContext, event: Event) -> Event:
    """`event`, made by a plugin or a callback, as the session has it. In a text run the runner keeps all events."""
    if ctx.live_request_queue is None:
        return event
    return await ctx.session_service.append_event(ctx.session, await seen(ctx, event))


async def _said(ctx: InvocationContext, content: Content) -> Event:
    event = Event(author="model", invocation_id=ctx.invocation_id, content=content)
    return await kept(ctx, event)
