"""The conductor of one live run: it wires the pieces together, watches over them, and does nothing else itself.

It runs in a task of its own, because the app's generator may be abandoned at any moment: whatever ends, the app, the
queue, the model or the network, all ends, and no task and no socket stays behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.stop import Stopped
from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.channel import Channel
from fullduplex.live.editor import Editor
from fullduplex.live.limits import Limits
from fullduplex.live.outbox import Outbox
from fullduplex.live.recorder import Recorder
from fullduplex.live.relay import Relay
from fullduplex.live.settings import LiveSettings
from fullduplex.live.stage import Stage
from fullduplex.live.unwinding import first_error, raise_first
from fullduplex.live.wiring import Wiring
from fullduplex.models.base import LiveModel
from fullduplex.tools.running import cancelled_from_outside

logger = logging.getLogger(__name__)


class Conductor:
    """One live run."""

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        resolve: Callable[[str], LiveModel],
        ambient: Ambient,
        settings: LiveSettings,
    ) -> None:
        self._ctx = ctx
        self._resolve = resolve
        self._ambient = ambient
        self._settings = settings
        self._outbox = Outbox()
        self._relay = Relay(self._outbox)
        self._recorder = Recorder.of(ctx, ambient)
        self._scribe = Editor.of(
            ctx,
            session=ctx.session,
            service=ctx.session_service,
            outbox=self._relay,
            custom_metadata=ctx.run_config.custom_metadata,
            now=ambient.now,
            recorder=self._recorder,
        )
        self._limits = Limits.of(ctx.run_config, ambient.now)
        self._channel = Channel(
            ctx=ctx,
            queue=ctx.queue,
            scribe=self._scribe,
            limits=self._limits,
            ambient=ambient,
            settings=settings,
            tap=self._recorder.sent if self._recorder is not None else None,
        )
        self._conversation = self._channel.conversation
        self._stage: Stage | None = None

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
        error: Exception | None = None
        try:
            self._ctx.stop.begin()
            async with asyncio.TaskGroup() as group:
                watches = [group.create_task(self._watch(scribe), name="watch over the run")]
                if self._limits is not None:
                    watches.append(group.create_task(self._keep_to(self._limits), name="watch over the limits"))
                await self._converse(group)
                for watch in watches:
                    watch.cancel()
        except* Stopped:
            pass
        except* Exception as errors:
            error = first_error(errors)
            if self._channel.is_begun:  # what keeps a run from beginning is only raised
                self._conversation.tell(error, lives_on=False)
            raise
        finally:
            try:
                if self._stage is not None:
                    await self._stage.leave(error)
            finally:
                try:
                    await self._finish(scribe)
                finally:
                    self._ctx.stop.over()

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        wiring = Wiring(self._resolve, self._ambient, self._settings, group, self._relay)
        self._stage = Stage(self._ctx, self._channel, wiring)
        if self._ctx.run_config.save_live_blob and self._ctx.artifact_service is None:
            missing = "save_live_blob: the runner has no artifact_service, so nothing is recorded"
            self._channel.warn(FullduplexError(missing, code="recording_failed"))
        with self._channel.queue.asides(self._channel.aside):
            await self._stage.play(self._ctx)

    async def _watch(self, scribe: asyncio.Task[None]) -> None:
        """Ends the run when it is told to from outside, and when its session cannot be written."""
        asked = self._ctx.stop.asked()
        await asyncio.wait({scribe, asked}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            raise self._ctx.stop.reason or Stopped("the runner was closed")
        await scribe

    async def _keep_to(self, limits: Limits) -> None:
        """Ends the run, in order, when it has had enough."""
        limit = await limits.exceeded()
        await self._conversation.emptied()
        logger.info("the run ends: %s", limit.message)
        self._conversation.break_off(input_comes_again=False)
        self._scribe.show(
            self._conversation.event(error_code=limit.code, error_message=limit.message, recoverable=False)
        )
        raise Stopped(limit.message)

    async def _finish(self, scribe: asyncio.Task[None]) -> None:
        try:
            with contextlib.suppress(FullduplexError):
                self._conversation.end()
                if self._channel.is_begun:
                    self._channel.uplink.keep_unsent()
            if self._recorder is not None:
                await self._recorder.finish(self._settings.store_deadline_s)
            with contextlib.suppress(FullduplexError):
                self._scribe.end()
            await self._last_words(scribe)
            if scribe.cancelled():  # the loop ends and has cancelled everybody: another one takes the pen
                scribe = asyncio.create_task(self._scribe.run(), name="scribe")
                await self._last_words(scribe)
        finally:
            scribe.cancel()
        await asyncio.wait([scribe])
        self._scribe.show_rest()
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
