"""From what was measured to what is read: medians, ratios, bars, and the tables as markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import happening_report
from figures import Bar, Spread, spread
from measure import SUBJECTS

BAR_SIZE = 100


def windows(results: dict[str, Any], name: str, size: int) -> list[dict[str, Any]]:
    """The windows of one subject at one size, one of each round that came to an end."""
    rounds = results["subjects"].get(name, {}).get("rounds", [])
    seen = [one["sizes"].get(str(size)) for one in rounds]
    return [one for one in seen if one and "failed" not in one]


def figure(results: dict[str, Any], name: str, size: int, key: str) -> Spread | None:
    """One figure of the windows."""
    values = [one[key] for one in windows(results, name, size) if one[key] is not None and math.isfinite(one[key])]
    return spread(values)


def ratio(results: dict[str, Any], name: str, other: str, size: int) -> Spread | None:
    """CPU per pair of `name` in units of `other`'s, round by round, so that both met the same weather."""
    pairs = []
    mine, its = (results["subjects"].get(one, {}).get("rounds", []) for one in (name, other))
    for one, two in zip(mine, its, strict=False):
        upper, lower = (seen["sizes"].get(str(size), {}).get("cpu_us_per_pair") for seen in (one, two))
        if upper and lower:
            pairs.append(upper / lower)
    return spread(pairs)


def bars(results: dict[str, Any]) -> list[Bar]:
    """What issue and design ask for, and whether it is there."""
    return [
        _ratio_bar(results, "relay", "the raw picows relay", 2.0),
        _ratio_bar(results, "adk", "ADK", 0.25),
        *happening_report.bars(results),
        *_run_bars(results.get("engine", {})),
    ]


def _ratio_bar(results: dict[str, Any], other: str, called: str, limit: float) -> Bar:
    found = ratio(results, "engine", other, BAR_SIZE)
    name = f"engine CPU per chunk pair at {BAR_SIZE} sessions, beside {called}"
    return Bar(name, f"≤ {limit:g}×", f"{found.text(2)}×" if found else "-", found.median <= limit if found else None)


def _run_bars(engine: dict[str, Any]) -> Iterator[Bar]:
    for key, called in (("scripted", "engine alone"), ("gemini", "engine and Gemini connection, over sockets")):
        seen = engine.get(f"memory_{key}")
        name = f"memory of a session, {called}"
        if seen and "failed" not in seen:
            each = seen["talking_kb_each"]
            yield Bar(f"{name} ({seen['runs']} runs)", "≤ 60 kB", f"{each:.1f} kB", each <= 60)
            speech = seen["speech_kb_each"]
            kept = f"kept of a second of speech that nobody has answered, {called}"
            yield Bar(kept, "≤ 40 kB", f"{speech:.1f} kB", speech <= 40)
            left = seen["left"]
            text = ", ".join(f"{count} {what}" for what, count in left.items())
            yield Bar(f"kept after {seen['runs']} sessions ended, {called}", "nothing", text, not any(left.values()))
        else:
            yield Bar(name, "≤ 60 kB", seen["failed"] if seen else "-", None if seen is None else False)
    crowd = engine.get("crowd")
    if crowd and "failed" not in crowd:
        text = f"{crowd['mixed_up']} mixed up, {crowd['lost_or_disordered']} lost or out of order"
        passed = not crowd["mixed_up"] and not crowd["lost_or_disordered"]
        yield Bar(f"{crowd['runs']:,} runs at once on one Runner", "none mixed up", text, passed)
    else:
        yield Bar(
            "runs at once on one Runner", "none mixed up", crowd["failed"] if crowd else "-", False if crowd else None
        )
    imported = engine.get("import")
    text = f"{imported['median_s']:.3f} s" if imported else "-"
    yield Bar("import fullduplex", "≤ 0.3 s", text, imported["median_s"] <= 0.3 if imported else None)


def tables(results: dict[str, Any]) -> str:
    """Everything as markdown."""
    sizes = results["about"]["sizes"]
    lines = ["# Bench", "", *_about(results["about"])]
    if any(one["sizes"] for subject in results["subjects"].values() for one in subject["rounds"]):
        lines += _size_tables(results, sizes)
    if any("capacity" in one for subject in results["subjects"].values() for one in subject["rounds"]):
        lines += ["", "## Most sessions on one core with p99 < 50 ms", "", *_capacity(results)]
    lines += happening_report.tables(results)
    lines += ["", "## Bars", "", "| bar | wanted | measured | |", "|---|---|---|---|"]
    lines += [f"| {bar.name} | {bar.wanted} | {bar.measured} | {bar.verdict} |" for bar in bars(results)]
    lines += ["", *_notes(results)]
    return "\n".join(lines).rstrip() + "\n"


