"""Who is at work on a channel: one agent after another, as they hand over, and what their callbacks say around it."""

from __future__ import annotations

from fullduplex.agents.callbacks import after_agent, after_agent_quietly, agent_failed, before_agent
from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.events import Event
from fullduplex.live.channel import Channel
from fullduplex.live.outcome import DONE, Ending, Outcome
from fullduplex.live.part import Part
from fullduplex.live.wiring import Wiring

_SKIPPED = Outcome(Ending.SKIPPED)


class Stage:
    """The agents of one channel. Those that have begun and not ended stand on a stack, the one at work on top."""

    def __init__(self, channel: Channel, wiring: Wiring) -> None:
        self._channel = channel
        self._wiring = wiring
        self._begun: list[InvocationContext] = []
        self._is_first = True

    async def play(self, ctx: InvocationContext) -> Outcome:
        """`ctx.agent`'s part, and the parts of those that it hands over to, however many.

        An agent that was handed the conversation and has done its task gives it back.
        """
        bottom = len(self._begun)
        outcome = await self._enter(ctx)
        while True:
            if outcome.target is not None:
                outcome = await self._enter(ctx.for_agent(outcome.target))
            elif outcome.ending is Ending.COMPLETED and len(self._begun) > bottom + 1:
                await self._end()
                outcome = await self._act(self._begun[-1])
            else:
                while len(self._begun) > bottom:
                    await self._end()
                return DONE if outcome is _SKIPPED else outcome

    async def leave(self, error: Exception | None) -> None:
        """The run ends before the agents have ended: because of `error`, or because nobody waits for more."""
        while self._begun:
            ctx = self._begun.pop()
            if error is not None:
                await agent_failed(ctx, error)
            else:
                self._show(await after_agent_quietly(ctx))

    async def _enter(self, ctx: InvocationContext) -> Outcome:
        opening = await before_agent(ctx)
        self._show(opening)
        if opening is not None:
            if opening.content is not None:
                return _SKIPPED
            await self._channel.conversation.kept()  # the instruction may want the state as it is now
        self._begun.append(ctx)
        return await self._act(ctx)

    async def _end(self) -> None:
        self._show(await after_agent(self._begun.pop()))

    async def _act(self, ctx: InvocationContext) -> Outcome:
        agent = ctx.agent
        if not isinstance(agent, LlmAgent):
            raise NotImplementedError(f"{type(agent).__name__} does not run live")
        is_first, self._is_first = self._is_first, False
        part = await Part.of(ctx, agent, self._channel, self._wiring, is_first=is_first, called=lambda _: None)
        return await part.play()

    def _show(self, event: Event | None) -> None:
        if event is not None:
            self._channel.scribe.show(event)
            self._channel.scribe.release()
