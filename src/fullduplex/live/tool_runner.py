"""Runs the tools that the model calls, side by side and off the receive path, and brings their answers back.

A tool's failure is an answer to the model, not the end of the call. Which answer leaves when is decided in
`turns.ledger`; what the user is asked is in `approvals`, and tools that go on speaking up are in `streams`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.tool_calls import Run, call_tool, internal_error, resumed, unknown_tool
from fullduplex.events import Event, EventActions
from fullduplex.live.approvals import Approvals, owner_of
from fullduplex.live.streams import Streams
from fullduplex.tools.answers import as_response, merged
from fullduplex.tools.base import BaseTool
from fullduplex.tools.context import ToolContext
from fullduplex.tools.running import attempt, guard
from fullduplex.tools.streaming import STOP
from fullduplex.turns.ledger import Group, Ledger, are_silent
from fullduplex.types.config import FunctionResponseScheduling
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.live import LiveServerToolCallCancellation

logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a tool gave, and what it did besides."""

    response: FunctionResponse
    actions: EventActions


class ToolRunner:
    """The tools of one agent's part. `show` takes the event with the answers, `answer` sends them to the model.

    `update` tells the model what a streaming tool says, and returns when that has left. `called` is told of the calls
    that begin, `acted` of each event with answers once it was shown. `settled` is called when the model waits no more,
    and has been told nothing that it would speak of.
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
        update: Callable[[Content], Awaitable[None]],
        new_id: Callable[[], str] = Event.new_id,
        called: Callable[[list[FunctionCall]], None] = lambda _: None,
        acted: Callable[[Event], None] = lambda _: None,
        settled: Callable[[], None] = lambda: None,
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
        self._settled = settled
        self._ledger = Ledger()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._blocking: set[str] = set()
        self._askers: dict[str, str] = {}  # of calls that another agent made
        self._approvals = Approvals(session=ctx.session, event=event, show=show, new_id=new_id)
        self._streams = Streams(ctx=ctx, agent=agent, group=group, event=event, show=self._show_and_act, tell=update)
        pool = ctx.run_config.tool_thread_pool_config
        self._threads = asyncio.Semaphore(pool.max_workers) if pool else None

    @property
    def awaited(self) -> frozenset[str]:
        """Ids of the calls for whose answers the model waits before it goes on."""
        return frozenset(self._blocking)

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the calls that are to be answered and for which the model does not wait."""
        return frozenset(call.id or "" for call in self._ledger.unanswered) - self._blocking

    def start(self, calls: list[FunctionCall]) -> None:
        """Starts the tools of one message. Their answers leave together when the last is done; those of tools that do
        not block the model, each by itself."""
        for call in self._ledger.called(calls, apart=self._is_apart):
            self._begin(call, self._tool(call), self._agent, ToolContext(self._ctx, function_call_id=call.id))
        self._called(calls)

    def take(self, content: Content) -> Content | None:
        """What the user decided is done; gives the rest of `content`, which is for the model.

        Raises `InvalidInput` for a decision that nobody waits for.
        """
        decisions, rest = self._approvals.take(content)
        for request, answer in decisions:
            self._ledger.called([request.call])  # of an earlier run, perhaps
            owner = owner_of(self._agent, request.call, self._ctx.session.events)
            agent, tool = owner or (self._agent, self._tool(request.call))
            self._begin(request.call, tool, agent, resumed(self._ctx.for_agent(agent), request, answer))
        return rest

    def cancel(self, call_ids: list[str]) -> None:
        """Stops tools whose answers the model no longer wants; nothing is sent for them."""
        stopped, complete = self._ledger.cancelled(call_ids)
        waited = not self._blocking.isdisjoint(stopped)
        self._blocking.difference_update(stopped)
        for call_id in stopped:
            if task := self._tasks.get(call_id):
                task.cancel()
        self._streams.cancel(call_ids)
        self._approvals.withdraw(stopped)
        for group in complete:
            self._send(group)
        if waited and not self._blocking and not any(group.in_order() for group in complete):
            self._settled()

    def interrupted(self) -> None:
        """The user interrupts the agent: tools that are to end with that are cancelled, as if the model had done it."""
        waiting = self._ledger.unanswered
        ids = [call.id or "" for call in waiting if (tool := self._tool(call)) and tool.on_interrupt == "cancel"]
        ids += self._streams.interrupted()
        if ids:
            self._show(self._event(tool_call_cancellation=LiveServerToolCallCancellation(ids=ids)))
            self.cancel(ids)

    async def drain(self, deadline_s: float) -> None:
        """Lets running tools finish, for `deadline_s` seconds at most, then cancels them; streams end at once."""
        await self._streams.close()
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=deadline_s)
        if self._tasks:
            logger.warning("cancelled at the end of the run: %s", ", ".join(t.get_name() for t in self._tasks.values()))
            self.cancel(list(self._tasks))

    def _tool(self, call: FunctionCall) -> BaseTool | None:
        return self._tools.get(call.name or "")

    def _is_apart(self, call: FunctionCall) -> bool:
        tool = self._tool(call)
        return tool is not None and not (tool.blocks or tool.is_long_running)

    def _begin(self, call: FunctionCall, tool: BaseTool | None, agent: LlmAgent, context: ToolContext) -> None:
        key = call.id or ""
        if tool is None or tool.blocks:
            self._blocking.add(key)
        if agent is not self._agent:
            self._askers[key] = agent.name
        work = self._run(call, tool, agent, context)
        self._tasks[key] = task = self._group.create_task(work, name=f"tool {call.name}")
        task.add_done_callback(functools.partial(self._ended, key))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        if task.cancelled():  # when a run is torn down, what was done beside this call goes on record all the same
            self.cancel([key])

    async def _run(self, call: FunctionCall, tool: BaseTool | None, agent: LlmAgent, context: ToolContext) -> None:
        if tool is None:
            result: Any = unknown_tool(call.name, self._tools)
        else:
            # In a task of its own: a tool that does not let itself be stopped is left behind.
            work = self._call(call, tool, agent, context)
            result = await guard(asyncio.create_task(work, name=f"code of tool {tool.name}"))
            if context.awaits_user:
                self._ask(call, context)
                return
            if result is None and tool.is_long_running:
                self.cancel([call.id or ""])
                return
        response = FunctionResponse(id=call.id, name=call.name, response=as_response(result, call.name or ""))
        if context.actions.skip_summarization:
            response.scheduling = FunctionResponseScheduling.SILENT.value
        elif tool is not None and tool.response_scheduling is not None:
            response.scheduling = tool.response_scheduling.value
        if self._streams.is_ready(call.id or ""):
            response.will_continue = True
        group = self._ledger.answered(call.id or "", Answer(response, context.actions))
        if group is not None:
            self._send(group)

    async def _call(self, call: FunctionCall, tool: BaseTool, agent: LlmAgent, context: ToolContext) -> Any:
        args = call.args or {}
        run = self._way(tool, call, context)
        outcome = await attempt(lambda: call_tool(self._ctx.for_agent(agent), agent, tool, args, context, run=run))
        # A callback that fails is no reason to run the tool, nor to end the call.
        return outcome.result if outcome.error is None else internal_error(tool, outcome.error)

    def _way(self, tool: BaseTool, call: FunctionCall, context: ToolContext) -> Run | None:
        """How a tool runs in a live run, if in no plain way."""
        args = call.args or {}
        if tool.is_streaming:
            return functools.partial(self._streams.prepare, tool, call)
        if tool.name == STOP:
            return functools.partial(self._streams.stop, str(args.get("function_name")))
        if self._threads is not None and tool.takes_thread:
            return functools.partial(self._in_pool, self._threads, tool, args, context)
        return None

    async def _in_pool(
        self, threads: asyncio.Semaphore, tool: BaseTool, args: dict[str, Any], context: ToolContext
    ) -> Any:
        async with threads:
            return await tool.run_async(args=args, tool_context=context)

    def _ask(self, call: FunctionCall, context: ToolContext) -> None:
        """The call stays without an answer until the user has decided; those beside it are answered without it."""
        self._approvals.ask(call, context)
        if (group := self._ledger.part(call.id or "")) is not None:
            self._send(group)

    def _send(self, group: Group) -> None:
        answers: list[Answer] = [answer for _, answer in group.in_order()]
        if not answers:
            return
        parts = [Part(function_response=answer.response) for answer in answers]
        content = Content(role="user", parts=parts)
        ids = {call.id or "" for call in group.calls}
        waited = not self._blocking.isdisjoint(ids)
        self._blocking -= ids
        author = self._askers.pop(answers[0].response.id or "", self._agent.name)
        actions = merged([answer.actions for answer in answers])
        self._show_and_act(self._event(author=author, content=content, actions=actions))
        self._answer(content)
        for call in group.calls:
            self._streams.begin(call.id or "")
        if waited and not self._blocking and are_silent(answer.response for answer in answers):
            self._settled()

    def _show_and_act(self, event: Event) -> None:
        self._show(event)
        self._acted(event)
