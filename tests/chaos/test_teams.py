"""Teams on a bad network, in virtual time: what is said, done and handed over is neither lost nor doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest

from fullduplex.testing.clock import run_virtual
from tests.live.kit import leftovers

from .team_books import findings
from .teams import Team, TeamTrial, make_team

TRIALS = 100
BATCH = 25
LONGEST_S = 200.0


def play(team: Team) -> TeamTrial:
    """One trial in virtual time."""

    async def main() -> TeamTrial:
        trial = TeamTrial(team)
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
        trial = play(make_team(seed))
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


@pytest.mark.parametrize("seed", range(4))
def test_an_app_that_leaves_at_any_event_or_is_cancelled_at_any_time_leaves_nothing_behind(seed: int) -> None:
    chance = random.Random(seed)
    shown = play(make_team(seed)).record.shown
    for after in sorted(chance.sample(range(1, len(shown)), 6)):
        assert not leave(seed, after=after), f"after {after} events"
    for at in sorted(chance.uniform(0.0, shown[-1][0]) for _ in range(6)):
        assert not leave(seed, cancelled_at=at), f"at {at:.3f}"


def leave(seed: int, *, after: int | None = None, cancelled_at: float | None = None) -> list[str]:
    """What is left of a trial whose app breaks off after so many events, or is cancelled at that time."""

    async def main() -> list[str]:
        trial = TeamTrial(make_team(seed))
        trial.leaves_after = after
        playing = asyncio.create_task(trial.play(), name="play")
        await asyncio.sleep(cancelled_at or 0.001)
        assert trial.reader is not None
        if cancelled_at is not None:
            trial.reader.cancel()
        async with asyncio.timeout(LONGEST_S):
            await asyncio.wait([trial.reader])
        playing.cancel()
        await asyncio.wait([playing])
        await asyncio.sleep(0.5)
        return leftovers() + [
            f"a socket of {line.opened_at:.2f}" for line in trial.scene.server.lines if not line.is_left
        ]

    return run_virtual(main())
