"""The engine of text runs that the runner hands to agents: it finds the model, and who is next."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import InvocationContext, Transfer
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.workflow import WorkflowAgent
from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.models.base import LiveModel
from fullduplex.models.text import TextModel
from fullduplex.text import workflow
from fullduplex.text.turn import Turn


class TextEngine:
    """Runs agents in writing. `resolve` turns a model's name into a backend; each is made once."""

    def __init__(self, *, resolve: Callable[[str], TextModel]) -> None:
        self._resolve = resolve
        self._models: dict[str | LiveModel | TextModel, TextModel] = {}

    async def run(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of `ctx.agent`'s part of a run, and of those that it hands the conversation to."""
        if isinstance(ctx.agent, WorkflowAgent):
            events = workflow.run(dataclasses.replace(ctx, transfer=None))
        elif isinstance(ctx.agent, LlmAgent):
            events = self._converse(ctx, ctx.agent)
        else:
            raise InvalidConfig(f"agent `{ctx.agent_name}` has no model to run on")
        async with aclosing(events):
            async for event in events:
                yield event

    async def close(self) -> None:
        """Frees what the models keep open that were asked. They may be asked again."""
        for model in self._models.values():
            await model.close()

    async def _converse(self, ctx: InvocationContext, agent: LlmAgent) -> AsyncGenerator[Event, None]:
        """The agent's turn. The turns that it leads to are run by the first agent of them all, one after another:
        however often the conversation is handed over, no run stands within another."""
        is_first = ctx.transfer is None
        transfer = ctx.transfer or Transfer()
        if ctx.resume_at is not None and ctx.resume_at is not agent:
            transfer.agent = ctx.resume_at
        else:
            async with aclosing(Turn(ctx, agent, self._model(agent)).events()) as events:
                async for event in events:
                    yield event
                    if event.actions.transfer_to_agent:
                        transfer.agent = agent.root_agent.find_agent(event.actions.transfer_to_agent)
        while is_first and (following := transfer.agent) is not None:
            transfer.agent = None
            async with aclosing(following.run_async(_handed(ctx, following, transfer))) as events:
                async for event in events:
                    yield event

    def _model(self, agent: LlmAgent) -> TextModel:
        chosen = agent.canonical_text_model
        if chosen not in self._models:
            self._models[chosen] = self._made(chosen)
        return self._models[chosen]

    def _made(self, chosen: str | LiveModel | TextModel) -> TextModel:
        if isinstance(chosen, TextModel):
            return chosen
        return chosen.text_model() if isinstance(chosen, LiveModel) else self._resolve(chosen)


def _handed(ctx: InvocationContext, agent: BaseAgent, transfer: Transfer) -> InvocationContext:
    # An agent of another kind runs others itself: what they hand over is done where they stand.
    kept = transfer if isinstance(agent, LlmAgent) else None
    return dataclasses.replace(ctx, transfer=kept, resume_at=None)
