"""Where events wait for the app that reads them: bounded, so that an app that stops reading cannot fill the memory.

Reading from the model goes on meanwhile, because a connection that is not read dies of unanswered pings. Past five
minutes of unread audio the oldest is dropped; anything else is never dropped, and too much of it ends the run. When the
user interrupts and the app is behind, as one is that takes audio no faster than it is spoken, the audio that waits is
dropped too: it would only be thrown away, and the interruption would stand in line behind it.
"""

from __future__ import annotations

import asyncio

from fullduplex.errors import FullduplexError, QueueFull
from fullduplex.events import Event
from fullduplex.turns.media_queue import Kind, Limits, MediaQueue
from fullduplex.turns.sound import BEHIND_S, sound_of

LIMITS = Limits(max_messages=100_000, max_audio_s=300.0, keep_audio_s=60.0)


class Outbox:
    """A queue of events with one reader."""

    __slots__ = ("_ended", "_events", "_handed", "_loop", "_reader")

    def __init__(self) -> None:
        self._events: MediaQueue[Event] = MediaQueue(LIMITS)
        self._reader: asyncio.Future[None] | None = None
        self._handed: Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def put(self, event: Event) -> None:
        """Adds an event; raises `events_unread` when the app has left far too many unread."""
        reader = self._reader
        if reader is not None and not reader.done():
            # Somebody waits, so nothing is before it: the usual case, and it need not stand in the queue.
            self._handed = event
            reader.set_result(None)
            return
        seconds, now = sound_of(event), event.timestamp
        if event.interrupted and self._events.age(now) > BEHIND_S:
            self._events.drop_audio()
        try:
            self._events.push(event, now, Kind.AUDIO if seconds else Kind.CONTROL, seconds)
        except QueueFull:
            raise FullduplexError("the app does not read its events: too many wait", code="events_unread") from None

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Event | None:
        """The next event, or None at the end."""
        while True:
            if self._handed is not None:
                event, self._handed = self._handed, None
                return event
            if len(self._events):
                return self._events.pop()
            if self._ended:
                return None
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._reader = self._loop.create_future()
            await self._reader
