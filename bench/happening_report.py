"""The tables and bars of what happens in the middle of a conversation: interruptions and changes of lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from figures import Bar, Spread, spread
from measure import SUBJECTS

INTERRUPTED_MS = 10.0
CUT_MS = 1000.0
GO_AWAY_MS = 20.0
_CHANGES = {"cut": "cut without a warning", "go_away": "goAway in mid-answer"}
_MEASURES = {
    "dry": "silence of the agent",
    "calm": "the same in a second without a change",
    "input": "model without input",
    "back": "until the first audio of the next line",
}


def seen(results: dict[str, Any], name: str, happening: str) -> list[dict[str, Any]]:
    """What was seen of `happening` with one subject, one of each round that came to an end."""
    rounds = results["subjects"].get(name, {}).get("rounds", [])
    windows = [one.get("happenings", {}).get(happening) for one in rounds]
    return [one["happening"] for one in windows if one and "failed" not in one]


def bars(results: dict[str, Any]) -> list[Bar]:
    """What is asked of the engine."""
    sessions = results["about"].get("struck_sessions")
    return [
        _interrupted(results, f"the model's `interrupted` until the app is told, p99 at {sessions} sessions"),
        _silence(results, "cut", "silence of the agent at a cut without a warning, p99", CUT_MS),
        _silence(results, "go_away", "silence of the agent at a change of lines after goAway, p99", GO_AWAY_MS),
    ]


def _interrupted(results: dict[str, Any], name: str) -> Bar:
    measured = seen(results, "engine", "interrupted")
    p99 = _figure(measured, "p99_ms")
    if p99 is None:
        return Bar(name, f"< {INTERRUPTED_MS:g} ms", "-", None)
    passed = p99.median < INTERRUPTED_MS and not _missing(measured)
    return Bar(name, f"< {INTERRUPTED_MS:g} ms", f"{p99.text(2)} ms{_lost(measured)}", passed)


def _silence(results: dict[str, Any], happening: str, name: str, limit: float) -> Bar:
    measured = seen(results, "engine", happening)
    p99 = _figure([one["dry"] for one in measured], "p99_ms")
    if p99 is None:
        return Bar(name, f"≤ {limit:g} ms", "-", None)
    calm = _figure([one["calm"] for one in measured], "p99_ms")
    worst, calm_worst = (max(one[key]["max_ms"] for one in measured) for key in ("dry", "calm"))
    times = sum(one["struck"] for one in measured)
    beside = f"{calm.text(1)} ms; at most {calm_worst:.1f}" if calm else "-"
    text = f"{p99.text(1)} ms; at most {worst:.1f} in {times}{_lost(measured)} (without one: {beside})"
    passed = p99.median <= max(limit, calm.median if calm else 0.0) and not _missing(measured)
    return Bar(name, f"≤ {limit:g} ms, or no more than without one", text, passed)


def _missing(measured: list[dict[str, Any]]) -> int:
    return sum(one["missing"] for one in measured)


def _lost(measured: list[dict[str, Any]]) -> str:
    return f", {_missing(measured)} never came" if _missing(measured) else ""


def _figure(measured: list[dict[str, Any]], key: str) -> Spread | None:
    return spread([one[key] for one in measured if math.isfinite(one[key])])


def tables(results: dict[str, Any]) -> list[str]:
    """As markdown; nothing of what was not measured."""
    return [*_interruption_table(results), *_change_table(results)]


def _interruption_table(results: dict[str, Any]) -> Iterator[str]:
    rows = {name: seen(results, name, "interrupted") for name in results["subjects"]}
    if not any(rows.values()):
        return
    sessions = results["about"]["struck_sessions"]
    yield from ("", f"## From the model's `interrupted` to the client, ms, at {sessions} sessions that all talk", "")
    yield from ("| | p50 | p99 | max | interruptions |", "|---|---|---|---|---|")
    for name, measured in rows.items():
        if measured:
            cells = [_text(measured, key) for key in ("p50_ms", "p99_ms", "max_ms")]
            times = sum(one["struck"] for one in measured)
            yield f"| {SUBJECTS[name].title} | {' | '.join(cells)} | {times}{_lost(measured)} |"
    yield ""
    yield (
        "From the mock's sending to the client's receiving, so the event's way as JSON over the client's socket is in "
        "it. With each comes turnComplete and the first words of the next answer; the session keeps the interruption."
    )


def _change_table(results: dict[str, Any]) -> Iterator[str]:
    rows = {name: measured for name in _CHANGES if (measured := seen(results, "engine", name))}
    if not rows:
        return
    sessions = results["about"]["struck_sessions"]
    yield from ("", f"## One line left for another, ms: p50 / p99 / max ({sessions} sessions, each struck once)", "")
    yield "| fullduplex engine | " + " | ".join(_MEASURES.values()) + " | changes |"
    yield "|---" * (len(_MEASURES) + 2) + "|"
    for name, measured in rows.items():
        cells = [_percentiles([one[key] for one in measured]) for key in _MEASURES]
        times = sum(one["struck"] for one in measured)
        yield f"| {_CHANGES[name]} | {' | '.join(cells)} | {times}{_lost(measured)} |"
    yield ""
    yield (
        "Silence: how long a player without any reserve would have run dry, which is the time between two chunks less "
        "the 40 ms that the first of them plays; of each change the longest, and for comparison the longest of each "
        "second in which nothing happened. Input: the same on the way up. After a cut the policy's first delay "
        "of 75 to 125 ms is in all of it, and what the user said since the last turn is sent again. After goAway with "
        "2 s left the line is left 1 s later, in mid-answer because all users talk. Turns end every 2 s; the next line "
        "is told those before (no handle was given)."
    )


def _percentiles(measured: list[dict[str, float]]) -> str:
    p50, p99 = (_figure(measured, key) for key in ("p50_ms", "p99_ms"))
    worst = max(one["max_ms"] for one in measured)
    return f"{p50.median:.1f} / {p99.median:.1f} / {worst:.1f}" if p50 and p99 else "-"


def _text(measured: list[dict[str, Any]], key: str) -> str:
    found = _figure(measured, key)
    return found.text(2) if found else "-"
