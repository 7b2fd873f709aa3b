"""The tools that a model called in one answer: they run side by side, and answer in one event."""

from __future__ import annotations

import asyncio
import functools
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from fullduplex.agents.contexts import InvocationContext, ToolContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import StreamingMode
from fullduplex.agents.tool_calls import call_tool, requests_of, unknown_tool
from fullduplex.events import Event, EventActions
from fullduplex.text.together import together
from fullduplex.tools.answers import as_response, merged
from fullduplex.tools.base import BaseTool
from fullduplex.tools.running import stop
from fullduplex.tools.streaming import Update
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part

logger = logging.getLogger(__name__)

MAX_UPDATES = 1000

Call = tuple[FunctionCall, ToolContext]


class _Answer(NamedTuple):
    """What the tool of one call gave, and what it did besides."""

    number: int
    response: FunctionResponse
    actions: EventActions


class Tools:
    """The tools of one agent's turn. `event` makes an event of the turn from the fields given."""

    def __init__(
        self, ctx: InvocationContext, agent: LlmAgent, tools: Sequence[BaseTool], event: Callable[..., Event]
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._tools = {tool.name: tool for tool in tools if tool.declaration() is not None}
        self._event = event

    async def run(self, calls: Sequence[Call]) -> AsyncGenerator[Event, None]:
        """What happens while the tools run, then one event with their answers, in the order of the calls.

        On the way come, in a streamed run, what streaming tools yield (`partial`), and what the user is asked. A call
        that waits for the user has no answer yet, nor has one that takes long and gives nothing for now; if none has,
        there is no such event.
        """
        answers: list[_Answer] = []
        streams = [self._one(number, call, context) for number, (call, context) in enumerate(calls)]
        async with aclosing(together(streams)) as results:
            async for result in results:
                if isinstance(result, Event):
                    yield result
                else:
                    answers.append(result)
        answers.sort(key=lambda answer: answer.number)
        if answers:
            content = Content(role="user", parts=[Part(function_response=answer.response) for answer in answers])
            yield self._event(content=content, actions=merged(answer.actions for answer in answers))

    async def _one(
        self, number: int, call: FunctionCall, context: ToolContext
    ) -> AsyncGenerator[Event | _Answer, None]:
        tool = self._tools.get(call.name or "")
        result: Any = unknown_tool(call.name, self._tools)
        if tool is not None:
            updates = _Updates()
            running = functools.partial(call_tool, self._ctx, self._agent, tool, call.args or {}, context)
            async with aclosing(updates.of(running, streamed=self._is_streamed)) as found:
                async for update in found:
                    yield self._progress(update)
            result = updates.result
            if context.awaits_user:
                yield requests_of(call, context, new_id=lambda: str(uuid.uuid4()), event=self._event)
                return
            if result is None and tool.is_long_running:
                return
        result = self._with_known_target(result, context.actions)
        response = FunctionResponse(id=call.id, name=call.name, response=as_response(result, call.name or ""))
        yield _Answer(number, response, context.actions)

    @property
    def _is_streamed(self) -> bool:
        return self._ctx.run_config.streaming_mode is StreamingMode.SSE

    def _progress(self, update: Update) -> Event:
        """An update as the app sees it; no session keeps it."""
        if isinstance(update, Event):
            update.partial = True
            update.author = update.author or self._ctx.agent_name
            update.invocation_id = update.invocation_id or self._ctx.invocation_id
            return update
        return self._event(content=Content(role="user", parts=[Part(function_response=update)]), partial=True)

    def _with_known_target(self, result: Any, actions: EventActions) -> Any:
        """The tool's `result`; an error if the tool would hand the conversation over to an agent that is not there."""
        target = actions.transfer_to_agent
        if target is None or self._agent.root_agent.find_agent(target) is not None:
            return result
        actions.transfer_to_agent = None
        return {"error": f"There is no agent `{target}` to transfer to."}


class _Updates:
    """Runs a tool and gives what it tells on the way; `result` is what it gave in the end.

    A tool does not wait for whoever reads its updates: of too many that wait, the oldest is dropped.
    """

    def __init__(self) -> None:
        self.result: Any = None
        self._waiting: asyncio.Queue[Update | None] = asyncio.Queue(MAX_UPDATES)

    async def of(self, running: Callable[..., Any], *, streamed: bool) -> AsyncGenerator[Update, None]:
        task = asyncio.create_task(running(progress=self._add if streamed else None), name="tool")
        task.add_done_callback(lambda _: self._add(None))
        try:
            while (update := await self._waiting.get()) is not None:
                yield update
            self.result = task.result()
        finally:
            await stop(task)

    def _add(self, update: Update | None) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
            logger.warning("a streaming tool yields faster than it is read: an update is dropped")
        self._waiting.put_nowait(update)
