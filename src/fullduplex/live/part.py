"""One agent's part of a live run, played by its model: what it is told, its words, its tools, and the lines to it."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from fullduplex.agents.contexts import InvocationContext, ReadonlyContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.errors import AgentNotReady, FullduplexError, InvalidConfig, ModelError
from fullduplex.events import Event
from fullduplex.live.channel import Channel
from fullduplex.live.guard import Guard
from fullduplex.live.handover import Handover
from fullduplex.live.outcome import OVER, Outcome, outcome_of
from fullduplex.live.screening import Screening, excuse
from fullduplex.live.setup import Setup
from fullduplex.live.supervisor import Supervisor
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.live.unwinding import stop
from fullduplex.live.wiring import Wiring
from fullduplex.models.base import LiveModel
from fullduplex.tools.base import BaseTool
from fullduplex.turns.downstream import Downstream


class Part:
    """A part that may be prepared before it is played, and thrown away if it never is.

    `is_first`: it begins the run. `in_loop`: there is a loop for it to end.
    """

    def __init__(
        self,
        ctx: InvocationContext,
        agent: LlmAgent,
        channel: Channel,
        wiring: Wiring,
        *,
        model: LiveModel,
        setup: Setup,
        tools: list[BaseTool],
        handover: Handover,
        is_first: bool,
        in_loop: bool,
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._channel = channel
        self._wiring = wiring
        self._setup = setup
        self._downstream = Downstream(
            author=agent.name,
            invocation_id=ctx.invocation_id,
            new_id=wiring.ambient.new_id,
            long_running=frozenset(tool.name for tool in tools if tool.is_long_running),
            branch=ctx.branch,
            hears=channel.gate.hears,
        )
        self._tools = ToolRunner(
            ctx=ctx,
            agent=agent,
            tools=tools,
            group=wiring.group,
            event=self._event,
            show=self._show,
            answer=channel.answers.give,
            update=channel.answers.update,
            new_id=wiring.ambient.new_id,
            called=functools.partial(handover.called, agent),
            acted=self._acted,
            settled=self._settled,
        )
        self._supervisor = Supervisor(
            ctx=ctx,
            agent=agent,
            model=model,
            setup=setup,
            channel=channel,
            tools=self._tools,
            wiring=wiring,
            is_first=is_first,
            withdrawn=handover.settled,
        )
        self._handover = handover
        self._in_loop = in_loop
        self._decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @classmethod
    async def of(
        cls,
        ctx: InvocationContext,
        agent: LlmAgent,
        channel: Channel,
        wiring: Wiring,
        **where: Any,
    ) -> Part:
        """Finds the model and the tools and resolves the instruction; raises what is wrong with any of them."""
        chosen = agent.canonical_model
        model = wiring.resolve(chosen) if isinstance(chosen, str) else chosen
        if not isinstance(model, LiveModel):
            raise InvalidConfig(f"agent `{agent.name}`: {type(model).__name__} is a text model, which cannot run live")
        if agent.speech_guard is not None and ctx.run_config.output_audio_transcription is None:
            raise InvalidConfig(f"agent `{agent.name}`: speech_guard needs output_audio_transcription")
        deadline_s = wiring.settings.prepare_deadline_s
        try:
            async with asyncio.timeout(deadline_s) as deadline:
                tools = await agent.all_tools(ReadonlyContext(ctx), live=True)
                setup = await Setup.of(ctx, agent, model.model, tools)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            late = f"agent `{agent.name}`: its instruction and its tools were not there within {deadline_s:g} s"
            raise AgentNotReady(late) from error
        return cls(ctx, agent, channel, wiring, model=model, setup=setup, tools=tools, **where)

    def prepare(self) -> None:
        """Opens the line to the model ahead of time."""
        self._supervisor.prepare()

    def discard(self) -> None:
        """The part will not be played after all."""
        self._supervisor.discard()

    async def play(self) -> Outcome:
        """The part, to its end. Cancelling it leaves no line behind."""
        if self._ctx.end_invocation:
            return OVER
        screening = self._begin()
        with self._channel.conversation.guarded(self._guard()):
            return await self._play(screening)

    async def _play(self, screening: Screening | None) -> Outcome:
        conversation = self._channel.conversation
        lines = asyncio.create_task(self._supervisor.run(), name=f"part of {self._agent.name}")
        try:
            ends: set[asyncio.Future[Any]] = {lines, self._decided}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not lines.done():
                backlog = self._channel.uplink.backlog
                backlog.went_on(conversation.now())
                conversation.end_part(input_comes_again=backlog.speech)
        except asyncio.CancelledError:
            await self._drain(screening, 0.0)
            raise
        finally:
            await stop(lines)
        if not self._decided.done():
            self._handover.close()  # nobody takes over: an agent that was to, and its line, are let go
        await conversation.emptied()
        error = lines.exception() if not lines.cancelled() else None
        if error is not None and not await self._is_excused(error):
            raise error
        if self._decided.done():  # who goes on does not wait for tools that are slow to stop
            self._wiring.group.create_task(self._drain(screening, 0.0), name=f"end of {self._agent.name}'s tools")
            return self._decided.result()
        await self._drain(screening, self._wiring.settings.tool_deadline_s if self._channel.queue.closed else 0.0)
        return OVER

    async def _drain(self, screening: Screening | None, deadline_s: float) -> None:
        await self._tools.drain(deadline_s)
        if screening is not None:
            await screening.drain(deadline_s)

    def _guard(self) -> Guard | None:
        options = self._agent.speech_guard
        if options is None:
            return None
        conversation = self._channel.conversation
        return Guard(
            options,
            show=conversation.deliver,
            now=conversation.now,
            stop=self._supervisor.silence.fall,
            instead=self._supervisor.silence.say,
            tell=functools.partial(conversation.tell, lives_on=True),
            fail=self._ctx.stop.ask,
        )

    def _screening(self) -> Screening | None:
        silence = self._supervisor.silence
        return Screening.of(
            self._ctx,
            self._agent,
            question=self._setup.question,
            conversation=self._channel.conversation,
            group=self._wiring.group,
            note=self._channel.note,
            interrupt=silence.interrupt,
            mute=silence.mute,
        )

    async def _is_excused(self, error: BaseException) -> bool:
        """Whether a model callback has an answer to `error`, so that the part ends without it."""
        question, conversation = self._setup.question(), self._channel.conversation
        return isinstance(error, ModelError) and await excuse(error, self._ctx, self._agent, question, conversation)

    def _begin(self) -> Screening | None:
        channel, agent = self._channel, self._agent
        channel.conversation.begin(self._downstream)
        channel.answers.begin()
        screening = self._screening()
        channel.uplink.begin(self._tools, screening, self._setup.reader)
        channel.interrupt = self._supervisor.silence.interrupt
        channel.is_begun = True
        if agent.output_key is not None:
            speech = self._ctx.run_config.output_key_from_speech
            channel.scribe.follow(agent.name, agent.output_key, speech=speech)
        for toolset in agent.toolsets:
            if toolset.failure is not None:
                failure = FullduplexError(toolset.failure, code="tools_unavailable")
                channel.conversation.tell(failure, lives_on=True)
        return screening

    def _event(self, **fields: Any) -> Event:
        return self._downstream.event(now=self._wiring.ambient.now(), **fields)

    def _show(self, event: Event) -> None:
        if event.content is not None and event.content.role != "user":
            self._channel.scribe.beside(event)
        self._channel.conversation.relay(event)

    def _acted(self, event: Event) -> None:
        """An event with tools' answers was shown: the part may be over by it."""
        if self._decided.done():
            return
        outcome = OVER if self._ctx.end_invocation else outcome_of(event, self._agent, in_loop=self._in_loop)
        if outcome is not None:
            self._channel.uplink.hold()  # this model would answer what it is told now
            self._decided.set_result(outcome)
        else:
            self._handover.settled([answer.id or "" for answer in event.get_function_responses()])

    def _settled(self) -> None:
        """The model will say nothing of the tools that it waited for."""
        # Those that are stopped at the part's end tell nothing of the turn, which may be the next agent's by then.
        if not (self._decided.done() or self._channel.queue.closed):
            self._channel.conversation.settled()
