"""Measures the engine beside its peers and prints the tables. `make bench` runs it; `--help` says what can be set.

Every subject is a small voice gateway in a process of its own on core 0; clients and mock share a process on core 1.
The subjects take turns, round by round, so that all meet the same weather.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from environments import EnvironmentFailed, python_of
from measure import SUBJECTS, Bench, Plan, capacity, import_seconds, runs
from report import bars, tables

HERE = Path(__file__).parent
PARTS = ("sizes", "capacity", "interruption", "reconnect", "memory", "crowd", "import")
IN_ROUNDS = {"sizes", "capacity", "interruption", "reconnect"}
FIRST_PROBE = 64


def parse(arguments: list[str] | None = None) -> tuple[argparse.Namespace, Plan]:
    """The options, and the plan that follows from them."""
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round, no capacity: does it work at all")
    parser.add_argument("--subjects", help=f"comma-separated, of: {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--sizes", help="comma-separated numbers of sessions (default: 1,20,50,100; quick: 1,20)")
    parser.add_argument("--rounds", type=int, help="default: 3; quick: 1")
    parser.add_argument("--parts", help=f"comma-separated, of: {', '.join(PARTS)} (default: all; quick: no capacity)")
    parser.add_argument("--seconds", type=float, help="length of a window (default: 8; quick: 2)")
    parser.add_argument("--capacity-seconds", type=float, default=5.0, help="length of a window of the capacity search")
    parser.add_argument("--max-sessions", type=int, default=4096, help="where the capacity search ends")
    parser.add_argument(
        "--runs", type=int, help="runs for memory; twice as many in the crowd (default: 500; quick: 50)"
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: bench/results; quick: none)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar is missed")
    options = parser.parse_args(arguments)
    quick = options.quick
    memory_runs = options.runs or (50 if quick else 500)
    plan = Plan(
        subjects=_choice(parser, "--subjects", options.subjects, tuple(SUBJECTS)),
        sizes=[int(size) for size in (options.sizes or ("1,20" if quick else "1,20,50,100")).split(",")],
        rounds=options.rounds or (1 if quick else 3),
        parts=set(_choice(parser, "--parts", options.parts, tuple(p for p in PARTS if not quick or p != "capacity"))),
        seconds=options.seconds or (2.0 if quick else 8.0),
        warm=0.5 if quick else 1.0,
        capacity_seconds=options.capacity_seconds,
        max_sessions=options.max_sessions,
        memory_runs=memory_runs,
        crowd_runs=memory_runs * 2,
        crowd_rounds=10 if quick else 50,
    )
    if options.out is None and not quick:
        options.out = HERE / "results"
    return options, plan


def _choice(parser: argparse.ArgumentParser, option: str, given: str | None, default: tuple[str, ...]) -> list[str]:
    known = tuple(SUBJECTS) if option == "--subjects" else PARTS
    chosen = given.split(",") if given else list(default)
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"{option}: {', '.join(unknown)} is none of {', '.join(known)}")
    return chosen


def about(plan: Plan, arguments: list[str]) -> dict[str, Any]:
    """Where, when and of what the measurement is."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    kept = [word for index, word in enumerate(arguments) if "--out" not in (word, arguments[max(index - 1, 0)])]
    command = "make bench" + (f' BENCH_ARGS="{" ".join(kept)}"' if kept else "")
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "command": command,
        "commit": (_git("rev-parse", "--short", "HEAD") or "none") + ("-changed" if changed else ""),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model.partition(":")[2].strip() or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sizes": plan.sizes,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "warm": plan.warm,
        "struck_sessions": plan.struck_sessions,
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def measure(plan: Plan, arguments: list[str]) -> dict[str, Any]:
    """All rounds, then what concerns the engine alone."""
    subjects: dict[str, Any] = {name: {"rounds": []} for name in plan.subjects}
    results: dict[str, Any] = {"about": about(plan, arguments), "subjects": subjects, "engine": {}}
    for name in plan.subjects:
        if (environment := SUBJECTS[name].environment) is not None:
            try:
                python_of(environment)
            except EnvironmentFailed as error:
                subjects[name]["error"] = str(error)
                say(f"{SUBJECTS[name].title}: {error}")
    if plan.parts & IN_ROUNDS:
        for number in range(1, plan.rounds + 1):
            for name in plan.subjects:
                if "error" not in subjects[name]:
                    say(f"round {number} of {plan.rounds}: {SUBJECTS[name].title}")
                    _round(plan, name, subjects[name])
    if "engine" in plan.subjects:
        results["engine"] = _engine(plan)
    return results


