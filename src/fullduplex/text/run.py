"""One text run: what the user wrote is kept, the agent whose turn it is answers, and each event is kept, then shown."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.succession import caller_of, present_agent
from fullduplex.errors import FullduplexError, InvalidInput
from fullduplex.events import Event
from fullduplex.plugins import hooks
from fullduplex.text import approvals
from fullduplex.types.content import Content

logger = logging.getLogger(__name__)


async def run(
    ctx: InvocationContext, message: Content | None, state_delta: dict[str, Any] | None
) -> AsyncGenerator[Event, None]:
    """The events of the run, whose `ctx.agent` is the root.

    Raises `InvalidInput`, before anything is kept, for a message that a user cannot send. What fails later comes as an
    event first.
    """
    async with ctx.stop.working():
        ctx = await _prepared(ctx, message, state_delta or {})
    try:
        async with aclosing(_events(ctx)) as events:
            while (event := await _next(ctx, events)) is not None:
                yield event
    except Exception as error:
        code = error.code if isinstance(error, FullduplexError) else "internal"
        told = Event(author=ctx.agent_name, invocation_id=ctx.invocation_id, error_code=code, error_message=str(error))
        told.recoverable = False
        yield _marked(ctx, told)
        raise


async def _prepared(ctx: InvocationContext, message: Content | None, state_delta: dict[str, Any]) -> InvocationContext:
    """The context of the agent that answers, when what the user wrote is kept."""
    for name in ("save_input_blobs_as_artifacts", "support_cfc"):
        if getattr(ctx.run_config, name):
            logger.warning("%s has no effect: this version does not have it", name)
    if message is not None:
        _check(ctx, message)
        ctx.user_content = message = await hooks.user_message(ctx, _from_user(message))
    else:
        ctx.user_content = _earlier_message(ctx)
    if message is not None or state_delta:
        await _note(ctx, message, state_delta)
    return _begun(ctx)


async def _events(ctx: InvocationContext) -> AsyncGenerator[Event, None]:
    """What the agent says and does; what is whole is in the session by then."""
    async with aclosing(hooks.around(ctx, lambda: ctx.agent.run_async(ctx))) as events:
        async for event in events:
            yield await _kept(ctx, event)


async def _next(ctx: InvocationContext, events: AsyncGenerator[Event, None]) -> Event | None:
    async with ctx.stop.working():
        return await anext(events, None)


def _check(ctx: InvocationContext, message: Content) -> None:
    if not message.parts:
        raise InvalidInput("No parts in the new_message.", code="invalid_content", field="new_message.parts")
    if any(part.function_call is not None for part in message.parts):
        raise InvalidInput("User message cannot contain function calls.", code="invalid_content", field="new_message")
    approvals.check(ctx.session.events, message)
    called = {call.id for event in ctx.session.events for call in event.get_function_calls()}
    for answer in message.function_responses:
        if answer.id not in called:
            raise InvalidInput(
                f"the session has no call {answer.id!r} that this answers",
                code="invalid_content",
                field="new_message.parts.functionResponse.id",
            )


def _from_user(message: Content) -> Content:
    return message if message.role else message.model_copy(update={"role": "user"})


def _earlier_message(ctx: InvocationContext) -> Content | None:
    """What the user wrote last in a run that is gone on with."""
    for event in reversed(ctx.session.events):
        if event.invocation_id == ctx.invocation_id and event.author == "user" and event.content is not None:
            return approvals.from_record(event.content)
    return None


async def _note(ctx: InvocationContext, message: Content | None, state_delta: dict[str, Any]) -> None:
    content = approvals.recorded(ctx.session.events, message) if message is not None else None
    event = Event(author="user", invocation_id=ctx.invocation_id, content=content)
    event.actions.state_delta.update(state_delta)
    await ctx.session_service.append_event(ctx.session, _marked(ctx, event))


def _begun(ctx: InvocationContext) -> InvocationContext:
    """The context of the agent that answers: the one that made the call which the message answers, else the one that
    has the conversation. A workflow that waited for the user goes on where it waited."""
    events = ctx.session.events
    answered = {answer.id for answer in ctx.user_content.function_responses} if ctx.user_content is not None else set()
    caller = caller_of(ctx.agent, events, answered)
    if caller is None:
        return ctx.for_agent(present_agent(ctx.agent, events))
    if not approvals.decisions(events, ctx.user_content):
        return ctx.for_agent(caller)
    return dataclasses.replace(ctx, agent=approvals.whole_workflow(caller), resume_at=caller)


async def _kept(ctx: InvocationContext, event: Event) -> Event:
    """`event` as the app is to see it."""
    event = _marked(ctx, await hooks.seen(ctx, event))
    if event.partial:
        return event
    return await ctx.session_service.append_event(ctx.session, event)


def _marked(ctx: InvocationContext, event: Event) -> Event:
    if ctx.run_config.custom_metadata:
        event.custom_metadata = {**ctx.run_config.custom_metadata, **(event.custom_metadata or {})}
    return event
