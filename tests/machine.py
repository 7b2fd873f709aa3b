"""How slow this machine is just now, for promises in milliseconds.

A promise such as "answered within 800 ms" is about a machine that has its two cores to itself. Another one that is
slower, or has neighbours, takes longer for everything, and that says nothing of the program. So a test that measures
real time does a fixed piece of work in between and allows for what that took longer than it should: a program that
becomes slower is found out on any machine, for the work here stays the same.

    slowness = Slowness()
    …                                  # between the turns that are measured:
    slowness.look()
    assert percentile(delays, 95) <= slowness.allow(800, of_it_waiting=400)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

#: What the piece of work takes where the promises hold, in seconds.
REFERENCE_S = 0.11

#: Beyond this a machine proves nothing, whatever it is allowed.
MOST = 3.0


class Slowness:
    """Looks at the machine now and then; at least one look before it is asked."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._looks: list[float] = []

    def look(self) -> None:
        """Does the piece of work, in a tenth of a second or more."""
        began = self._clock()
        total = 0
        for number in range(1_000_000):
            total = (total * 31 + number) % 1_000_003
        self._looks.append(self._clock() - began)

    @property
    def factor(self) -> float:
        """How many times slower than promised for this machine is, from 1 to `MOST`."""
        return min(MOST, max(1.0, statistics.mean(self._looks) / REFERENCE_S))

    def allow(self, limit: float, *, of_it_waiting: float = 0.0) -> float:
        """`limit` for this machine; waiting is as long on each."""
        return of_it_waiting + (limit - of_it_waiting) * self.factor