def _round(plan: Plan, name: str, row: dict[str, Any]) -> None:
    bench = Bench(SUBJECTS[name])
    seen: dict[str, Any] = {"sizes": {}, "happenings": {}}
    try:
        if "sizes" in plan.parts:
            # Not counted. What is measured is a process that has been up: its first minute of calls is dearer, because
            # it has its memory still to get from the system, and its code still to become warm.
            bench.window(max(plan.sizes), plan.seconds, plan.warm)
        for size in plan.sizes if "sizes" in plan.parts else ():
            window = seen["sizes"][str(size)] = bench.window(size, plan.seconds, plan.warm)
            say(f"  {size} sessions: {_short(window)}")
        for happening in _happenings(plan, name):
            window = bench.window(plan.struck_sessions, plan.seconds, plan.warm, happening)
            seen["happenings"][happening] = window
            say(f"  {happening}: {window.get('failed') or window['happening']}")
        if "capacity" in plan.parts:
            before = [one["capacity"]["sessions"] for one in row["rounds"] if one["capacity"]["sessions"]]
            start, factor = (before[-1], 1.15) if before else (FIRST_PROBE, 2.0)
            seen["capacity"] = capacity(bench, start, factor, plan, lambda text: say(f"  capacity: {text}"))
    finally:
        bench.close()
    row["rounds"].append(seen)
    row.setdefault("versions", bench.about.get("versions", {}))
    row.setdefault("note", bench.about.get("note", ""))


def _happenings(plan: Plan, name: str) -> list[str]:
    """Interruptions reach everybody; changing lines is what the others do not do."""
    found = ["interrupted"] if "interruption" in plan.parts else []
    return found + (["cut", "go_away"] if "reconnect" in plan.parts and name == "engine" else [])


def _short(window: dict[str, Any]) -> str:
    if "failed" in window:
        return f"failed: {window['failed']}"
    cpu = window["cpu_us_per_pair"]
    return (
        f"{f'{cpu:.0f} µs a pair' if cpu else 'nothing arrived'}, p50 {window['p50_ms']:.2f} ms, "
        f"p99 {window['p99_ms']:.2f} ms, delivered {window['delivered']:.1%}"
    )


def _engine(plan: Plan) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    if "memory" in plan.parts:
        for model in ("scripted", "gemini"):
            say(f"memory: {plan.memory_runs} runs ({model})")
            seen[f"memory_{model}"] = runs(model, plan.memory_runs, 25, 2)
    if "crowd" in plan.parts:
        say(f"crowd: {plan.crowd_runs} runs at once on one Runner")
        seen["crowd"] = runs("gemini", plan.crowd_runs, plan.crowd_rounds, 1)
    if "import" in plan.parts:
        seen["import"] = import_seconds()
    return seen


def write(results: dict[str, Any], folder: Path) -> None:
    """The figures as JSON under date and commit, the tables as `latest.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    place = results["about"]
    name = f"{place['date'][:10]}-{place['commit']}.json"
    (folder / name).write_text(json.dumps(results, indent=1) + "\n")
    (folder / "latest.md").write_text(tables(results))
    say(f"written: {name} and latest.md in {folder.name}/")


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints, writes. 0 unless something broke; with `--strict` 1 when a bar is missed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options, plan = parse(arguments)
    if len(os.sched_getaffinity(0)) < 2:
        say("the bench needs two cores: one for the subject, one for clients and mock")
        return 2
    results = measure(plan, arguments)
    results["bars"] = [{**bar._asdict(), "verdict": bar.verdict} for bar in bars(results)]
    if options.out is not None:
        write(results, options.out)
    print(tables(results))
    return 1 if options.strict and any(bar.passed is False for bar in bars(results)) else 0


if __name__ == "__main__":
    sys.exit(main())
