"""A scribe before whom the app's plugins see every event that is to be shown; what they return takes its place.

Plugins may take their time: all that comes meanwhile waits here, in order, and the receive loop does not. What they
have not seen, because one of them failed or the run could not wait, is neither shown nor kept.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fullduplex.agents.contexts import InvocationContext
from fullduplex.errors import FullduplexError, PluginError
from fullduplex.events import Event
from fullduplex.live.scribe import MAX_WAITING, Scribe, said
from fullduplex.plugins.hooks import seen
from fullduplex.tools.running import cancelled_from_outside
from fullduplex.types.playout import Heard

logger = logging.getLogger(__name__)


class _Shown(NamedTuple):
    event: Event
    ready: asyncio.Future[bool] | None


class Editor(Scribe):
    """`edit` asks the plugins; `fail` is called once, with what ended the editing."""

    def __init__(
        self,
        *,
        edit: Callable[[Event], Awaitable[Event]],
        fail: Callable[[FullduplexError], None],
        **scribe: Any,
    ) -> None:
        super().__init__(**scribe)
        self._edit = edit
        self._fail = fail
        self._failed = False
        self._steps: deque[_Shown | Callable[[], None]] = deque()
        self._arrived = asyncio.Event()
        self._seen = asyncio.Event()

    @classmethod
    def of(cls, ctx: InvocationContext, **scribe: Any) -> Scribe:
        """The scribe of a run: a plain one where no plugin asks for events."""
        if not ctx.plugins.wants("on_event_callback"):
            return Scribe(**scribe)
        return cls(edit=functools.partial(seen, ctx), fail=ctx.stop.ask, **scribe)

    def note(self, event: Event) -> None:
        """See `Scribe`."""
        self._later(functools.partial(super().note, event))

    def settle(self, heard: Heard) -> None:
        """See `Scribe`."""
        self._later(functools.partial(super().settle, heard))

    def release(self) -> None:
        """See `Scribe`."""
        self._later(super().release)

    def end(self) -> None:
        """See `Scribe`."""
        self._later(super().end)

    @property
    def unwritten(self) -> int:
        """How many events have still to be seen or written."""
        return super().unwritten + len(self._steps)

    @property
    def is_settled(self) -> bool:
        """See `Scribe`."""
        return not self._steps and super().is_settled

    @property
    def holds_back(self) -> bool:
        """See `Scribe`; what the plugins have not seen may hold back what comes behind it."""
        return bool(self._steps) or super().holds_back

    async def settled(self) -> None:
        """See `Scribe`."""
        while self._steps:
            self._seen.clear()
            await self._seen.wait()
        await super().settled()

    async def run(self) -> None:
        """Has events seen, and writes, until the end."""
        editing = asyncio.create_task(self._work_off(), name="editor")
        try:
            await super().run()
        finally:
            editing.cancel()
            await asyncio.wait([editing])

    def show_rest(self) -> None:
        """See `Scribe`; what no plugin has seen stays behind."""
        if self._steps:
            logger.error("%d events are dropped: the plugins have not seen them", len(self._steps))
        super().show_rest()

    def _take(self, event: Event, ready: asyncio.Future[bool] | None) -> None:
        self._later(_Shown(event, ready))

    def _later(self, step: _Shown | Callable[[], None]) -> None:
        if len(self._steps) >= MAX_WAITING:
            raise PluginError("on_event_callback does not keep up with the conversation")
        self._steps.append(step)
        self._arrived.set()

    async def _work_off(self) -> None:
        while True:
            while self._steps:
                try:
                    await self._do(self._steps[0])
                except FullduplexError as error:
                    self._failed = True
                    self._fail(error)
                except asyncio.CancelledError:
                    if cancelled_from_outside():
                        raise
                    self._failed = True
                    self._fail(PluginError("a plugin was cancelled in on_event_callback"))
                self._steps.popleft()
            self._seen.set()
            self._arrived.clear()
            await self._arrived.wait()

    async def _do(self, step: _Shown | Callable[[], None]) -> None:
        if not isinstance(step, _Shown):
            step()
        elif step.ready is not None and not await said(step.ready):
            pass
        elif not self._failed:
            super()._take(await self._edit(step.event), None)
        elif step.event.error_code is not None:  # the engine's own words, which say what went wrong
            super()._take(step.event, None)
