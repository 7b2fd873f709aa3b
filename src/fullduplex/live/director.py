"""Agents of the developer's own in a live run: subclasses that say in `_run_live_impl` which agents work when.

They run others by `agent.run_live(ctx)` and yield what they are given. Events of an agent that they run are in the
session by then, so that only what they yield themselves is kept here.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from fullduplex.agents.contexts import InvocationContext
from fullduplex.events import Event
from fullduplex.live.channel import Channel
from fullduplex.live.outbox import Outbox
from fullduplex.live.outcome import DONE, OVER, Ending, Outcome
from fullduplex.live.relay import Relay
from fullduplex.live.unwinding import first_error, stop
from fullduplex.plugins import hooks
from fullduplex.turns.journal import is_kept

_REMEMBERED = 10_000
"""So many events may an agent keep back and yield later on."""

Play = Callable[[InvocationContext], Awaitable[Outcome]]


class _Run(NamedTuple):
    task: asyncio.Task[Outcome]
    box: Outbox


class Director:
    """The engine that such an agent is given. `play` plays another agent, `act` the agent's own part if it has one.

    `leave` ends the parts that a run leaves unfinished.
    """

    def __init__(
        self,
        ctx: InvocationContext,
        channel: Channel,
        relay: Relay,
        *,
        play: Play,
        act: Play,
        leave: Callable[[Exception | None], Awaitable[None]],
    ) -> None:
        self._ctx = dataclasses.replace(ctx, engine=self)
        self._channel = channel
        self._relay = relay
        self._play = play
        self._act = act
        self._leave = leave
        self._passed: dict[str, None] = {}
        self._runs: list[_Run] = []
        self._escalated = False

    async def direct(self) -> Outcome:
        """The agent's part, to its end."""
        below = self._relay.box(self._ctx.branch)
        try:
            async with aclosing(self._ctx.agent._run_live_impl(self._ctx)) as events:
                async for event in events:
                    if event.id in self._passed:
                        del self._passed[event.id]
                    else:
                        event = await self._kept(event)
                        self._escalated |= bool(event.actions.escalate)
                    below.put(event)
        finally:
            while self._runs:  # the agent left one of its loops without closing what it looped over
                await self._end(self._runs[-1])
        if self._channel.queue.closed or self._ctx.end_invocation:
            return OVER
        return Outcome(Ending.ESCALATED) if self._escalated else DONE

    async def run(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The events of `ctx.agent`, run within this agent's part."""
        await self._channel.conversation.kept()
        play = self._act if ctx.agent is self._ctx.agent else self._play
        run = _Run(asyncio.create_task(self._whole(play(ctx))), self._relay.open(ctx.branch))
        run.task.add_done_callback(lambda _: run.box.end())
        self._runs.append(run)
        try:
            while (event := await run.box.get()) is not None:
                self._passed[event.id] = None
                if len(self._passed) > _REMEMBERED:
                    del self._passed[next(iter(self._passed))]
                yield event
            if (error := run.task.exception()) is not None:
                raise first_error(error)
            self._escalated |= run.task.result().ending is Ending.ESCALATED
        finally:
            await self._end(run)

    async def _whole(self, play: Awaitable[Outcome]) -> Outcome:
        outcome = await play
        await self._channel.conversation.kept()
        return outcome

    async def _end(self, run: _Run) -> None:
        if run not in self._runs:
            return
        self._runs.remove(run)
        self._relay.close(run.box)
        await stop(run.task)
        failed = run.task.exception() if not run.task.cancelled() else None
        await self._leave(failed if isinstance(failed, Exception) else None)
        self._passed.clear()

    async def _kept(self, event: Event) -> Event:
        """`event`, which the agent made itself, as the session has it."""
        event = await hooks.seen(self._ctx, event)
        if is_kept(event):
            self._channel.scribe.note(event)
            await self._channel.conversation.kept()
        return event
