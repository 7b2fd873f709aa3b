"""The bench works and its output has its shape. What the numbers are is not this test's business."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the bench pins its two sides to two cores (Linux)",
)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `bench/run.py`."""
    command = [sys.executable, str(ROOT / "bench" / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


@two_cores
def test_a_short_run_measures_relay_and_engine(tmp_path: Path) -> None:
    done = bench(
        *("--quick", "--subjects", "relay,engine", "--sizes", "2", "--seconds", "1"),
        *("--runs", "10", "--parts", "sizes,memory,crowd", "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(next(tmp_path.glob("*.json")).read_text())
    for name in ("relay", "engine"):
        (measured,) = results["subjects"][name]["rounds"]
        window = measured["sizes"]["2"]
        assert window["sessions"] == window["still_open"] == 2
        assert window["pairs"] > 25  # of about 50 in one second
        assert window["cpu_us_per_pair"] > 0
        assert 0 < window["p50_ms"] <= window["p99_ms"]
    assert results["engine"]["memory_scripted"]["left"] == {"files": 0, "tasks": 0, "objects": 0}
    assert "speech_kb_each" in results["engine"]["memory_scripted"]
    assert results["engine"]["crowd"]["mixed_up"] == 0
    assert {bar["verdict"] for bar in results["bars"]} <= {"PASS", "FAIL", "not measured"}
    table = (tmp_path / "latest.md").read_text()
    assert "| fullduplex engine |" in table
    assert str(tmp_path) not in table


@two_cores
def test_everybody_gets_over_interruptions_and_changes_of_lines(tmp_path: Path) -> None:
    done = bench(
        *("--quick", "--subjects", "relay,engine", "--parts", "interruption,reconnect"),
        *("--seconds", "1", "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(next(tmp_path.glob("*.json")).read_text())
    seen = {name: subject["rounds"][0]["happenings"] for name, subject in results["subjects"].items()}
    assert list(seen["relay"]) == ["interrupted"]
    assert list(seen["engine"]) == ["interrupted", "cut", "go_away"]
    for window in [*seen["relay"].values(), *seen["engine"].values()]:
        assert window["happening"]["struck"] == window["still_open"] == 50
        assert window["happening"]["missing"] == 0
    assert seen["engine"]["cut"]["happening"]["back"]["p50_ms"] >= 75  # the policy's first delay
    table = (tmp_path / "latest.md").read_text()
    assert "| goAway in mid-answer |" in table
    assert "failed" not in table


def test_an_unknown_subject_is_refused_by_name() -> None:
    done = bench("--subjects", "relay,nobody")
    assert done.returncode == 2
    assert "nobody is none of relay, websockets, engine, pure, genai, adk" in done.stderr
