"""What a measurement leaves behind: its figures in bench/results, with all that one needs to make them again."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of all are at or below, by interpolation between the two nearest."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def write_results(name: str, what: str, command: str, figures: Mapping[str, Any]) -> None:
    """Writes bench/results/`name`.json: what was measured, by which command, on which commit and machine, and when."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {
        "what": what,
        "command": command,
        "commit": commit.stdout.strip() or None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()}, Python {sys.version.split()[0]}",
        "load_average_1_min": round(os.getloadavg()[0], 2),
        **figures,
    }
    path = ROOT / "bench" / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
