"""What arrived on one way through a subject: how many, and how late."""

from __future__ import annotations

import time
from array import array

import numpy as np


class Direction:
    """What arrived on one way since recording began: latencies in ns, and how many were sent."""

    def __init__(self) -> None:
        self.since = 0
        self.recording = False
        self.sent = 0
        self.arrived = 0
        self.latencies = array("q")

    def begin(self) -> None:
        """Forgets what was; counts from now on."""
        self.since = time.monotonic_ns()
        self.recording = True
        self.sent = self.arrived = 0
        self.latencies = array("q")

    def take(self, sent_ns: int) -> None:
        """What was sent at this time has come."""
        if self.recording:
            self.arrived += 1
            self.latencies.append(time.monotonic_ns() - sent_ns)

    def report(self) -> dict[str, float]:
        """Percentiles in ms."""
        return {"sent": self.sent, "arrived": self.arrived, **percentiles(self.latencies)}


def percentiles(nanoseconds: array[int]) -> dict[str, float]:
    """`p50_ms`, `p99_ms` and `max_ms`; without any they are infinite."""
    if not nanoseconds:
        return dict.fromkeys(("p50_ms", "p99_ms", "max_ms"), float("inf"))
    p50, p99, most = np.percentile(np.frombuffer(nanoseconds, dtype=np.int64), (50, 99, 100)) / 1e6
    return {"p50_ms": float(p50), "p99_ms": float(p99), "max_ms": float(most)}
