"""The figures of a report: medians with their extremes, and bars."""

from __future__ import annotations

import statistics
from typing import NamedTuple


class Spread(NamedTuple):
    """Median and extremes over the rounds."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 0) -> str:
        """`median (low–high)`, or one number when there was one round."""
        middle = f"{self.median:,.{digits}f}"
        if self.low == self.high:
            return middle
        return f"{middle} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


class Bar(NamedTuple):
    """A figure that is to be reached. `passed` is None when it was not measured."""

    name: str
    wanted: str
    measured: str
    passed: bool | None

    @property
    def verdict(self) -> str:
        """PASS, FAIL or not measured."""
        return "not measured" if self.passed is None else "PASS" if self.passed else "FAIL"


def spread(values: list[float]) -> Spread | None:
    """Of the values of the rounds; None when there are none."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None
