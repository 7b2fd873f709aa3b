"""Writes what happened into the session, in order, and passes it on to the app: kept first, shown after.

Stores may be slow; the receive loop is not made to wait for them. Which events are kept is decided in `turns.journal`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.outbox import Outbox
from fullduplex.sessions import BaseSessionService, Session
from fullduplex.turns.journal import Journal

MAX_WAITING = 50_000


class Scribe:
    """The one writer of a run's session."""

    def __init__(
        self, *, session: Session, service: BaseSessionService, outbox: Outbox, custom_metadata: dict[str, Any] | None
    ) -> None:
        self._session = session
        self._service = service
        self._outbox = outbox
        self._custom_metadata = custom_metadata
        self._journal = Journal()
        self._work: deque[tuple[Event | None, list[Event]]] = deque()
        self._unwritten = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False
        self._reader: asyncio.Future[None] | None = None

    def show(self, event: Event) -> None:
        """Takes an event from the model or a tool: kept if it is to be, then shown to the app."""
        self._pass(self._marked(event), self._journal.model(event))

    def note(self, event: Event) -> None:
        """Takes an event of the user's side: kept, not shown (the app knows what it sent)."""
        self._pass(None, self._journal.user(self._marked(event)))

    @property
    def unwritten(self) -> int:
        """How many events the store has still to take."""
        return self._unwritten

    def release(self) -> None:
        """The connection is over: what was held back until the end of its turn is kept now."""
        self._pass(None, self._journal.end())

    def hand_over(self) -> None:
        """The run is over: shows the app what waited in vain to be written."""
        with contextlib.suppress(FullduplexError):
            while self._work:
                event, _ = self._work.popleft()
                if event is not None:
                    self._outbox.put(event)

    def end(self) -> None:
        """Nothing more will come; `run` returns when all is written."""
        self._pass(None, self._journal.end())
        self._ended = True
        self._wake()

    async def settled(self) -> None:
        """Returns when all that was taken so far is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Writes until the end."""
        while True:
            while self._work:
                event, kept = self._work[0]
                for item in kept:
                    await self._service.append_event(self._session, item)
                    self._unwritten -= 1
                self._work.popleft()
                if event is not None:
                    self._outbox.put(event)
            self._idle.set()
            if self._ended:
                return
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def _marked(self, event: Event) -> Event:
        if self._custom_metadata:
            event.custom_metadata = {**self._custom_metadata, **(event.custom_metadata or {})}
        return event

    def _pass(self, event: Event | None, kept: list[Event]) -> None:
        if not kept and self._idle.is_set():
            if event is not None:
                self._outbox.put(event)
            return
        if len(self._work) >= MAX_WAITING:
            raise FullduplexError("the session store does not keep up with the conversation", code="store_stalled")
        self._idle.clear()
        self._unwritten += len(kept)
        self._work.append((event, kept))
        self._wake()

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
