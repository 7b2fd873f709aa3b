"""The same calls over real sockets: Mock Live behind the faulty proxy, in real time, with shorter times."""

from __future__ import annotations

import asyncio
import json
import math
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .books import findings
from .plan import Plan, make
from .player import silences
from .scenes import RealScene
from .test_virtual import report
from .trial import Record, Trial

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "chaos.json"
SHORTER = 0.35
AT_ONCE = 10


async def play(plan: Plan) -> Record:
    """One trial in real time."""
    async with asyncio.timeout(50), RealScene.open(plan) as scene:
        return await Trial(plan, scene, virtual=False).play()


async def play_all(seeds: Sequence[int]) -> list[Record]:
    """Trials side by side, so many at once."""
    records: list[Record] = []
    for start in range(0, len(seeds), AT_ONCE):
        plans = [make(seed, turns=2, most=SHORTER) for seed in seeds[start : start + AT_ONCE]]
        records += await asyncio.gather(*map(play, plans))
    return records


def judged(records: Sequence[Record]) -> dict[int, str]:
    """The trials that failed, with their reports."""
    found = ((record, findings(record)) for record in records)
    return {record.plan.seed: report(record, wrong) for record, wrong in found if wrong}


@pytest.mark.timeout(120)
@pytest.mark.spec(143)
async def test_nothing_is_lost_or_doubled_over_real_sockets() -> None:
    failed = judged(await play_all(range(1000, 1020)))
    assert not failed, f"seeds {sorted(failed)} failed; the first:\n{next(iter(failed.values()))}"


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hundred_real_calls_lose_nothing() -> None:
    """The figures go to bench/results."""
    records = await play_all(range(2000, 2200))
    failed = judged(records)
    record_results(records, failed)
    assert not failed, f"seeds {sorted(failed)} failed; the first:\n{next(iter(failed.values()))}"


def record_results(records: Sequence[Record], failed: dict[int, str]) -> None:
    """Writes the figures with all that one needs to make them again."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    gaps = sorted(seconds for record in records for _, seconds in silences(record))
    found = {
        "what": "calls over real sockets with random faults: user slices and tool results lost or doubled, silences",
        "command": "make test-slow PYTEST_ARGS=tests/chaos/test_real.py",
        "commit": commit.stdout.strip() or None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()}, Python {sys.version.split()[0]}",
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "trials": len(records),
        "failed": sorted(failed),
        "modes": dict(Counter(record.plan.mode for record in records)),
        "faults": dict(Counter(fault.kind for record in records for fault in record.struck)),
        "connections": sum(len(record.connected) for record in records),
        "silence_after_a_loss_in_mid_answer_s": {
            "count": len(gaps),
            "p50": round(gaps[len(gaps) // 2], 3) if gaps else None,
            "p95": round(gaps[math.ceil(len(gaps) * 0.95) - 1], 3) if gaps else None,
            "max": round(gaps[-1], 3) if gaps else None,
        },
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
