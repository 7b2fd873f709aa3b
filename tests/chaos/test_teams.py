"""Teams on a bad network, in virtual time: what is said, done and handed over is neither lost nor doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from fullduplex.testing.clock import run_virtual
from tests.live.kit import leftovers

from .team_books import findings
from .teams import TeamTrial, make_team

TRIALS = 100
BATCH = 25
LONGEST_S = 200.0


def play(seed: int) -> TeamTrial:
    """One trial in virtual time."""

    async def main() -> TeamTrial:
        trial = TeamTrial(make_team(seed))
        async with asyncio.timeout(LONGEST_S):
            await trial.play()
        await asyncio.sleep(0.5)  # the last words of connections that were left
        if left := leftovers():
            trial.record.error = trial.record.error or RuntimeError(f"tasks are left: {left}")
        return trial

    return run_virtual(main())


def judge(seeds: Iterable[int]) -> None:
    """Plays all; fails with the seeds of those that went wrong, and the story of the first."""
    failed: dict[int, str] = {}
    for seed in seeds:
        trial = play(seed)
        if wrong := findings(trial):
            failed[seed] = report(trial, wrong)
    assert not failed, f"seeds {sorted(failed)} failed; the first:\n{next(iter(failed.values()))}"


def report(trial: TeamTrial, wrong: list[str]) -> str:
    """What went wrong, with all that it takes to see it again."""
    found = "\n".join(f"  - {one}" for one in wrong)
    team, plan = trial.team, trial.team.plan
    deeds = "\n".join(f"  {act.label}: {team.deed(act.label)}" for act in plan.acts)
    who = f"{team.names}, guarded {team.guarded}, recorded {team.recorded}"
    return f"seed {plan.seed} ({plan.mode}, {plan.model}; {who})\n{deeds}\n{found}\n{trial.record.timeline()}"


@pytest.mark.parametrize("first", range(0, TRIALS, BATCH))
def test_a_team_loses_and_doubles_nothing_whatever_breaks(first: int) -> None:
    judge(range(first, first + BATCH))
