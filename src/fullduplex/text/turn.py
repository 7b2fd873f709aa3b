"""One agent's part of a text run: its model is asked until an answer calls for nothing more."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fullduplex.agents.contexts import CallbackContext, InvocationContext, ReadonlyContext, ToolContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.tool_calls import resumed
from fullduplex.events import Event
from fullduplex.models.text import TextModel
from fullduplex.text.answer_tool import AnswerTool
from fullduplex.text.approvals import awaits_user, decisions
from fullduplex.text.asking import ask
from fullduplex.text.calls import Call, Tools
from fullduplex.text.output import settle_output
from fullduplex.text.request import request_for
from fullduplex.tools.base import BaseTool
from fullduplex.types.content import Content, FunctionCall, Part

_SHARED = (
    "content",
    "partial",
    "usage_metadata",
    "finish_reason",
    "error_code",
    "error_message",
    "grounding_metadata",
    "model_version",
)


class Turn:
    """The turn of `agent` on `model`."""

    def __init__(self, ctx: InvocationContext, agent: LlmAgent, model: TextModel) -> None:
        self._ctx = ctx
        self._agent = agent
        self._model = model
        self._tools: list[BaseTool] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is said and done, in order; each event is kept in the session before the next is made."""
        self._tools = await self._agent.all_tools(ReadonlyContext(self._ctx))
        if self._agent.output_schema is not None and self._tools and not self._model.takes_tools_with_schema:
            self._tools.append(AnswerTool(self._agent.output_schema))
        for toolset in self._agent.toolsets:
            if toolset.failure is not None:
                yield self._notice("tools_unavailable", toolset.failure)
        step = self._decided()
        goes_on = True
        while goes_on:
            goes_on = False
            async with aclosing(step or self._step()) as events:
                async for event in events:
                    yield event
                    goes_on = _goes_on(event)
            step = None
            if self._ctx.end_invocation or awaits_user(self._ctx.session.events, self._agent.name):
                return

    def _decided(self) -> AsyncGenerator[Event, None] | None:
        """What the tools do for which the user has decided now; None where nothing was to be decided."""
        decided = decisions(self._ctx.session.events, self._ctx.user_content, self._agent.name)
        calls = [(request.call, resumed(self._ctx, request, answer)) for request, answer in decided]
        return self._run(calls) if calls else None

    async def _step(self) -> AsyncGenerator[Event, None]:
        """One question to the model, and what the tools answer that it calls."""
        calls: list[FunctionCall] = []
        async with aclosing(self._answer()) as events:
            async for event in events:
                if not event.partial and not event.error_code:
                    calls += event.get_function_calls()
                yield event
        if calls:
            made = [(call, ToolContext(self._ctx, function_call_id=call.id)) for call in calls]
            async with aclosing(self._run(made)) as events:
                async for event in events:
                    yield event

    async def _run(self, calls: list[Call]) -> AsyncGenerator[Event, None]:
        tools = Tools(self._ctx, self._agent, self._tools, self._event)
        async with aclosing(tools.run(calls)) as events:
            async for event in events:
                yield event
                if event.actions.set_model_response is not None:
                    text = json.dumps(event.actions.set_model_response, ensure_ascii=False)
                    yield self._checked(self._event(content=Content(role="model", parts=[Part(text=text)])))

    async def _answer(self) -> AsyncGenerator[Event, None]:
        context = CallbackContext(self._ctx)
        request = await request_for(self._ctx, self._agent, self._model, self._tools)
        async with aclosing(ask(self._ctx, self._agent, self._model, request, context)) as responses:
            async for response in responses:
                event = self._event(**{name: getattr(response, name) for name in _SHARED})
                if not response.partial:
                    event.actions = context.actions
                    self._name_calls(event)
                yield self._checked(event)

    def _checked(self, event: Event) -> Event:
        settle_output(self._agent, event)
        return event

    def _name_calls(self, event: Event) -> None:
        """Gives calls that have no id one of ours, and notes which of them take long."""
        calls = event.get_function_calls()
        for call in calls:
            call.id = call.id or f"adk-{uuid.uuid4()}"
        if calls:
            long_running = {tool.name for tool in self._tools if tool.is_long_running}
            event.long_running_tool_ids = {call.id for call in calls if call.id and call.name in long_running}

    def _notice(self, code: str, message: str) -> Event:
        """What goes wrong while the turn goes on: for the app alone, and not the end of an answer."""
        return self._event(error_code=code, error_message=message, recoverable=True, partial=True)

    def _event(self, **fields: Any) -> Event:
        ctx = self._ctx
        return Event(invocation_id=ctx.invocation_id, author=ctx.agent_name, branch=ctx.branch, **fields)


def _goes_on(event: Event) -> bool:
    """Whether the model is asked again after this event."""
    actions = event.actions
    if event.error_code or actions.transfer_to_agent or actions.end_of_agent or actions.set_model_response is not None:
        return False
    return not event.is_final_response() and not event.partial
