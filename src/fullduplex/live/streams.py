"""The streaming tools of a live run: each works in the background and tells the model what it yields.

A stream begins when the model has been told that its results are pending, and never before. It asks its tool for the
next value when the last has left, so that a lost line holds it up and nothing piles up.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.tool_calls import TooLate, failure, internal_error
from fullduplex.events import Event, EventActions
from fullduplex.requests import LiveRequestQueue
from fullduplex.tools.answers import as_response
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.tools.running import STOP_DEADLINE_S, Outcome, attempt, guard
from fullduplex.tools.streaming import PENDING, as_update
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part


@dataclass
class _Stream:
    tool: BaseTool
    call: FunctionCall
    watch: asyncio.Task[None] | None = None
    code: asyncio.Task[Outcome] | None = None
    over: bool = False
    """Whether nobody listens to it any more: what a tool yields that does not let itself be stopped is not told."""


class Streams:
    """The streams of one agent's part, by the id of their call. `tell` brings an update to the model."""

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        agent: LlmAgent,
        group: asyncio.TaskGroup,
        event: Callable[..., Event],
        show: Callable[[Event], None],
        tell: Callable[[Content], Awaitable[None]],
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._group = group
        self._event = event
        self._show = show
        self._tell = tell
        self._streams: dict[str, _Stream] = {}

    async def prepare(self, tool: BaseTool, call: FunctionCall) -> dict[str, str]:
        """Makes ready to begin; gives the answer to tell the model first."""
        self._streams[call.id or ""] = _Stream(tool, call)
        return dict(PENDING)

    def is_ready(self, call_id: str) -> bool:
        """Whether this call's stream waits for the model to be told of it."""
        return call_id in self._streams

    def begin(self, call_id: str) -> None:
        """Begins the stream of this call, if there is one."""
        stream = self._streams.get(call_id)
        if stream is not None and stream.watch is None:
            stream.watch = self._group.create_task(self._watch(stream), name=f"stream {stream.tool.name}")
            stream.watch.add_done_callback(lambda _: self._forget(stream))

    async def stop(self, name: str) -> dict[str, str]:
        """Stops all streams of the tool `name`; says how it went."""
        stopped = [stream for stream in self._streams.values() if stream.tool.name == name]
        if not stopped:
            return {"status": f"No active streaming function named {name} found"}
        if await self._end(stopped):
            return {"status": f"Successfully stopped streaming function {name}"}
        return {"status": f"The task is not cancelled yet for {name}."}

    def cancel(self, call_ids: list[str]) -> None:
        """Stops the streams of these calls."""
        for call_id in call_ids:
            if (stream := self._streams.get(call_id)) is not None:
                self._cancel(stream)

    def interrupted(self) -> list[str]:
        """The user interrupts: gives the ids of the streams that end with that."""
        return [key for key, stream in self._streams.items() if stream.tool.on_interrupt == "cancel"]

    async def close(self) -> None:
        """Stops all."""
        await self._end(list(self._streams.values()))

    async def _end(self, streams: list[_Stream]) -> bool:
        for stream in streams:
            self._cancel(stream)
        tasks = [task for stream in streams for task in (stream.code or stream.watch,) if task is not None]
        if not tasks:
            return True
        _, running = await asyncio.wait(tasks, timeout=STOP_DEADLINE_S)
        return not running

    def _cancel(self, stream: _Stream) -> None:
        stream.over = True
        if stream.watch is None:
            self._forget(stream)
        else:
            stream.watch.cancel()

    def _forget(self, stream: _Stream) -> None:
        stream.over = True
        self._streams.pop(stream.call.id or "", None)

    async def _watch(self, stream: _Stream) -> None:
        tool, call = stream.tool, stream.call
        context = ToolContext(self._ctx, function_call_id=call.id)
        with ExitStack() as until_the_end:
            inbox = None
            if tool.takes_input:
                inbox = LiveRequestQueue(reader=f"tool {tool.name}")
                until_the_end.enter_context(self._ctx.queue.copied(inbox))
            work = attempt(functools.partial(self._pump, stream, context, inbox))
            stream.code = asyncio.create_task(work, name=f"code of tool {tool.name}")
            try:
                error = (await guard(stream.code, deadline_s=tool.deadline_s)).error
            except TimeoutError:
                error = TooLate(tool)
        self._act(context)
        if error is not None:
            answer = await attempt(lambda: failure(self._ctx, self._agent, tool, call.args or {}, context, error))
            result = internal_error(tool, answer.error) if answer.error is not None else answer.result
            response = as_response(result, tool.name)
            await self._update(FunctionResponse(id=call.id, name=call.name, response=response), context)

    async def _pump(self, stream: _Stream, context: ToolContext, inbox: LiveRequestQueue | None) -> None:
        tool, call = stream.tool, stream.call
        async with aclosing(tool.stream(args=call.args or {}, tool_context=context, input_stream=inbox)) as values:
            async for value in values:
                if stream.over:
                    return
                update = as_update(value, call_id=call.id, name=tool.name)
                if isinstance(update, Event):
                    self._show_own(update)
                    continue
                if update.scheduling is None and tool.response_scheduling is not None:
                    update.scheduling = tool.response_scheduling.value
                await self._update(update, context)

    async def _update(self, update: FunctionResponse, context: ToolContext) -> None:
        """Tells the model, and shows the app; the session keeps only what the tool did besides."""
        content = Content(role="user", parts=[Part(function_response=update)])
        self._show(self._event(content=content, partial=True))
        self._act(context)
        await self._tell(content)

    def _act(self, context: ToolContext) -> None:
        if context.actions != EventActions():
            self._show(self._event(actions=context.take_actions()))

    def _show_own(self, event: Event) -> None:
        """Shows an event that the tool made, under this run's name."""
        event.invocation_id = event.invocation_id or self._ctx.invocation_id
        event.author = event.author or self._agent.name
        event.partial = True  # which no session keeps
        self._show(event)