def _size_tables(results: dict[str, Any], sizes: list[int]) -> list[str]:
    lines = ["", "## CPU per 40 ms chunk pair, µs (one up, one down)", ""]
    lines += _by_size(results, sizes, lambda name, size: _text(figure(results, name, size, "cpu_us_per_pair")))
    lines += ["", "## Added latency one way, ms: p50 / p99 (the worse of up and down)", ""]
    lines += _by_size(results, sizes, lambda name, size: _latency(results, name, size))
    lines += ["", "## CPU per pair beside others (ratio of the same round)", ""]
    return lines + _ratios(results, sizes)


def _about(about: dict[str, Any]) -> list[str]:
    return [
        f"`{about['command']}` · commit {about['commit']} · {about['date']}",
        "",
        f"{about['cpu']} ({about['cores']} cores), Linux {about['kernel']}, Python {about['python']}. Subject on "
        f"core 0, clients and mock together on core 1, which does not sleep but in the search for capacity. "
        f"{about['rounds']} round(s), interleaved, of new processes; windows of {about['seconds']:g} s after "
        f"{about['warm']:g} s of warming up, and one before all that is not counted. Figures: median of rounds "
        "(lowest–highest).",
    ]


def _by_size(results: dict[str, Any], sizes: list[int], cell: Callable[[str, int], str]) -> list[str]:
    lines = ["| sessions | " + " | ".join(str(size) for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name, subject in results["subjects"].items():
        if error := subject.get("error"):
            lines.append(f"| {SUBJECTS[name].title} | not measured: {error} |" + " |" * (len(sizes) - 1))
        else:
            cells = " | ".join(cell(name, size) for size in sizes)
            lines.append(f"| {SUBJECTS[name].title} | {cells} |")
    return lines


def _text(found: Spread | None, digits: int = 0) -> str:
    return found.text(digits) if found else "failed"


def _latency(results: dict[str, Any], name: str, size: int) -> str:
    p50, p99 = (figure(results, name, size, key) for key in ("p50_ms", "p99_ms"))
    return f"{p50.median:.2f} / {p99.text(2)}" if p50 and p99 else "failed"


def _ratios(results: dict[str, Any], sizes: list[int]) -> list[str]:
    lines = ["| sessions | " + " | ".join(str(size) for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for other in ("relay", "websockets", "genai", "adk"):
        found = [ratio(results, "engine", other, size) for size in sizes]
        if any(found):
            cells = " | ".join(one.text(2) if one else "-" for one in found)
            lines.append(f"| engine / {SUBJECTS[other].title} | {cells} |")
    return lines


def _capacity(results: dict[str, Any]) -> list[str]:
    lines = ["| | sessions | |", "|---|---|---|"]
    for name, subject in results["subjects"].items():
        seen = [one["capacity"] for one in subject["rounds"] if "capacity" in one]
        found = spread([float(one["sessions"]) for one in seen])
        bound = sum(one["mock_bound"] for one in seen)
        marks = [f"mock-bound in {bound} of {len(seen)} rounds"] if bound else []
        if any(one["at_limit_of_search"] for one in seen):
            marks.append("the search ended here")
        if found:
            lines.append(f"| {SUBJECTS[name].title} | {found.text()} | {'; '.join(marks)} |")
    return lines


def _notes(results: dict[str, Any]) -> list[str]:
    lines = ["## Notes", ""]
    for name, subject in results["subjects"].items():
        versions = ", ".join(f"{package} {version}" for package, version in subject.get("versions", {}).items())
        note = f". {subject['note']}" if subject.get("note") else ""
        lines.append(f"- {SUBJECTS[name].title}: {versions or 'not started'}{note}")
    for key, called in (("memory_scripted", "engine alone"), ("memory_gemini", "over sockets"), ("crowd", "the crowd")):
        seen = results.get("engine", {}).get(key)
        if seen and "failed" not in seen:
            lines.append(
                f"- {seen['runs']} runs, {called}: {seen['idle_kb_each']:.1f} kB each when open, "
                f"{seen['talking_kb_each']:.1f} kB each with audio both ways while the user is silent, "
                f"{seen['speech_kb_each']:.1f} kB more after a second of the user's speech that is not answered "
                f"(32 kB a second of it, at most 30 s, are kept for the next line until the model's turn shows that it "
                f"has them; growth of resident memory); the process grew by {seen['grown_by_second_wave_kb']:.0f} kB "
                f"from the end of the first wave to the end of the last."
            )
    others = [
        one["others_cores"]
        for name in results["subjects"]
        for size in results["about"]["sizes"]
        for one in windows(results, name, size)
    ]
    if others:
        lines.append(
            f"- What else ran on the two cores meanwhile: {statistics.median(others):.2f} cores (median of the "
            f"windows), {max(others):.2f} at most."
        )
        if statistics.median(others) > 0.1:
            lines.append("- **The machine was busy with other work: latencies and capacities are not to be trusted.**")
    return lines
