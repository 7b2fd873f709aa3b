"""What is measured, and how: windows at given sizes, the most sessions that fit, footprint, mix-ups, import time."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import python_of
from processes import Child, ChildFailed, run_json

OWN = Path(sys.executable)
P99_LIMIT_MS = 50.0
DELIVERED = 0.98
SUBJECT_CORE, MOCK_CORE = 0, 1


@dataclass(frozen=True)
class Subject:
    """A row of the tables: its script, the environment it needs (None: ours) and how its clients speak."""

    name: str
    title: str
    script: str
    environment: str | None
    speak: str


SUBJECTS = {
    one.name: one
    for one in (
        Subject("relay", "raw picows relay", "subjects/relay_picows.py", None, "json"),
        Subject("websockets", "raw websockets relay", "subjects/relay_websockets.py", None, "json"),
        Subject("engine", "fullduplex engine", "subjects/engine.py", None, "pcm"),
        Subject("pure", "fullduplex engine, nothing compiled", "subjects/engine_pure.py", None, "pcm"),
        Subject("genai", "google-genai client", "subjects/genai.py", "google-genai", "pcm"),
        Subject("adk", "google-adk 2.13", "subjects/adk.py", "google-adk", "pcm"),
    )
}


@dataclass(frozen=True)
class Plan:
    """The sizes of things: sessions, seconds of a window and of its warming up, rounds."""

    subjects: list[str]
    sizes: list[int]
    rounds: int
    parts: set[str]
    seconds: float
    warm: float
    capacity_seconds: float
    max_sessions: int
    memory_runs: int
    crowd_runs: int
    crowd_rounds: int
    struck_sessions: int = 50


class Bench:
    """One subject beside one driver: a window at a time."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._python = python_of(subject.environment) if subject.environment else OWN
        self._driver: Child | None = None
        self._child: Child | None = None
        self.about: dict[str, Any] = {}

    def close(self) -> None:
        """Ends both."""
        for child in (self._child, self._driver):
            if child is not None:
                child.close()
        self._child = self._driver = None

    def window(
        self, sessions: int, seconds: float, warm: float, happening: str | None = None, *, awake: bool = True
    ) -> dict[str, Any]:
        """One window, with a happening of `happenings` if one is named; after one that failed the next starts with new
        processes. `awake`: the far ends never sleep, so that the subject does not pay for waking them."""
        try:
            if self._driver is None or self._child is None:
                self._start()
            assert self._driver is not None
            order = {
                "port": self.about["port"],
                "pid": self.about["pid"],
                "speak": self._subject.speak,
                "sessions": sessions,
                "seconds": seconds,
                "warm": warm,
                "happening": happening,
                "awake": awake,
            }
            seen = self._driver.ask(order, patience_s=seconds + warm + 150)
        except ChildFailed as error:
            seen = {"failed": str(error)}
        if "failed" in seen:
            self.close()
        return seen

    def fits(self, sessions: int, seconds: float, warm: float) -> dict[str, Any]:
        """One window, and in it under `ok` whether so many sessions can be served.

        The far ends sleep when they can: how much of their core they need says whether it is they who are at the limit.
        """
        seen = self.window(sessions, seconds, warm, awake=False)
        seen["ok"] = (
            "failed" not in seen
            and seen["still_open"] == sessions
            and seen["delivered"] >= DELIVERED
            and seen["p99_ms"] < P99_LIMIT_MS
        )
        if not seen["ok"]:
            self.close()
        return seen

    def _start(self) -> None:
        self._driver = Child(OWN, "driver.py", "--cpu", str(MOCK_CORE))
        mock = self._driver.announcement["url"]
        self._child = Child(self._python, self._subject.script, "--mock", mock, "--cpu", str(SUBJECT_CORE))
        self.about = self._child.announcement


def capacity(bench: Bench, start: int, factor: float, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """The most sessions with p99 < 50 ms: steps of `factor` until it is bracketed, then halves down to 8 %."""
    probes: dict[int, dict[str, Any]] = {}

    def ok(sessions: int) -> bool:
        seen = probes[sessions] = bench.fits(sessions, plan.capacity_seconds, plan.warm)
        p99 = seen.get("failed") or f"p99 {seen['p99_ms']:.1f} ms, mock's core {seen['mock_core']:.0%}"
        say(f"{sessions} sessions: {'fits' if seen['ok'] else 'does not fit'} ({p99})")
        return bool(seen["ok"])

    low, high = 0, plan.max_sessions + 1
    size = min(start, plan.max_sessions)
    while low < size < high:
        if ok(size):
            low = size
            size = min(max(size + 1, int(size * factor)), plan.max_sessions)
        else:
            high = size
            size = min(size - 1, int(size / factor))
        if low and high <= plan.max_sessions:
            break
    while low and high <= plan.max_sessions and high / low > 1.08 and high - low > 1:
        middle = (low + high) // 2
        if ok(middle):
            low = middle
        else:
            high = middle
    near = [seen for size, seen in probes.items() if size in (low, high)]
    return {
        "sessions": low,
        "mock_bound": any(seen.get("mock_core", 0.0) > 0.9 for seen in near),
        "at_limit_of_search": high > plan.max_sessions,
        "probes": {str(size): seen for size, seen in sorted(probes.items())},
    }


def runs(model: str, count: int, rounds: int, waves: int) -> dict[str, Any]:
    """`bench/runs.py` in a process of its own, with the mock (echoing) on the other core for `gemini`."""
    arguments = ["--model", model, "--runs", str(count), "--rounds", str(rounds), "--waves", str(waves)]
    arguments += ["--cpu", str(SUBJECT_CORE)]
    try:
        if model != "gemini":
            return run_json(OWN, "runs.py", arguments, 400)
        with Child(OWN, "echo_mock.py", "--cpu", str(MOCK_CORE)) as mock:
            return run_json(OWN, "runs.py", [*arguments, "--mock", mock.announcement["url"]], 400)
    except ChildFailed as error:
        return {"failed": str(error)}


def import_seconds(times: int = 7) -> dict[str, float]:
    """Cold `import fullduplex` in fresh processes: seconds, median and extremes; the first is not counted."""
    script = "import time; began = time.perf_counter(); import fullduplex; print(time.perf_counter() - began)"
    taken = []
    for _ in range(times + 1):
        done = subprocess.run([str(OWN), "-c", script], capture_output=True, text=True, timeout=60, check=True)
        taken.append(float(done.stdout))
    taken = sorted(taken[1:])
    return {"median_s": statistics.median(taken), "min_s": taken[0], "max_s": taken[-1]}
