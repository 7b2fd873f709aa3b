"""Who is at work on a channel: one agent after another, as they hand over, and what their callbacks say around it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.callbacks import after_agent, after_agent_quietly, agent_failed, before_agent, is_awaited
from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.workflow import LoopAgent, ParallelAgent, SequentialAgent, WorkflowAgent
from fullduplex.events import Event
from fullduplex.live.channel import Channel
from fullduplex.live.director import Director
from fullduplex.live.handover import Handover
from fullduplex.live.hanging_up import Waited, unless_hung_up
from fullduplex.live.outcome import DONE, OVER, Ending, Outcome
from fullduplex.live.parallel import Parallel
from fullduplex.live.part import Part
from fullduplex.live.wiring import Wiring

_SKIPPED = Outcome(Ending.SKIPPED)


class Stage:
    """The agents of one channel. Those that have begun and not ended stand on a stack, the one at work on top.

    `is_first`: the first of them begins the run. `loops`: so many loops stand around all of them.
    """

    def __init__(
        self, ctx: InvocationContext, channel: Channel, wiring: Wiring, *, is_first: bool = True, loops: int = 0
    ) -> None:
        self._channel = channel
        self._wiring = wiring
        self._begun: list[InvocationContext] = []
        self._is_first = is_first
        self._loops = loops
        self._handover = Handover(
            channel,
            ctx.session,
            wiring.group,
            make=lambda agent: self._part(self._begun[-1].for_agent(agent), agent),
            may_prepare=lambda agent: not is_awaited(ctx.for_agent(agent)),
        )

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

    async def leave(self, error: Exception | None, bottom: int = 0) -> None:
        """The agents above `bottom` end before their time: because of `error`, or because nobody waits for more."""
        self._handover.close()
        while len(self._begun) > bottom:
            ctx = self._begun.pop()
            if error is not None:
                await agent_failed(ctx, error)
            else:
                self._show(await after_agent_quietly(ctx))

    async def _enter(self, ctx: InvocationContext) -> Outcome:
        async with self._unless_hung_up() as waited:
            opening = await before_agent(ctx)
            self._show(opening)
            if opening is not None:
                if opening.content is not None:
                    return _SKIPPED
                await self._channel.conversation.kept()  # the instruction may want the state as it is now
        if waited.hung_up:
            return OVER
        self._begun.append(ctx)
        return await (self._direct(ctx) if _is_directed(ctx.agent) else self._act(ctx))

    async def _end(self) -> None:
        self._show(await after_agent(self._begun.pop()))

    def _show(self, event: Event | None) -> None:
        if event is not None:
            self._channel.scribe.show(event)
            self._channel.conversation.release()

    # -- each kind of agent ---------------------------------------------------------------------------------------

    async def _act(self, ctx: InvocationContext) -> Outcome:
        agent = ctx.agent
        if isinstance(agent, LlmAgent):
            return await self._take_part(ctx, agent)
        if isinstance(agent, SequentialAgent):
            return await self._in_turn(ctx, agent.sub_agents)
        if isinstance(agent, LoopAgent):
            return await self._loop(ctx, agent)
        if isinstance(agent, ParallelAgent):
            self._is_first = False
            return await Parallel(ctx, self._channel, self._branch).play()
        raise NotImplementedError(f"{type(agent).__name__} does not run live")

    async def _take_part(self, ctx: InvocationContext, agent: LlmAgent) -> Outcome:
        if self._channel.queue.closed and not self._channel.uplink.unsent():
            return OVER
        async with self._unless_hung_up() as waited:
            part = await self._handover.take(agent) or await self._part(ctx, agent)
        return OVER if waited.hung_up else await part.play()

    def _unless_hung_up(self) -> AbstractAsyncContextManager[Waited]:
        return unless_hung_up(self._channel.queue, self._is_owed, self._wiring.settings.send_deadline_s)

    def _is_owed(self) -> bool:
        """Whether the user has said what the session would have to keep; sound that nobody hears any more is not."""
        return any(request.content or request.state_delta for request in self._channel.uplink.unsent())

    def _branch(self, ctx: InvocationContext, channel: Channel) -> Stage:
        """A stage for an agent that works beside others."""
        return Stage(ctx, channel, self._wiring, is_first=False, loops=self._loops)

    async def _direct(self, ctx: InvocationContext) -> Outcome:
        director = Director(
            ctx,
            self._channel,
            self._wiring.relay,
            play=self.play,
            act=self._act,
            leave=functools.partial(self.leave, bottom=len(self._begun)),
        )
        return await director.direct()

    async def _part(self, ctx: InvocationContext, agent: LlmAgent) -> Part:
        is_first, self._is_first = self._is_first, False
        return await Part.of(
            ctx,
            agent,
            self._channel,
            self._wiring,
            handover=self._handover,
            is_first=is_first,
            in_loop=self._loops > 0,
        )

    async def _in_turn(self, ctx: InvocationContext, agents: Sequence[BaseAgent]) -> Outcome:
        for agent in agents:
            outcome = await self.play(ctx.for_agent(agent))
            if outcome.ending is not Ending.COMPLETED:
                return outcome
        return DONE

    async def _loop(self, ctx: InvocationContext, loop: LoopAgent) -> Outcome:
        self._loops += 1
        try:
            return await self._rounds(ctx, loop)
        finally:
            self._loops -= 1

    async def _rounds(self, ctx: InvocationContext, loop: LoopAgent) -> Outcome:
        rounds = 0
        while loop.sub_agents and (loop.max_iterations is None or rounds < loop.max_iterations):
            outcome = await self._in_turn(ctx, loop.sub_agents)
            if outcome.ending is not Ending.COMPLETED:
                return OVER if outcome.ending is Ending.OVER else DONE
            rounds += 1
            await asyncio.sleep(0)  # rounds in which every agent is skipped wait for nothing else
        return DONE


def _is_directed(agent: BaseAgent) -> bool:
    """Whether it is the developer's own code that says how the agent works."""
    own = type(agent)._run_live_impl
    return own not in (LlmAgent._run_live_impl, WorkflowAgent._run_live_impl)
