"""Which losses are healed, how soon, how often, when to give up, and when to leave after a goAway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.reconnect import Loss, ReconnectPolicy, Reconnects, Verdict, leave_after, verdict


def test_delays_double_up_to_a_cap_and_then_the_budget_is_spent() -> None:
    budget = ReconnectPolicy().budget
    reconnects = Reconnects()
    delays = [reconnects.next_delay(float(second), 0.5) for second in range(budget + 1)]
    assert delays[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert set(delays[6:budget]) == {5.0}
    assert delays[budget] is None


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


def test_jitter_reaches_from_end_to_end() -> None:
    assert [Reconnects().next_delay(0.0, random) for random in (0.0, 0.5, 1.0)] == pytest.approx([0.075, 0.1, 0.125])


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


def test_a_model_that_stays_away_is_given_up_at_the_deadline_whatever_is_left_of_the_budget() -> None:
    policy = ReconnectPolicy(budget=100, window_s=1000.0, deadline_s=10.0)
    reconnects = Reconnects(policy)
    assert reconnects.next_delay(0.0, 0.5) is not None
    assert reconnects.next_delay(9.5, 0.5) == 0.2
    assert reconnects.next_delay(9.7, 0.5) is None  # the next attempt would begin too late


def test_an_attempt_has_until_the_deadline() -> None:
    reconnects = Reconnects(ReconnectPolicy(deadline_s=10.0))
    assert reconnects.time_left(0.0) is None
    reconnects.next_delay(1.0, 0.5)
    assert reconnects.time_left(4.0) == 7.0
    assert reconnects.time_left(12.0) == 0.0
    reconnects.connected()
    assert reconnects.time_left(13.0) is None


def test_the_deadline_counts_from_when_the_model_was_there_last() -> None:
    reconnects = Reconnects(ReconnectPolicy(budget=100, window_s=1000.0, deadline_s=10.0))
    reconnects.next_delay(0.0, 0.5)
    reconnects.connected()
    assert reconnects.next_delay(50.0, 0.5) is not None
    assert reconnects.next_delay(59.5, 0.5) is not None
    assert reconnects.next_delay(59.5, 0.5) is None


# -- the matrix -----------------------------------------------------------------------------------------------------

RECOVERABLE = {None: True, 1000: True, 1001: True, 1006: True, 1007: False, 1008: False, 1011: True}


@pytest.mark.spec(139)
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("handle", [False, True], ids=["no handle", "handle"])
@pytest.mark.parametrize("refused", [False, True], ids=["used", "refused"])
@pytest.mark.parametrize("code", RECOVERABLE)
def test_what_follows_a_loss(code: int | None, refused: bool, handle: bool, closed: bool) -> None:
    loss = Loss(code, RECOVERABLE[code], refused_handle=refused and handle, goes_on=handle, closed=closed)
    if code == 1008:
        without = Verdict.END if closed else Verdict.WITHOUT_HANDLE
        expected = without if refused and handle else Verdict.FAIL
    elif code == 1007:
        expected = Verdict.FAIL
    elif code == 1000 and not handle:
        expected = Verdict.END
    else:
        expected = Verdict.END if closed else Verdict.AGAIN
    assert verdict(loss) is expected


@given(
    st.sampled_from([None, 1000, 1001, 1006, 1007, 1008, 1011, 1012, 4000]), st.booleans(), st.booleans(), st.booleans()
)
def test_after_close_nobody_connects_again(code: int | None, recoverable: bool, refused: bool, handle: bool) -> None:
    loss = Loss(code, recoverable, refused_handle=refused and handle, goes_on=handle, closed=True)
    assert verdict(loss) in (Verdict.END, Verdict.FAIL)


@pytest.mark.spec(139)
def test_a_normal_close_after_a_go_away_is_not_the_end() -> None:
    sent_off = Loss(1000, True, refused_handle=False, goes_on=True, closed=False)
    assert verdict(sent_off) is Verdict.AGAIN


# -- when to leave --------------------------------------------------------------------------------------------------


@pytest.mark.spec(140)
@pytest.mark.parametrize(
    ("time_left", "seconds"),
    [("10s", 9.0), ("1.5s", 0.5), ("1s", 0.0), ("0.2s", 0.0), ("60.000s", 59.0)],
)
def test_one_leaves_a_second_before_the_time_is_up(time_left: str, seconds: float) -> None:
    assert leave_after(time_left) == seconds


@pytest.mark.parametrize("time_left", [None, "", "soon", "10", "-5s", "1m"])
def test_without_a_time_that_can_be_read_one_leaves_at_once(time_left: str | None) -> None:
    assert leave_after(time_left) == 0.0
