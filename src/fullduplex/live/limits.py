"""The limits of a run, kept: `max_turns`, `max_duration_s` and `max_total_tokens` (see `turns.run_limits`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fullduplex.agents.run_config import RunConfig
from fullduplex.turns.run_limits import Exceeded, RunLimits
from fullduplex.types.live import LiveServerMessage


class Limits:
    """The limits of one run; `now` gives seconds."""

    def __init__(self, limits: RunLimits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._fed = asyncio.Event()

    @classmethod
    def of(cls, run: RunConfig, now: Callable[[], float]) -> Limits | None:
        """The limits that `run` sets, from now on; None when there are none."""
        if run.max_turns is None and run.max_duration_s is None and run.max_total_tokens is None:
            return None
        limits = RunLimits(
            started_at=now(),
            max_turns=run.max_turns,
            max_duration_s=run.max_duration_s,
            max_total_tokens=run.max_total_tokens,
        )
        return cls(limits, now)

    def asked(self) -> None:
        """The user has typed a turn."""
        self._limits.asked()

    def hear(self, message: LiveServerMessage, *, goes_on: bool) -> None:
        """A message of the model has come, and its events are shown; see `RunLimits.feed`."""
        if self._limits.feed(message, self._now(), goes_on=goes_on) is not None:
            self._fed.set()

    def settled(self) -> None:
        """What the model called comes to nothing that it would speak of."""
        self._limits.settled()
        self._fed.set()

    async def exceeded(self) -> Exceeded:
        """Returns when a limit is exceeded and no answer would be cut off, or the time for it has run out."""
        while (limit := self._limits.check(self._now())) is None:
            due = self._limits.wake_at(self._now())
            self._fed.clear()
            try:
                async with asyncio.timeout(None if due is None else due - self._now()):
                    await self._fed.wait()
            except TimeoutError:
                continue
        return limit
