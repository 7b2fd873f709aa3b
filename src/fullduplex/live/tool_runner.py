"""Runs the tools that the model calls, side by side and off the receive path, and brings their answers back.

A tool's failure is an answer to the model, not the end of the call. Which answer leaves when is decided in
`turns.ledger`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.events import Event, EventActions
from fullduplex.live.unwinding import cancelled_from_outside
from fullduplex.tools.answers import as_response, merged
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.turns.ledger import Group, Ledger
from fullduplex.types.config import Behavior
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part

logger = logging.getLogger(__name__)

STOP_DEADLINE_S = 1.0


class Answer(NamedTuple):
    """What a tool gave, and what it did besides."""

    response: FunctionResponse
    actions: EventActions


class ToolRunner:
    """The tools of one agent's part. `show` takes the event with the answers, `answer` sends them to the model.

    `called` is told of the calls that begin, `acted` of each event with answers once it was shown.
    """

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        agent: LlmAgent,
        tools: list[BaseTool],
        group: asyncio.TaskGroup,
        event: Callable[..., Event],
        show: Callable[[Event], None],
        answer: Callable[[Content], None],
        called: Callable[[list[FunctionCall]], None] = lambda _: None,
        acted: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._tools = {tool.name: tool for tool in tools if tool.declaration() is not None}
        self._group = group
        self._event = event
        self._show = show
        self._answer = answer
        self._called = called
        self._acted = acted
        self._ledger = Ledger()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._awaited: set[str] = set()
        pool = ctx.run_config.tool_thread_pool_config
        self._threads = asyncio.Semaphore(pool.max_workers) if pool else None

    @property
    def awaited(self) -> frozenset[str]:
        """Ids of the calls for whose answers the model waits before it goes on."""
        return frozenset(self._awaited)

    def start(self, calls: list[FunctionCall]) -> None:
        """Starts the tools of one message; their answers leave together when the last is done."""
        for call in self._ledger.called(calls):
            key = call.id or ""
            tool = self._tools.get(call.name or "")
            if tool is None or not (tool.is_long_running or tool.behavior is Behavior.NON_BLOCKING):
                self._awaited.add(key)
            self._tasks[key] = task = self._group.create_task(self._run(call), name=f"tool {call.name}")
            task.add_done_callback(functools.partial(self._forget, key))
        self._called(calls)

    def cancel(self, call_ids: list[str]) -> None:
        """Stops tools whose answers the model no longer wants; nothing is sent for them."""
        stopped, complete = self._ledger.cancelled(call_ids)
        for call_id in stopped:
            if task := self._tasks.get(call_id):
                task.cancel()
        for group in complete:
            self._send(group)

    async def drain(self, deadline_s: float) -> None:
        """Lets running tools finish, for `deadline_s` seconds at most, then cancels them."""
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=deadline_s)
        if self._tasks:
            logger.warning("cancelled at the end of the run: %s", ", ".join(t.get_name() for t in self._tasks.values()))
            self.cancel(list(self._tasks))

    def _forget(self, key: str, _: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        self._awaited.discard(key)

    async def _run(self, call: FunctionCall) -> None:
        context = ToolContext(self._ctx, function_call_id=call.id)
        tool = self._tools.get(call.name or "")
        if tool is None:
            known = ", ".join(self._tools) or "none"
            result: Any = {"error": f"There is no tool `{call.name}`. The tools that can be called: {known}."}
        else:
            result = await self._guarded(tool, call, context)
            if result is None and tool.is_long_running:
                self.cancel([call.id or ""])
                return
        response = FunctionResponse(id=call.id, name=call.name, response=as_response(result, call.name or ""))
        if tool is not None and tool.response_scheduling is not None:
            response.scheduling = tool.response_scheduling.value
        group = self._ledger.answered(call.id or "", Answer(response, context.actions))
        if group is not None:
            self._send(group)

    async def _guarded(self, tool: BaseTool, call: FunctionCall, context: ToolContext) -> Any:
        """The tool's result. The tool has a task of its own: one that does not let itself be stopped is left behind."""
        task = asyncio.create_task(self._call(tool, call, context), name=f"code of tool {tool.name}")
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_DEADLINE_S)
            if not task.done():
                logger.error("tool %s does not stop when it is cancelled; it is left behind", tool.name)
            raise
        return task.result()

    async def _call(self, tool: BaseTool, call: FunctionCall, context: ToolContext) -> Any:
        try:
            if self._threads is None or not tool.takes_thread:
                return await tool.run_async(args=call.args or {}, tool_context=context)
            async with self._threads:
                return await tool.run_async(args=call.args or {}, tool_context=context)
        except (KeyboardInterrupt, GeneratorExit):
            raise  # these are not the tool's: the program is told to end
        except BaseException as error:  # the boundary of the developer's code: its failure is an answer
            if isinstance(error, asyncio.CancelledError) and cancelled_from_outside():
                raise
            logger.exception("tool %s failed", tool.name)
            # The kind of the error and no more: its text may hold what neither model nor user should read.
            return {"error": f"Invoking `{tool.name}()` failed with an internal error ({type(error).__name__})."}

    def _send(self, group: Group) -> None:
        answers: list[Answer] = [answer for _, answer in group.in_order()]
        if not answers:
            return
        parts = [Part(function_response=answer.response) for answer in answers]
        content = Content(role="user", parts=parts)
        self._show(self._event(content=content, actions=merged([answer.actions for answer in answers])))
        self._answer(content)
