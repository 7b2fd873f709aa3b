"""The conductor of one live run: it wires the pieces together, watches over them, and does nothing else itself.

It runs in a task of its own, because the app's generator may be abandoned at any moment: whatever ends, the app, the
queue, the model or the network, all ends, and no task and no socket stays behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import RunConfig
from fullduplex.errors import FullduplexError, InvalidInput
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.answers import Answers
from fullduplex.live.conversation import Conversation
from fullduplex.live.editor import Editor
from fullduplex.live.limits import Limits
from fullduplex.live.microphone import Microphone
from fullduplex.live.outbox import Outbox
from fullduplex.live.screening import Screening, excuse
from fullduplex.live.settings import LiveSettings
from fullduplex.live.setup import Setup
from fullduplex.live.supervisor import Supervisor
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.live.unwinding import cancelled_from_outside, first_error, raise_first
from fullduplex.live.upstream import Upstream
from fullduplex.models.base import LiveModel
from fullduplex.requests import Aside, Overload
from fullduplex.tools.base import BaseTool
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.output import Output
from fullduplex.types.playout import PlayoutReport, TurnTimes

logger = logging.getLogger(__name__)


class _Stopped(FullduplexError):
    """Raised inside a run to end it without an error."""


class Conductor:
    """One live run of one agent on one model."""

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        agent: LlmAgent,
        model: LiveModel,
        setup: Setup,
        tools: list[BaseTool],
        ambient: Ambient,
        settings: LiveSettings,
    ) -> None:
        self._ctx = ctx
        self._agent = agent
        self._model = model
        self._setup = setup
        self._tools = tools
        self._ambient = ambient
        self._settings = settings
        self._queue = ctx.queue
        self._outbox = Outbox()
        self._answers = Answers(self._queue)
        self._scribe = Editor.of(
            ctx,
            session=ctx.session,
            service=ctx.session_service,
            outbox=self._outbox,
            custom_metadata=ctx.run_config.custom_metadata,
            now=ambient.now,
            output=_output(ctx.run_config, agent),
        )
        self._limits = Limits.of(ctx.run_config, ambient.now)
        self._conversation = Conversation(
            downstream=Downstream(
                author=ctx.agent_name,
                invocation_id=ctx.invocation_id,
                new_id=ambient.new_id,
                long_running=frozenset(tool.name for tool in tools if tool.is_long_running),
            ),
            scribe=self._scribe,
            ambient=ambient,
            limits=self._limits,
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events of the run. Closing, cancelling or abandoning this generator ends the run."""
        task = asyncio.create_task(self._conduct(), name=f"live run {self._ctx.invocation_id}")
        task.add_done_callback(lambda _: self._outbox.end())
        try:
            while (event := await self._outbox.get()) is not None:
                yield event
            raise_first(task)
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # seen: it was raised above, or nobody is left to see it

    async def _conduct(self) -> None:
        # The scribe outlives the group: when the rest is cancelled, what was said is still written down.
        scribe = asyncio.create_task(self._scribe.run(), name="scribe")
        try:
            async with asyncio.TaskGroup() as group:
                watches = [
                    group.create_task(self._watch(scribe), name="watch over the scribe"),
                    group.create_task(self._obey(), name="watch for a stop"),
                ]
                if self._limits is not None:
                    watches.append(group.create_task(self._keep_to(self._limits), name="watch over the limits"))
                await self._converse(group)
                for watch in watches:
                    watch.cancel()
        except* _Stopped:
            pass
        except* Exception as errors:
            error = first_error(errors)
            if not await excuse(error, self._ctx, self._agent, self._setup.question(), self._conversation):
                self._conversation.tell(error, lives_on=False)
                raise
        finally:
            try:
                await self._finish(scribe)
            finally:
                self._ctx.stop.done.set()

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        tools = ToolRunner(
            ctx=self._ctx,
            agent=self._agent,
            tools=self._tools,
            group=group,
            event=self._conversation.event,
            show=self._scribe.show,
            answer=self._answers.give,
        )
        upstream = Upstream(
            event=self._conversation.event,
            note=self._scribe.note,
            microphone=Microphone(now=self._ambient.now, tell=self._warn),
        )
        screening = Screening.of(
            self._ctx,
            self._agent,
            question=self._setup.question,
            conversation=self._conversation,
            group=group,
            note=self._scribe.note,
            interrupt=lambda: supervisor.interrupt(),
            mute=lambda muted: supervisor.mute(muted),
        )
        supervisor: Supervisor = Supervisor(
            ctx=self._ctx,
            agent=self._agent,
            model=self._model,
            setup=self._setup,
            conversation=self._conversation,
            upstream=upstream,
            answers=self._answers,
            tools=tools,
            screening=screening,
            group=group,
            ambient=self._ambient,
            settings=self._settings,
        )
        for toolset in self._agent.toolsets:
            if toolset.failure is not None:
                self._conversation.tell(FullduplexError(toolset.failure, code="tools_unavailable"), lives_on=True)
        with self._queue.asides(functools.partial(self._aside, supervisor)):
            await supervisor.run()
        deadline_s = self._settings.tool_deadline_s if self._queue.closed else 0.0
        await tools.drain(deadline_s)
        if screening is not None:
            await screening.drain(deadline_s)

    def _aside(self, supervisor: Supervisor, message: Aside) -> None:
        """What the app says to the engine, and not to the model."""
        if isinstance(message, PlayoutReport):
            self._conversation.report(message)
        elif isinstance(message, TurnTimes):
            self._conversation.times(message)
        elif isinstance(message, Overload):
            late = "the model does not keep up: waiting audio is dropped, the oldest first"
            self._conversation.tell(FullduplexError(late, code="input_dropped"), lives_on=True)
        else:
            supervisor.interrupt()

    def _warn(self, error: InvalidInput) -> None:
        logger.warning("%s", error)
        self._conversation.tell(error, lives_on=True)

    async def _watch(self, scribe: asyncio.Task[None]) -> None:
        """Fails with the scribe: a run whose session cannot be written must not go on."""
        await asyncio.wait([scribe])
        await scribe

    async def _obey(self) -> None:
        """Ends the run when it is told to from outside."""
        await self._ctx.stop.asked.wait()
        raise self._ctx.stop.reason or _Stopped("the runner was closed")

    async def _keep_to(self, limits: Limits) -> None:
        """Ends the run, in order, when it has had enough."""
        limit = await limits.exceeded()
        logger.info("the run ends: %s", limit.message)
        self._conversation.break_off(input_comes_again=False)
        self._scribe.show(
            self._conversation.event(error_code=limit.code, error_message=limit.message, recoverable=False)
        )
        raise _Stopped(limit.message)

    async def _finish(self, scribe: asyncio.Task[None]) -> None:
        with contextlib.suppress(FullduplexError):
            self._conversation.end()
            self._scribe.end()
        try:
            await self._last_words(scribe)
            if scribe.cancelled():  # the loop ends and has cancelled everybody: another one takes the pen
                scribe = asyncio.create_task(self._scribe.run(), name="scribe")
                await self._last_words(scribe)
        finally:
            scribe.cancel()
        await asyncio.wait([scribe])
        self._scribe.hand_over()
        error = None if scribe.cancelled() else scribe.exception()
        if error is not None or self._scribe.unwritten:
            logger.error(
                "session %s could not be written to its end: %d events are missing (%s)",
                self._ctx.session.id,
                self._scribe.unwritten,
                error or "the store did not answer in time",
            )

    async def _last_words(self, scribe: asyncio.Task[None]) -> None:
        """Waits for the store: to the end while it gets on, for one deadline in all when somebody wants to be gone."""
        hurried = cancelled_from_outside()
        while not scribe.done():
            before = self._scribe.unwritten
            try:
                await asyncio.wait([scribe], timeout=self._settings.store_deadline_s)
            except asyncio.CancelledError:  # somebody wants to be gone only now
                if hurried:
                    raise
                hurried = True
                continue
            if hurried or self._scribe.unwritten >= before:
                return


def _output(run: RunConfig, agent: LlmAgent) -> Output | None:
    """What follows the agent's words for its `output_key`."""
    if agent.output_key is None:
        return None
    return Output(agent.output_key, author=agent.name, transcripts=run.output_key_from_speech)
