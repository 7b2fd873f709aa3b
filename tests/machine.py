"""How slow this machine is just now, for promises in milliseconds.

A promise such as "answered within 800 ms" is about a machine that has its two cores to itself. Another one that is
slower, or has neighbours, takes longer for everything, and that says nothing of the program. So a test that measures
real time does a fixed piece of work on both cores in between and allows for what that took longer than it should: a
program that becomes slower is found out on any machine, for the work here stays the same.

    slowness = Slowness()
    …                                  # between the turns that are measured:
    slowness.look()
    assert percentile(delays, 95) <= slowness.allow(800, of_it_waiting=400)
"""

from __future__ import annotations

import bz2
import random
import statistics
import threading
import time
from collections.abc import Callable

#: What the piece of work takes where the promises hold, in seconds, on one core and on two at once: they share parts.
REFERENCE_S = {1: 0.07, 2: 0.12}

_WORK = random.Random(1).randbytes(600_000)

#: Beyond this a machine proves nothing, whatever it is allowed.
MOST = 3.0


class Slowness:
    """Looks at the machine now and then; at least one look before it is asked.

    `clock` and `cores`: the processor's own time of a single thread may be what counts, and not that of the wall.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter, cores: int = 2) -> None:
        self._clock = clock
        self._cores = cores
        self._looks: list[float] = []

    def look(self) -> None:
        """Does the piece of work on each core, all at once, in a tenth of a second or more."""
        threads = [threading.Thread(target=bz2.compress, args=(_WORK,)) for _ in range(self._cores)]
        began = self._clock()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._looks.append(self._clock() - began)

    @property
    def factor(self) -> float:
        """How many times slower than promised for this machine is, from 1 to `MOST`."""
        return min(MOST, max(1.0, statistics.median(self._looks) / REFERENCE_S[self._cores]))

    def allow(self, limit: float, *, of_it_waiting: float = 0.0) -> float:
        """`limit` for this machine; waiting is as long on each."""
        return of_it_waiting + (limit - of_it_waiting) * self.factor
