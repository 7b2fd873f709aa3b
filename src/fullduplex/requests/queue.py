"""What the user's side sends to a live run: methods that never wait, from any thread, in order.

The bounds and what is dropped past them are decided in `turns.media_queue`; here are the lock and the wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fullduplex.errors import InvalidInput, QueueFull
from fullduplex.requests.live_request import LiveRequest
from fullduplex.turns.media_queue import Counters, Kind, Limits, MediaQueue, audio_seconds
from fullduplex.types.content import Blob, Content
from fullduplex.types.live import ActivityEnd, ActivityStart
from fullduplex.types.playout import PlayoutReport, TurnTimes
from fullduplex.types.struct import coerce

logger = logging.getLogger(__name__)


class Interrupt:
    """The user wants the agent to stop speaking, now."""


class Overload:
    """The model does not keep up, and the oldest audio that waits is dropped."""


Aside = PlayoutReport | TurnTimes | Interrupt | Overload
"""What is said to the engine and not to the model. It overtakes all that waits."""


@dataclass(frozen=True)
class QueueStats:
    """How a queue stands: what waits, for how long (seconds), and what was dropped since it was made."""

    depth: int
    audio_s: float
    oldest_age_s: float
    dropped_audio_chunks: int
    dropped_audio_s: float
    dropped_frames: int


class LiveRequestQueue:
    """Carries the user's input to one `run_live`. Make one for each run and close it in a `finally`.

    Every method returns at once and may be called from any thread, before or after an event loop exists. Requests
    leave in order, one by one. Past `limits` (5 s of audio; 10,000 messages) audio and video are dropped by the policy
    of `turns.media_queue` and counted in `stats()`; anything else raises `QueueFull`. After `close()` further sends are
    ignored, and another run on this queue ends at once.
    """

    def __init__(self, *, limits: Limits | None = None, reader: str = "the model") -> None:
        """`reader` is who is said not to keep up, when audio is dropped."""
        self._reader = reader
        self._waiting: MediaQueue[LiveRequest] = MediaQueue(limits)
        self._queue = _AsyncioQueueView(self._waiting)
        self._lock = threading.Lock()
        self._closed = False
        self._getter: _Waiter | None = None
        self._offer: Callable[[Blob], bool] | None = None
        self._shortcut: Callable[[Blob], bool] | None = None
        self._copies: tuple[LiveRequestQueue, ...] = ()
        self._listener: _Listener | None = None
        self._close_waiters: list[_Waiter] = []
        self.waited_s = 0.0
        """How long the request that was taken last had waited, in seconds."""

    @property
    def closed(self) -> bool:
        """Whether `close()` was called; it stays true."""
        return self._closed

    def close(self) -> None:
        """Ends the run once all that was sent before is on its way."""
        with self._lock:
            self._closed = True
            waiters = [*self._close_waiters, self._getter]
            self._close_waiters, self._getter = [], None
        for waiter in waiters:
            _wake(waiter)

    def send_content(self, content: Content, partial: bool = False) -> None:
        """Sends a turn (text, or tool answers); `partial=True` adds context without asking for an answer."""
        self._put(LiveRequest(content=content, partial=partial))

    def send_realtime(self, blob: Blob) -> None:
        """Sends live media: audio as PCM16 mono with its rate in the mime type, or one JPEG frame of video."""
        if type(blob) is not Blob:
            blob = coerce(Blob, blob)
        getter, shortcut = self._getter, self._shortcut
        if getter is not None and shortcut is not None and getter.thread == threading.get_ident() and shortcut(blob):
            return
        if not blob.mime_type or blob.data is None:
            self._put(LiveRequest(blob=blob))
        elif blob.mime_type.startswith("audio/"):
            self._put(LiveRequest(blob=blob), Kind.AUDIO, audio_seconds(len(blob.data), blob.mime_type))
        else:
            self._put(LiveRequest(blob=blob), Kind.VIDEO)

    def send_activity_start(self) -> None:
        """Says that the user begins to speak (automatic detection is off)."""
        self._put(LiveRequest(activity_start=ActivityStart()))

    def send_activity_end(self) -> None:
        """Says that the user has ended."""
        self._put(LiveRequest(activity_end=ActivityEnd()))

    def send_audio_stream_end(self) -> None:
        """Says that the microphone was closed: the model need not wait for more of the sentence."""
        self._put(LiveRequest(audio_stream_end=True))

    def send_playout(self, response_id: str, played_ms: float, cleared: bool = False) -> None:
        """Says how much of a response the user has heard: `played_ms` of audio left the speaker.

        `response_id` is the `id` of the event that carried the response's first audio; `cleared` says that the rest of
        it was thrown away (after `interrupted`). Report about every 100 ms, and at once when the player is cleared.
        Without reports the position is estimated from the time.
        """
        if not math.isfinite(played_ms) or played_ms < 0:
            raise InvalidInput(
                f"played_ms is {played_ms!r}: not a time in ms", code="invalid_playout", field="played_ms"
            )
        self._aside(PlayoutReport(response_id=response_id, played_ms=played_ms, cleared=cleared))

    def send_turn_times(self, times: TurnTimes) -> None:
        """Says when the user last spoke and first heard the answer, on the server's clock, for the turn's latency."""
        self._aside(times)

    def interrupt(self) -> None:
        """Stops the agent's present answer, as the user's voice would. Nothing happens when it does not speak."""
        self._aside(Interrupt())

    def send(self, req: LiveRequest) -> None:
        """Sends any request; a `LiveRequest` with `close=True` closes the queue."""
        if req.close:
            self.close()
        elif req.blob is not None and not (
            req.content or req.activity_start or req.activity_end or req.audio_stream_end or req.state_delta
        ):
            self.send_realtime(req.blob)
        else:
            self._put(req)

    async def get(self) -> LiveRequest:
        """The next request; on a closed queue with nothing left, one whose `close` is true. One waiter at a time."""
        await self.arrival()
        return self.take()

    async def arrival(self) -> None:
        """Returns when `take` has a request to give. One waiter at a time."""
        while True:
            with self._lock:
                if len(self._waiting) or self._closed:
                    return
                waiter = self._getter = _waiter()
            try:
                await waiter.future
            finally:
                with self._lock:
                    if self._getter is waiter:  # it was cancelled: nobody waits any more
                        self._getter = None

    def take(self) -> LiveRequest:
        """The next request, as `get` gives it; `IndexError` when there is none yet."""
        with self._lock:
            if self._closed and not len(self._waiting):
                return LiveRequest(close=True)
            was_overloaded = self._waiting.overloaded
            self.waited_s = self._waiting.age(time.monotonic())
            request = self._waiting.pop()
            caught_up = was_overloaded and not self._waiting.overloaded
        if caught_up:
            dropped = self._waiting.counters
            logger.warning(
                "%s keeps up again: %d chunks (%.1f s) of audio were dropped so far",
                self._reader,
                dropped.dropped_audio_chunks,
                dropped.dropped_audio_s,
            )
        return request

    def closing(self) -> asyncio.Future[None]:
        """A future of this event loop that is done when `close()` was called. Whoever no longer waits cancels it."""
        waiter = _waiter()
        with self._lock:
            if self._closed:
                waiter.future.set_result(None)
            else:
                self._close_waiters.append(waiter)
                waiter.future.add_done_callback(lambda _: self._forget(waiter))
        return waiter.future

    @contextlib.contextmanager
    def shortcut(self, offer: Callable[[Blob], bool]) -> Iterator[None]:
        """While in here, media goes straight to `offer` whenever the engine waits in `get()`: then nothing is before
        it, and no task need be woken to carry it. What `offer` does not take (False) is queued. Sends from other
        threads are always queued."""
        self._set_shortcut(offer)
        try:
            yield
        finally:
            self._set_shortcut(None)

    @contextlib.contextmanager
    def copied(self, copy: LiveRequestQueue) -> Iterator[None]:
        """While in here, `copy` is sent all that the user sends, too. What it has no room for is dropped there.

        Media do not take the shortcut meanwhile; at all other times this costs nothing.
        """
        self._copies = (*self._copies, copy)
        self._set_shortcut(self._offer)
        try:
            yield
        finally:
            self._copies = tuple(one for one in self._copies if one is not copy)
            self._set_shortcut(self._offer)

    @contextlib.contextmanager
    def asides(self, take: Callable[[Aside], None]) -> Iterator[None]:
        """While in here, `take` is called on this event loop with what is said to the engine; outside it is dropped."""
        self._listener = _Listener(asyncio.get_running_loop(), threading.get_ident(), take)
        try:
            yield
        finally:
            self._listener = None

    def qsize(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def waiting(self) -> list[LiveRequest]:
        """What waits, oldest first; it stays where it is."""
        with self._lock:
            return self._waiting.items()

    def stats(self) -> QueueStats:
        """How the queue stands now."""
        with self._lock:
            dropped: Counters = self._waiting.counters
            return QueueStats(
                depth=len(self._waiting),
                audio_s=self._waiting.audio_s,
                oldest_age_s=self._waiting.age(time.monotonic()),
                dropped_audio_chunks=dropped.dropped_audio_chunks,
                dropped_audio_s=dropped.dropped_audio_s,
                dropped_frames=dropped.dropped_frames,
            )

    def answer(self, request: LiveRequest) -> None:
        """Sends a tool's answer for the engine, past the limit and on a closed queue too: the run may be draining."""
        self._put(request, Kind.ANSWER)

    def _set_shortcut(self, offer: Callable[[Blob], bool] | None) -> None:
        self._offer = offer
        self._shortcut = None if self._copies else offer

    def _forget(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._close_waiters:
                self._close_waiters.remove(waiter)

    def _aside(self, message: Aside) -> None:
        listener = self._listener
        if listener is None or self._closed:
            return
        if listener.thread == threading.get_ident():
            listener.take(message)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens there any more
                listener.loop.call_soon_threadsafe(listener.take, message)

    def _put(self, request: LiveRequest, kind: Kind = Kind.CONTROL, seconds: float = 0.0) -> None:
        with self._lock:
            if self._closed and kind is not Kind.ANSWER:
                logger.debug("request ignored: the queue is closed")
                return
            was_overloaded = self._waiting.overloaded
            self._waiting.push(request, time.monotonic(), kind, seconds)
            overload = self._waiting.overloaded and not was_overloaded
            getter, self._getter = self._getter, None
        if overload:
            logger.warning("%s does not keep up: waiting audio is dropped, the oldest first", self._reader)
            self._aside(Overload())
        _wake(getter)
        if self._copies and kind is not Kind.ANSWER:
            for copy in self._copies:
                with contextlib.suppress(QueueFull):
                    copy._put(request, kind, seconds)


class _Waiter(NamedTuple):
    """Somebody on an event loop who waits, and the thread of that loop."""

    loop: asyncio.AbstractEventLoop
    thread: int
    future: asyncio.Future[None]


class _Listener(NamedTuple):
    """Who takes asides, and on which event loop."""

    loop: asyncio.AbstractEventLoop
    thread: int
    take: Callable[[Aside], None]


def _waiter() -> _Waiter:
    loop = asyncio.get_running_loop()
    return _Waiter(loop, threading.get_ident(), loop.create_future())


def _wake(waiter: _Waiter | None) -> None:
    if waiter is None:
        return
    if waiter.thread == threading.get_ident():
        _finish(waiter.future)
    else:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            waiter.loop.call_soon_threadsafe(_finish, waiter.future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _AsyncioQueueView:
    """Stands where ADK's queue has an `asyncio.Queue`, because published samples read `queue._queue.qsize()`."""

    def __init__(self, waiting: MediaQueue[LiveRequest]) -> None:
        self._waiting = waiting

    def qsize(self) -> int:
        return len(self._waiting)

    def empty(self) -> bool:
        return not len(self._waiting)
