"""One call: a client's WebSocket on one side, a live run on the other, and three tasks between them.

Reading puts what the client sends into the run's queue; talking takes what the run yields into the outbox; sending
carries the outbox to the client. Whichever ends, all end. What frames and events look like is the protocol's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from fullduplex.agents import BaseAgent, RunConfig
from fullduplex.errors import AlreadyExistsError, FullduplexError, InvalidInput, QueueFull
from fullduplex.events import Event
from fullduplex.requests import LiveRequestQueue
from fullduplex.server import refusals
from fullduplex.server.outbox import Outbox
from fullduplex.server.settings import ServerSettings
from fullduplex.sessions import BaseSessionService

logger = logging.getLogger(__name__)

_DRAIN_S = 2.0
_HANG_UP_S = 0.5
_ANSWER_S = 0.1
_ROOM_POLL_S = 0.02


class LiveRunner(Protocol):
    """What the server needs of a `Runner`."""

    app_name: str
    agent: BaseAgent
    session_service: BaseSessionService

    def run_live(
        self, *, user_id: str, session_id: str, live_request_queue: LiveRequestQueue, run_config: RunConfig
    ) -> AsyncGenerator[Event, None]:
        """See `Runner.run_live`."""
        ...


class WireProtocol(Protocol):
    """How one wire protocol reads frames and writes events."""

    survives_bad_frames: bool

    def read(self, frame: str | bytes, queue: LiveRequestQueue) -> str | None:
        """Sends what `frame` says into `queue`; returns a text frame to answer it with at once, before all that waits.

        Raises `InvalidInput` when the frame says nothing that can be understood.
        """
        ...

    def write(self, event: Event) -> str | list[str | bytes] | None:
        """`event` as a text frame, or as frames that belong together; None for one that this protocol does not tell.

        Nothing is sent between frames that belong together.
        """
        ...


@dataclass(eq=False)
class Host:
    """What all calls of one server share."""

    runner: LiveRunner
    settings: ServerSettings
    calls: set[Call] = field(default_factory=set)
    stopping: bool = False

    def stop(self) -> None:
        """Says that the server stops: calls that end from now on wait for no tool."""
        self.stopping = True

    async def ensure_session(self, user_id: str, session_id: str) -> None:
        """Makes the session unless it is there."""
        service, app = self.runner.session_service, self.runner.app_name
        if await service.get_session(app_name=app, user_id=user_id, session_id=session_id) is None:
            with suppress(AlreadyExistsError):
                await service.create_session(app_name=app, user_id=user_id, session_id=session_id)


@dataclass(frozen=True)
class Ending:
    """Why the server hangs up: the close code and a reason for the client."""

    code: int
    reason: str = ""


class Call:
    """One conversation over one accepted WebSocket. `run` returns when it is over and nothing of it is left."""

    def __init__(
        self,
        host: Host,
        socket: WebSocket,
        protocol: WireProtocol,
        *,
        user_id: str,
        session_id: str,
        run_config: RunConfig,
    ) -> None:
        self._host = host
        self._settings = host.settings
        self._socket = socket
        self._protocol = protocol
        self._user_id = user_id
        self._session_id = session_id
        self._run_config = run_config
        self._queue = LiveRequestQueue()
        self._outbox = Outbox(host.settings.downstream_audio_s, host.settings.downstream_messages)
        self._sending = asyncio.Lock()
        self._ending: Ending | None = None
        self._client_gone = False

    async def run(self) -> None:
        """Holds the conversation until the client leaves, the run ends, or the server stops."""
        structlog.contextvars.bind_contextvars(user_id=self._user_id, session_id=self._session_id)
        self._host.calls.add(self)
        logger.info("call begins")
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(), name="call: reading")
                talking = group.create_task(self._talk(), name="call: talking")
                sending = group.create_task(self._send(), name="call: sending")
                tasks = (reading, talking, sending)
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._queue.close()
                if not self._client_gone:
                    self._outbox.end()
                    await asyncio.wait((sending, reading), timeout=_DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
                    await self._hang_up()
                grace = self._settings.stop_grace_s if self._host.stopping else self._settings.close_grace_s
                await asyncio.wait((talking,), timeout=grace)
                for task in tasks:
                    task.cancel()
        finally:
            self._queue.close()
            self._host.calls.discard(self)
            lost = self._outbox.dropped_audio_s
            logger.info("call ended%s", f"; {lost:.1f} s of audio did not reach the slow client" if lost else "")

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._client_gone = True
                return
            frame = message.get("bytes")
            try:
                answer = self._protocol.read(message["text"] if frame is None else frame, self._queue)
                if answer is not None:
                    await self._answer(answer)
            except (InvalidInput, QueueFull) as error:
                logger.warning("frame refused: %s (%s)", error, error.code)
                lives = self._protocol.survives_bad_frames
                self._outbox.put(refusals.answer_to(error, session_lives=lives))
                if not lives:
                    self._ending = Ending(refusals.CLOSE_UNSUPPORTED, error.code)
                    return
            # Not reading is how the client is slowed down: its own send buffer fills, long before ours would. The queue
            # tells nobody when it has room again, and this is rare: so it is asked.
            while self._queue.qsize() > self._settings.upstream_high_water:  # noqa: ASYNC110
                await asyncio.sleep(_ROOM_POLL_S)

    async def _answer(self, text: str) -> None:
        """Sends `text` past the outbox. To a client that takes nothing now it is not sent: it would be too late."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_ANSWER_S):
                await self._send_together([text])

    async def _talk(self) -> None:
        told: str | None = None
        try:
            await self._host.ensure_session(self._user_id, self._session_id)
            events = self._host.runner.run_live(
                user_id=self._user_id,
                session_id=self._session_id,
                live_request_queue=self._queue,
                run_config=self._run_config,
            )
            async with aclosing(events):
                async for event in events:
                    if told is None:
                        structlog.contextvars.bind_contextvars(invocation_id=event.invocation_id)
                    told = event.error_code or ""
                    self._outbox.put(event)
            self._ending = self._ending or Ending(refusals.CLOSE_NORMAL)
        except FullduplexError as error:
            logger.warning("the run ended: %s (%s)", error, error.code)
            self._fail(error, tell=told != error.code)
        except Exception as error:  # the boundary between agents, which may raise anything, and the client
            logger.exception("the run failed")
            self._fail(FullduplexError(f"The agent failed: {type(error).__name__}."), tell=True)

    def _fail(self, error: FullduplexError, *, tell: bool) -> None:
        self._ending = Ending(refusals.close_code(error), error.code)
        if tell:
            with suppress(FullduplexError):
                self._outbox.put(refusals.answer_to(error, session_lives=False))

    async def _send(self) -> None:
        try:
            while (item := await self._outbox.get()) is not None:
                written = item if isinstance(item, str) else self._protocol.write(item)
                if written is not None:
                    await self._send_together([written] if isinstance(written, str) else written)
        except (WebSocketDisconnect, RuntimeError):  # starlette's words for a client that has left
            self._client_gone = True

    async def _send_together(self, frames: Sequence[str | bytes]) -> None:
        async with self._sending:
            for frame in frames:
                kind = "text" if isinstance(frame, str) else "bytes"
                await self._socket.send({"type": "websocket.send", kind: frame})

    async def _hang_up(self) -> None:
        ending = self._ending or Ending(refusals.CLOSE_INTERNAL)
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_HANG_UP_S):
                await self._socket.close(ending.code, refusals.reason(ending.reason))
