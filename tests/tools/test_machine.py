"""What a slow machine is allowed."""

from __future__ import annotations

import pytest

from tests.machine import MOST, REFERENCE_S, Slowness


@pytest.mark.parametrize(("times_slower", "factor"), [(0.5, 1.0), (1.0, 1.0), (2.0, 2.0), (50.0, MOST)])
def test_allowance_grows_with_what_the_work_takes_and_ends_somewhere(times_slower: float, factor: float) -> None:
    took = times_slower * REFERENCE_S[2]
    slowness = Slowness(iter([0.0, took, 5.0, 5.0 + took]).__next__)
    slowness.look()
    slowness.look()
    assert slowness.factor == pytest.approx(factor)
    assert slowness.allow(800, of_it_waiting=400) == pytest.approx(400 + 400 * factor)
