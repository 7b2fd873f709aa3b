"""Two hundred calls on a bad network, in virtual time: nothing that was said or done is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from fullduplex.models.gemini.socket import KEEPALIVE_S
from fullduplex.testing.clock import run_virtual
from tests.live.kit import leftovers

from .books import findings
from .plan import MODELS, MODES, Act, Fault, Mode, Plan, make
from .scenes import MemoryScene
from .trial import Record, Trial

TRIALS = 200
BATCH = 25
LONGEST_S = 200.0


def play(plan: Plan) -> Record:
    """One trial in virtual time."""

    async def main() -> Record:
        async with asyncio.timeout(LONGEST_S):
            record = await Trial(plan, MemoryScene(plan), virtual=True).play()
        if left := leftovers():
            record.error = record.error or RuntimeError(f"tasks are left: {left}")
        return record

    return run_virtual(main())


def judge(plans: Iterable[Plan]) -> None:
    """Plays all; fails with the seeds of those that went wrong, and the story of the first."""
    failed: dict[int, str] = {}
    for plan in plans:
        record = play(plan)
        if wrong := findings(record):
            failed[plan.seed] = report(record, wrong)
    assert not failed, f"seeds {sorted(failed)} failed; the first:\n{next(iter(failed.values()))}"


def report(record: Record, wrong: list[str]) -> str:
    """What went wrong, with all that it takes to see it again."""
    plan = record.plan
    found = "\n".join(f"  - {one}" for one in wrong)
    return f"seed {plan.seed} ({plan.mode}, {plan.model})\n{found}\n{record.timeline()}"


@pytest.mark.spec(140, 141, 143)
@pytest.mark.parametrize("first", range(0, TRIALS, BATCH))
def test_nothing_is_lost_or_doubled_whatever_breaks(first: int) -> None:
    judge(make(seed) for seed in range(first, first + BATCH))


@pytest.mark.spec(140)
def test_who_is_warned_hears_no_gap() -> None:
    judge(make(seed, kinds=("go_away",)) for seed in range(5000, 5040))


@pytest.mark.spec(139)
def test_a_server_that_forgets_its_handles_is_told_all_of_it() -> None:
    judge(make(seed, kinds=("forget", "go_away")) for seed in range(7000, 7030))


@pytest.mark.parametrize("mode", MODES)
def test_a_long_stall_is_not_taken_for_the_end(mode: Mode) -> None:
    acts = (Act(1, 1.0, 40), Act(2, 5.0, 0), Act(3, 8.0, 30))
    record = play(Plan(1, mode, MODELS[0], acts, (Fault("stall", 5.5, 4.9), Fault("stall", 12.0, 14.0))))
    assert not findings(record), report(record, findings(record))
    assert len(record.connected) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_black_hole_that_nobody_ends_is_found_by_the_keepalive_and_loses_nothing(mode: Mode) -> None:
    acts = (Act(1, 1.0, 40), Act(2, 7.0, 0))
    record = play(Plan(1, mode, MODELS[1], acts, (Fault("blackhole", 6.5, 40.0),)))
    assert not findings(record), report(record, findings(record))
    assert record.connected[1][0] < 6.5 + 2 * KEEPALIVE_S + 2.0
