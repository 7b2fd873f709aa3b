"""Two utterances that one stall held up together, and then a cut or a handover while the model is at the first of them.

All that was said has left for the model, and what it tells first is of the first utterance alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from .plan import MODELS, MODES, Act, Fault, Plan
from .team_books import findings
from .teams import Team
from .test_teams import play, report

TRIALS = 60
MORE = 1500
BATCH = 20


def make_stuck(seed: int) -> Team:
    """The team and its plan: the stall begins before the first utterance is over, and ends after the second."""
    chance = random.Random(f"stuck {seed}")
    first = Act(1, round(chance.uniform(1.0, 1.7), 3), chance.randint(15, 50))  # when the first line is open
    second = Act(2, round(first.ends + chance.uniform(0.54, 2.0), 3), chance.randint(15, 50))
    stalled = round(chance.uniform(first.at - 0.2, first.ends + 0.3), 3)
    stall = Fault("stall", stalled, round(second.ends + chance.uniform(0.0, 1.0) - stalled, 3))
    faults = [stall]
    last = stall.ends
    if chance.random() < 0.7:
        last += chance.uniform(0.02, 1.5)
        faults.append(Fault(chance.choice(("cut", "cut", "forget")), round(last, 3)))
    third = Act(3, round(last + chance.uniform(0.5, 4.0), 3), chance.randint(15, 50))
    mode = MODES[seed % len(MODES)]
    return Team.of(Plan(seed, mode, chance.choice(MODELS), (first, second, third), tuple(faults)))


def judge(seeds: Iterable[int]) -> None:
    """Plays all; fails with the seeds of those that went wrong, and the story of the first."""
    failed: dict[int, str] = {}
    for seed in seeds:
        trial = play(make_stuck(seed))
        if wrong := findings(trial):
            failed[seed] = report(trial, wrong)
    assert not failed, f"seeds {sorted(failed)} failed; the first:\n{next(iter(failed.values()))}"


@pytest.mark.parametrize("first", range(0, TRIALS, BATCH))
def test_of_two_utterances_that_were_stuck_together_neither_is_lost_nor_doubled(first: int) -> None:
    judge(range(first, first + BATCH))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(TRIALS, MORE, 10 * BATCH))
def test_of_many_more_that_were_stuck_together_none_is_lost_nor_doubled(first: int) -> None:
    judge(range(first, min(first + 10 * BATCH, MORE)))
