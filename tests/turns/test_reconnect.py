"""Backoff under a budget: how soon, how often, and when to give up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.reconnect import ReconnectPolicy, Reconnects


def test_delays_double_up_to_a_cap_and_then_the_budget_is_spent() -> None:
    reconnects = Reconnects()
    delays = [reconnects.next_delay(float(second), 0.5) for second in range(9)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, None]


def test_attempts_are_forgotten_when_they_leave_the_window() -> None:
    reconnects = Reconnects(ReconnectPolicy(budget=2, window_s=10.0))
    assert reconnects.next_delay(0.0, 0.5) == 0.1
    assert reconnects.next_delay(1.0, 0.5) == 0.2
    assert reconnects.next_delay(2.0, 0.5) is None
    assert reconnects.next_delay(10.5, 0.5) == 0.2
    assert reconnects.next_delay(30.0, 0.5) == 0.1


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_quarter(random: float) -> None:
    delay = Reconnects().next_delay(0.0, random)
    assert delay is not None
    assert 0.075 <= delay <= 0.125


@given(st.lists(st.floats(0, 2), max_size=200))
def test_a_server_that_drops_every_connection_at_once_is_not_hammered(lived: list[float]) -> None:
    reconnects, now, attempts = Reconnects(), 0.0, []
    for life in lived:
        now += life
        delay = reconnects.next_delay(now, 0.0)
        if delay is not None:
            now += delay
            attempts.append(now)
    assert sum(attempt <= 5.0 for attempt in attempts) <= 10
