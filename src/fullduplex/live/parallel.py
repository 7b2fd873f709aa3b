"""The agents of a `ParallelAgent` in a live run: all of them hear the user, and one speaks at a time.

Each has a channel of its own that branches off. What the user says goes to all of them, and is kept once: as it was
typed, or as the first of them that is still at work has heard it. Who speaks when is decided in `turns.floor`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from fullduplex.agents.base import BaseAgent
from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import FullduplexError, InvalidInput
from fullduplex.live.channel import Channel
from fullduplex.live.gate import Gate
from fullduplex.live.line import Line, Take
from fullduplex.live.outcome import DONE, OVER, Ending, Outcome
from fullduplex.live.unwinding import stop
from fullduplex.live.uplink import Noted
from fullduplex.live.upstream import check
from fullduplex.requests import LiveRequest, LiveRequestQueue
from fullduplex.turns.floor import Floor, Kind, Said
from fullduplex.turns.media_queue import audio_seconds
from fullduplex.types.live import LiveServerContent, LiveServerMessage

logger = logging.getLogger(__name__)

Message = tuple[Take, Line, LiveServerMessage]
"""A message, and who is to take it."""


class Playable(Protocol):
    """What plays an agent on a channel: a stage."""

    async def play(self, ctx: InvocationContext) -> Outcome:
        """Plays `ctx.agent`."""

    async def leave(self, error: Exception | None) -> None:
        """Ends what is left of it."""


class Child(Gate):
    """One of the agents, with its channel and its stage. It has to ask for the floor."""

    def __init__(self, ctx: InvocationContext, agent: BaseAgent, trunk: Channel, group: Parallel) -> None:
        self.branch = ctx.branch_of(agent)
        self.ctx = dataclasses.replace(ctx, agent=agent, branch=self.branch, live_request_queue=LiveRequestQueue())
        self._group = group
        self.channel = trunk.branch(self.ctx, self)
        self.stage = group.make_stage(self.ctx, self.channel)

    def rest(self) -> list[Noted]:
        """What the user said and nobody has answered, for whoever comes next."""
        given, unsent = self.channel.uplink.give_up()
        queue = self.channel.queue
        while queue.qsize():
            unsent.append(queue.take())
        return given + [Noted(one) for one in unsent if not (one.close or self.channel.answers.is_own(one))]

    def admit(self, take: Take) -> Take:
        """See `Gate`."""
        return functools.partial(self._group.admit, self.branch, take)

    def broken_off(self) -> None:
        """See `Gate`."""
        self._group.broken_off(self.branch)

    def hears(self) -> bool:
        """See `Gate`."""
        return self._group.is_ear(self)

    def may_speak(self) -> bool:
        """See `Gate`."""
        return self._group.holder in (None, self.branch)


class Parallel:
    """One part of a `ParallelAgent`, on the channel `trunk`."""

    def __init__(
        self, ctx: InvocationContext, trunk: Channel, make_stage: Callable[[InvocationContext, Channel], Playable]
    ) -> None:
        self.make_stage = make_stage
        self._session = ctx.session
        self._trunk = trunk
        self._floor: Floor[Message] = trunk.floor or Floor()
        trunk.floor = self._floor
        self._dropped = 0
        self._children = [Child(ctx, agent, trunk, self) for agent in ctx.agent.sub_agents]
        for child in self._children:
            child.channel.floor = self._floor
        self._active: dict[asyncio.Task[Outcome], Child] = {}

    async def play(self) -> Outcome:
        """All of them, until the last has ended or one escalates."""
        given, unsent = self._trunk.uplink.give_up()
        for child in self._children:
            child.channel.uplink.take_up(given)
        self._trunk.branches = [child.channel for child in self._children]
        self._trunk.interrupt = self._hush
        self._trunk.is_begun = True
        with ExitStack() as until_the_end:
            for child in self._children:
                until_the_end.enter_context(child.channel.queue.asides(child.channel.aside))
            return await self._play(unsent)

    async def _play(self, unsent: list[LiveRequest]) -> Outcome:
        pump = asyncio.create_task(self._pump(unsent), name="input for all agents")
        self._active = {asyncio.create_task(one.stage.play(one.ctx), name=one.branch): one for one in self._children}
        tasks = list(self._active)
        error: Exception | None = None
        try:
            return await self._wait(pump)
        except Exception as failure:
            error = failure
            raise
        finally:
            await stop(pump, *tasks)
            self._trunk.branches = []
            for child in self._children:
                await child.stage.leave(error)

    async def _wait(self, pump: asyncio.Task[None]) -> Outcome:
        endings: set[Ending] = set()
        last = None
        while self._active:
            await asyncio.wait({pump, *self._active}, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
            for task in [task for task in self._active if task.done()]:
                last = self._active.pop(task)
                endings.add(task.result().ending)
                self._pass(self._floor.leave(last.branch))
            if Ending.ESCALATED in endings:
                break
        if last is not None and not self._trunk.queue.closed:
            self._trunk.uplink.take_up(last.rest())
        if Ending.ESCALATED in endings:
            return Outcome(Ending.ESCALATED)
        return OVER if endings == {Ending.OVER} else DONE

    # -- up ---------------------------------------------------------------------------------------------------------

    async def _pump(self, unsent: list[LiveRequest]) -> None:
        """Gives every agent what the user says, `unsent` first."""
        while True:
            request = unsent.pop(0) if unsent else await self._trunk.queue.get()
            if request.close:
                for child in self._children:
                    child.channel.queue.close()
                await asyncio.get_running_loop().create_future()
            if self._trunk.answers.is_own(request):
                continue  # of a tool of the agent before, which the session tells of
            try:
                self._distribute(request)
            except InvalidInput as error:
                self._trunk.warn(error)

    def _distribute(self, request: LiveRequest) -> None:
        if request.content is not None:
            check(request.content)
        event_id = self._trunk.uplink.known(request)
        if event_id is None and (event := self._trunk.upstream.noteworthy(request)) is not None:
            self._trunk.note(event)
            event_id = event.id
        for child in self._addressees(request):
            if event_id is not None:
                child.channel.uplink.expect(request, event_id)
            child.channel.queue.send(request)

    def _addressees(self, request: LiveRequest) -> list[Child]:
        """Whom a request is for: all, or the one that made the call which it answers."""
        active = list(self._active.values())
        answers = request.content.function_responses if request.content is not None else []
        if not answers:
            return active
        answered = {answer.id for answer in answers}
        for event in reversed(self._session.events):
            if event.branch and any(call.id in answered for call in event.get_function_calls()):
                return [child for child in active if f"{event.branch}.".startswith(f"{child.branch}.")]
        return active

    # -- down -------------------------------------------------------------------------------------------------------

    def is_ear(self, child: Child) -> bool:
        """Whether what `child` hears of the user is what is told of it."""
        return self._trunk.gate.hears() and next(iter(self._active.values()), child) is child

    @property
    def holder(self) -> str | None:
        """The branch that has the floor."""
        return self._floor.holder

    def admit(self, speaker: str, take: Take, line: Line, message: LiveServerMessage) -> None:
        """Has `take` called with a message of the speaker's model, when the floor is the speaker's."""
        if message.go_away is not None:  # of the line, which will not wait
            take(line, LiveServerMessage(go_away=message.go_away))
            message = message.model_copy(update={"go_away": None})
        kind, seconds = _kind(message)
        self._pass(self._floor.take(speaker, (take, line, message), kind, seconds))
        if self._floor.dropped > self._dropped:
            self._dropped = self._floor.dropped
            late = "an agent waited too long for the floor: the rest of what it was saying is dropped"
            self._trunk.warn(FullduplexError(late, code="floor_taken"))

    def broken_off(self, speaker: str) -> None:
        """The speaker's line is gone."""
        self._pass(self._floor.leave(speaker))

    def _hush(self) -> None:
        self._pass(self._floor.hush())

    def _pass(self, said: list[Said[Message]]) -> None:
        for (take, line, message), quiet in said:
            take(line, _without_interruption(message) if quiet else message)


def _kind(message: LiveServerMessage) -> tuple[Kind, float]:
    """What a message is to the floor, and its seconds of sound."""
    content = message.server_content
    if content is None:
        return Kind.OTHER, 0.0
    if content.turn_complete:
        return Kind.END, 0.0
    if content.interrupted:
        return Kind.INTERRUPTION, 0.0
    parts = content.model_turn.parts or [] if content.model_turn is not None else []
    blobs = [part.inline_data for part in parts if part.inline_data is not None]
    speaks = bool(parts) or content.output_transcription is not None or content.generation_complete
    return (Kind.SPEECH if speaks else Kind.OTHER), sum(
        audio_seconds(len(one.data or b""), one.mime_type) for one in blobs
    )


def _without_interruption(message: LiveServerMessage) -> LiveServerMessage:
    content = message.server_content or LiveServerContent()
    return message.model_copy(update={"server_content": content.model_copy(update={"interrupted": None})})
