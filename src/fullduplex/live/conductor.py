"""The conductor of one live run: it wires the pieces together, supervises them, and does nothing else itself.

It runs in a task of its own, because the app's generator may be abandoned at any moment: whatever ends, the app, the
queue, the model or the network, all ends, and no task and no socket stays behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import ConnectionLost, FullduplexError, InvalidInput, ModelError
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.live.answers import Answers
from fullduplex.live.opening import open_unless_closed
from fullduplex.live.outbox import Outbox
from fullduplex.live.scribe import Scribe
from fullduplex.live.setup import Setup
from fullduplex.live.tool_runner import ToolRunner
from fullduplex.live.unwinding import cancelled_from_outside, first_error, raise_first
from fullduplex.live.upstream import Upstream
from fullduplex.models.base import LiveConnection, LiveModel
from fullduplex.requests import LiveRequest
from fullduplex.tools.base import BaseTool
from fullduplex.turns.downstream import Downstream
from fullduplex.turns.reconnect import ReconnectPolicy, Reconnects
from fullduplex.types.live import LiveServerMessage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveSettings:
    """Deadlines in seconds: for running tools and for unsent input after `close()`, and for the store at the end."""

    tool_deadline_s: float = 5.0
    send_deadline_s: float = 5.0
    store_deadline_s: float = 2.0
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)


class _Left(Exception):
    """Raised inside a run to leave a connection that is about to end."""


class _Stopped(FullduplexError):
    """Raised inside a run to end it without an error."""


class Conductor:
    """One live run of one agent on one model."""

    def __init__(
        self,
        *,
        ctx: InvocationContext,
        model: LiveModel,
        setup: Setup,
        tools: list[BaseTool],
        ambient: Ambient,
        settings: LiveSettings,
    ) -> None:
        self._ctx = ctx
        self._model = model
        self._setup = setup
        self._tools = tools
        self._ambient = ambient
        self._settings = settings
        self._queue = ctx.live_request_queue
        self._outbox = Outbox()
        self._answers = Answers(self._queue)
        self._scribe = Scribe(
            session=ctx.session,
            service=ctx.session_service,
            outbox=self._outbox,
            custom_metadata=ctx.run_config.custom_metadata,
        )
        self._downstream = Downstream(
            author=ctx.agent_name,
            invocation_id=ctx.invocation_id,
            new_id=ambient.new_id,
            long_running=frozenset(tool.name for tool in tools if tool.is_long_running),
        )
        self._upstream = Upstream(event=self._event, note=self._scribe.note)
        self._reconnects = Reconnects(settings.reconnect)
        self._runner: ToolRunner | None = None
        self._handle: str | None = None
        self._unsent: LiveRequest | None = None
        self._refused: set[str] = set()
        self._leaving = False
        self._closing = False

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
                self._runner = ToolRunner(
                    ctx=self._ctx,
                    tools=self._tools,
                    group=group,
                    event=self._event,
                    show=self._scribe.show,
                    answer=self._answers.give,
                )
                await self._connections()
                await self._runner.drain(self._settings.tool_deadline_s if self._queue.closed else 0.0)
                for watch in watches:
                    watch.cancel()
        except* _Stopped:
            pass
        except* Exception as errors:
            self._tell(first_error(errors), lives_on=False)
            raise
        finally:
            await self._finish(scribe)
            self._ctx.stop.done.set()

    async def _watch(self, scribe: asyncio.Task[None]) -> None:
        """Fails with the scribe: a run whose session cannot be written must not go on."""
        await asyncio.wait([scribe])
        await scribe

    async def _obey(self) -> None:
        """Ends the run when it is told to from outside."""
        await self._ctx.stop.asked.wait()
        raise self._ctx.stop.reason or _Stopped("the runner was closed")

    async def _finish(self, scribe: asyncio.Task[None]) -> None:
        with contextlib.suppress(FullduplexError):
            for event in self._downstream.finish(self._ambient.now()):
                self._scribe.show(event)
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
            await asyncio.wait([scribe], timeout=self._settings.store_deadline_s)
            if hurried or self._scribe.unwritten >= before:
                return

    async def _connections(self) -> None:
        """One connection after another, until the queue is closed or the model cannot be reached any more."""
        while not (self._closing or (self._queue.closed and not self._waits())):
            lost = await self._connection()
            if cancelled_from_outside():
                raise asyncio.CancelledError
            if self._closing or (lost is not None and _is_normal_end(lost) and self._handle is None):
                return
            if lost is not None and not lost.recoverable:
                raise lost
            if self._queue.closed:
                if lost is not None:
                    return  # the app asked for the end; nothing is reconnected after that
                continue
            delay = self._reconnects.next_delay(asyncio.get_running_loop().time(), self._ambient.chance())
            if delay is None:
                lost = lost or ConnectionLost("the model sends us away again and again", close_code=1001)
                lost.recoverable = False  # we have tried, and give up
                raise lost
            if lost is not None:  # else we left in good time
                logger.warning("connection to the model lost (%s); again in %.1f s", lost, delay)
                self._tell(lost, lives_on=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._queue.wait_closed()

    def _waits(self) -> bool:
        """Whether something is still to be sent."""
        return self._unsent is not None or self._queue.qsize() > 0

    async def _connection(self) -> ModelError | None:
        """One connection, from opening to its end; what ended it, or None when we left."""
        self._leaving = False
        try:
            await self._scribe.settled()  # the history is that of the session as it is now
            request = self._setup.request(self._ctx, self._handle)
            if request.history:
                self._answers.in_history()
            async with contextlib.AsyncExitStack() as stack:
                connection = await open_unless_closed(stack, self._model.connect(request), self._queue, self._waits)
                return await self._converse(connection) if connection is not None else None
        except ModelError as error:
            return error
        finally:
            for event in self._downstream.finish(self._ambient.now()):
                self._scribe.show(event)
            self._scribe.release()

    async def _converse(self, connection: LiveConnection) -> ModelError | None:
        lost: list[ModelError] = []
        try:
            async with asyncio.TaskGroup() as group:
                sender = group.create_task(self._send(connection), name="sender")
                watch = group.create_task(self._hang_up(connection, sender), name="watch over the sender")
                await self._receive(connection)
                sender.cancel()
                watch.cancel()
        except* ModelError as errors:
            lost.append(first_error(errors))
        return lost[0] if lost else None

    async def _receive(self, connection: LiveConnection) -> None:
        """Never waits for anything but the wire."""
        try:
            await connection.listen(self._take)
        except _Left:
            return
        if not self._closing:
            raise ConnectionLost("the model ended the conversation", close_code=1000, recoverable=True)

    def _take(self, message: LiveServerMessage) -> None:
        """What a message says is shown, and what it asks for is begun. Waits for nothing."""
        assert self._runner is not None
        for event in self._downstream.feed(message, self._ambient.now()):
            self._scribe.show(event)
        if message.tool_call is not None and message.tool_call.function_calls:
            self._runner.start(message.tool_call.function_calls)
        if message.tool_call_cancellation is not None:
            self._runner.cancel(message.tool_call_cancellation.ids or [])
        if (update := message.session_resumption_update) is not None and update.resumable and update.new_handle:
            self._handle = update.new_handle
        if message.go_away is not None:
            # The running answer is heard to its end; then we leave before we are thrown out.
            self._leaving = True
        if self._leaving and message.server_content is not None and message.server_content.turn_complete:
            raise _Left

    async def _send(self, connection: LiveConnection) -> None:
        """One request after another. A request stays ours until the connection has taken it."""
        with self._queue.shortcut(connection.offer_realtime):
            await self._send_all(connection)

    async def _send_all(self, connection: LiveConnection) -> None:
        while True:
            if self._unsent is None:
                self._unsent = await self._queue.get()
            if self._unsent.close:
                self._unsent = None
                if await self._close(connection):
                    return
                continue
            try:
                if self._answers.wanted(self._unsent):
                    await self._upstream.send(self._unsent, connection)
                    self._answers.sent(self._unsent)
            except InvalidInput as error:
                self._refuse(error, self._unsent)
            self._unsent = None

    def _refuse(self, error: InvalidInput, request: LiveRequest) -> None:
        """Tells of input that no model could read. Of media, which comes many times a second, once for each reason."""
        if request.blob is not None:
            if error.code in self._refused:
                return
            self._refused.add(error.code)
        logger.warning("input refused: %s", error)
        self._tell(error, lives_on=True)

    async def _hang_up(self, connection: LiveConnection, sender: asyncio.Task[None]) -> None:
        """After `close()` gives the sender its time; a network that takes nothing any more must not keep the run."""
        await self._queue.wait_closed()
        await asyncio.wait([sender], timeout=self._settings.tool_deadline_s + self._settings.send_deadline_s)
        if not sender.done():
            logger.warning("closed with %d requests unsent: the model takes nothing any more", self._queue.qsize() + 1)
            self._closing = True
            await connection.close()

    async def _close(self, connection: LiveConnection) -> bool:
        """Ends the conversation, unless tools have given answers meanwhile: those are to be sent first."""
        assert self._runner is not None
        if not self._closing:
            self._closing = True
            await self._runner.drain(self._settings.tool_deadline_s)
            if self._queue.qsize():
                return False
        await connection.close()
        return True

    def _tell(self, error: BaseException, *, lives_on: bool) -> None:
        """An event that says what went wrong, and whether the run lives on."""
        code = error.code if isinstance(error, FullduplexError) else "internal"
        with contextlib.suppress(FullduplexError):
            self._scribe.show(self._event(error_code=code, error_message=str(error), recoverable=lives_on))

    def _event(self, **fields: Any) -> Event:
        return self._downstream.event(now=self._ambient.now(), **fields)


def _is_normal_end(error: ModelError) -> bool:
    return isinstance(error, ConnectionLost) and error.close_code == 1000
