"""Writes what happened into the session, in order, and passes it on to the app: kept first, shown after.

Stores may be slow; the receive loop is not made to wait for them, nor an interruption, nor the agent's voice. Which
events are kept is decided in `turns.journal`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.recorder import Recorder
from fullduplex.live.relay import Relay
from fullduplex.sessions import BaseSessionService, Session
from fullduplex.turns.journal import Journal
from fullduplex.turns.output import Output
from fullduplex.types.playout import Heard

MAX_WAITING = 50_000
LATE_S = 0.02


class _Work(NamedTuple):
    """Events to keep, and one to show afterwards; since when they wait (seconds)."""

    event: Event | None
    kept: list[Event]
    since: float

    @property
    def ends_turn(self) -> bool:
        return self.event is not None and bool(self.event.turn_complete)


class Scribe:
    """The one writer of a run's session."""

    __slots__ = (
        "_busy",
        "_custom_metadata",
        "_ended",
        "_journal",
        "_now",
        "_outbox",
        "_outputs",
        "_passes_sound",
        "_reader",
        "_recorder",
        "_service",
        "_session",
        "_unready",
        "_unwritten",
        "_work",
    )

    def __init__(
        self,
        *,
        session: Session,
        service: BaseSessionService,
        outbox: Relay,
        custom_metadata: dict[str, Any] | None,
        now: Callable[[], float],
        recorder: Recorder | None = None,
    ) -> None:
        self._session = session
        self._service = service
        self._outbox = outbox
        self._custom_metadata = custom_metadata
        self._now = now
        self._recorder = recorder
        if recorder is not None:
            recorder.show = self.show
        self._passes_sound = recorder is None and not custom_metadata and type(self) is Scribe
        self._outputs: dict[str, Output] = {}
        self._journal = Journal()
        self._unready: dict[str, asyncio.Future[bool]] = {}
        self._work: deque[_Work] = deque()
        self._unwritten = 0
        self._busy: asyncio.Future[None] | None = None  # done when all is written; None where nothing is to be
        self._ended = False
        self._reader: asyncio.Future[None] | None = None

    def follow(self, agent: str, output_key: str, *, speech: bool) -> None:
        """From now on the state `output_key` has what `agent` says; with `speech`, what it says aloud, too."""
        if agent not in self._outputs:
            self._outputs[agent] = Output(output_key, author=agent, transcripts=speech)

    def show(self, event: Event, *, ready: asyncio.Future[bool] | None = None) -> None:
        """Takes an event from the model or a tool: kept if it is to be, then shown to the app.

        With `ready` it holds its place, and what comes behind it waits, until that says whether to take it or leave it
        out.
        """
        if self._recorder is None:
            self._take(event, ready)
            return
        self._recorder.before(event)
        self._take(event, ready)
        self._recorder.after(event)

    def sound(self, event: Event) -> None:
        """As `show`, of another chunk of a voice that speaks already: the busiest path, with nothing to be kept."""
        if self._passes_sound and self._journal.follows_voice and self._busy is None and not self._unready:
            self._outbox.put(event)
        else:
            self.show(event)

    def beside(self, event: Event) -> None:
        """`event` is a tool's, and about to be shown: it is no part of what the model says."""
        self._journal.beside(event)

    def note(self, event: Event) -> None:
        """Takes an event of the user's side: kept, not shown (the app knows what it sent)."""
        self._mark(event)
        self._pass(None, self._journal.user(event))

    @property
    def unwritten(self) -> int:
        """How many events the store has still to take."""
        return self._unwritten

    @property
    def is_settled(self) -> bool:
        """Whether all that was taken so far is written."""
        return self._busy is None

    @property
    def holds_back(self) -> bool:
        """Whether what comes now is kept only when the present turn is over."""
        return self._journal.holds_back

    def settle(self, heard: Heard) -> None:
        """What was heard of an interrupted answer: the session keeps no more of it."""
        self._pass(None, self._journal.settle(heard))

    def release(self) -> None:
        """The connection is over: what was held back until the end of its turn is kept now."""
        self._pass(None, self._journal.end())

    def show_rest(self) -> None:
        """The run is over: shows the app what waited in vain to be written."""
        with contextlib.suppress(FullduplexError):
            while self._work:
                event = self._work.popleft().event
                if event is not None and event.id not in self._unready:
                    self._outbox.put(event)

    def end(self) -> None:
        """Nothing more will come; `run` returns when all is written."""
        self._pass(None, self._journal.end())
        self._ended = True
        self._wake()

    async def settled(self) -> None:
        """Returns when all that was taken so far is written."""
        if self._busy is not None:
            await asyncio.wait([self._busy])

    async def run(self) -> None:
        """Writes until the end."""
        while True:
            while self._work:
                work = self._work[0]
                is_shown = work.event is not None and await self._is_wanted(work.event)
                while work.kept:
                    if await self._is_wanted(work.kept[0]):
                        await self._service.append_event(self._session, work.kept[0])
                    self._unready.pop(work.kept[0].id, None)
                    del work.kept[0]
                    self._unwritten -= 1
                self._work.popleft()
                if is_shown and work.event is not None:
                    self._outbox.put(work.event)
            if self._busy is not None:
                self._busy.set_result(None)
                self._busy = None
            if self._ended:
                return
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def _take(self, event: Event, ready: asyncio.Future[bool] | None) -> None:
        if ready is not None:
            self._unready[event.id] = ready
        self._mark(event)
        self._pass(event, self._journal.model(event))

    async def _is_wanted(self, event: Event) -> bool:
        ready = self._unready.get(event.id)
        return ready is None or await said(ready)

    def _mark(self, event: Event) -> None:
        if self._custom_metadata:
            event.custom_metadata = {**self._custom_metadata, **(event.custom_metadata or {})}

    def _pass(self, event: Event | None, kept: list[Event]) -> None:
        if not kept and not self._unready and self._busy is None:  # the way of every chunk of audio
            if event is not None:
                self._outbox.put(event)
            return
        if self._outputs:
            for one in kept:
                if one.author in self._outputs:
                    self._outputs[one.author].take(one)
        if event is not None and self._busy is not None and self._overtakes(event):
            self._outbox.put(event)
            event = None
        if not kept and (event is None or (self._busy is None and event.id not in self._unready)):
            if event is not None:
                self._outbox.put(event)
            return
        if len(self._work) >= MAX_WAITING:
            raise FullduplexError("the session store does not keep up with the conversation", code="store_stalled")
        if self._busy is None:
            self._busy = asyncio.get_running_loop().create_future()
        self._unwritten += len(kept)
        self._work.append(_Work(event, kept, self._now()))
        self._wake()

    def _overtakes(self, event: Event) -> bool:
        """Whether a store that is late must not hold this event back: silence is wanted at once, and speech flows on.

        Audio does not overtake the end of a turn: the next answer would be taken for more of the last.
        """
        if not self._work or self._now() - self._work[0].since < LATE_S:
            return False
        if event.interrupted:
            return True
        blob = event.content.parts[0].inline_data if event.content is not None and event.content.parts else None
        return blob is not None and not any(work.ends_turn for work in self._work)

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)


async def said(ready: asyncio.Future[bool]) -> bool:
    """What `ready` says, when it does. Whoever is cancelled here leaves it as it is."""
    await asyncio.wait([ready])
    return ready.result()
