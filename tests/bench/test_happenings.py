"""How the bench judges what happens in the middle of a conversation."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `happening_report` of the bench, which is no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("happening_report")


@pytest.fixture
def happenings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its module `happenings`, on a clock that is turned by hand."""
    monkeypatch.syspath_prepend(str(BENCH))
    module = importlib.import_module("happenings")
    monkeypatch.setattr(module, "time", Clock())
    return module


class Clock:
    """Stands where the module `time` stood."""

    now_ms = 1000.0

    def monotonic_ns(self) -> int:
        """Nanoseconds."""
        return int(self.now_ms * 1e6)


class Person:
    """As much of a client as is looked at."""

    number = 7


def change(happenings: Any, chunks: list[tuple[float, int]]) -> dict[str, Any]:
    """The report of a cut at 1,050 ms, the client having got chunks at these times (ms) with these numbers."""
    measured, person = happenings.Cut(), Person()
    for at, sequence in chunks:
        happenings.time.now_ms = at
        if at >= 1050 and not measured.struck:
            measured.struck, measured.open[person.number] = 1, int(1050e6)
        measured.shown(person, b"", sequence)
    found: dict[str, Any] = measured.report()
    return found


def test_silence_is_what_the_chunk_before_does_not_cover(happenings: Any) -> None:
    seen = change(happenings, [(1000, 11), (1040, 12), (1180, 0), (1220, 1)])
    assert seen["dry"]["max_ms"] == pytest.approx(100)
    assert seen["back"]["max_ms"] == pytest.approx(130)
    assert seen["missing"] == 0


def test_a_change_is_over_with_the_first_chunk_of_the_next_line(happenings: Any) -> None:
    seen = change(happenings, [(1000, 11), (1040, 12), (1085, 13), (1125, 0), (1225, 1)])
    assert seen["dry"]["max_ms"] == pytest.approx(5)


def test_beside_a_change_stands_the_worst_of_each_second_without_one(happenings: Any) -> None:
    before = [(float(at), 0) for at in range(0, 1040, 40)]
    struck = [(1060, 26), (1200, 0)]
    after = [(1200 + 43 * number, number) for number in range(1, 25)]
    assert change(happenings, [*before[:24], *struck, *after])["calm"]["max_ms"] == math.inf  # no second is whole
    assert change(happenings, [*before, *struck, *after])["calm"]["max_ms"] == 0
    seen = change(happenings, [*before, *struck, *after, (2302, 25)])
    assert seen["calm"]["max_ms"] == pytest.approx(30)


def test_who_never_hears_of_the_next_line_is_missing(happenings: Any) -> None:
    assert change(happenings, [(1000, 11), (1040, 12), (1080, 13)])["missing"] == 1


def silence(ms: float) -> dict[str, float]:
    """Percentiles that are all the same."""
    return {"p50_ms": ms, "p99_ms": ms, "max_ms": ms}


def results(happening: str, measured: dict[str, Any]) -> dict[str, Any]:
    """Results of a run with one round."""
    window = {"happening": measured}
    engine = {"rounds": [{"sizes": {}, "happenings": {happening: window}}]}
    return {"about": {"struck_sessions": 50}, "subjects": {"engine": engine}}


@pytest.mark.parametrize(("dry_ms", "missing", "verdict"), [(19.0, 0, "PASS"), (21.0, 0, "FAIL"), (19.0, 1, "FAIL")])
def test_go_away_passes_when_nobody_is_silent_for_long(report: Any, dry_ms: float, missing: int, verdict: str) -> None:
    measured = {name: silence(0.0) for name in ("calm", "input", "back")}
    measured |= {"dry": silence(dry_ms), "struck": 50, "missing": missing}
    interruption, cut, go_away = report.bars(results("go_away", measured))
    assert go_away.verdict == verdict
    assert interruption.verdict == cut.verdict == "not measured"


def test_go_away_passes_when_a_second_without_a_change_is_no_better(report: Any) -> None:
    measured = {name: silence(25.0) for name in ("calm", "input", "back")} | {"struck": 50, "missing": 0}
    assert report.bars(results("go_away", measured | {"dry": silence(24.0)}))[2].verdict == "PASS"
    bar = report.bars(results("go_away", measured | {"dry": silence(26.0)}))[2]
    assert bar.verdict == "FAIL"
    assert "without one: 25.0 ms" in bar.measured


@pytest.mark.parametrize(("ms", "missing", "verdict"), [(9.0, 0, "PASS"), (10.0, 0, "FAIL"), (9.0, 1, "FAIL")])
def test_interruptions_pass_when_the_app_is_told_in_time(report: Any, ms: float, missing: int, verdict: str) -> None:
    measured = {**silence(ms), "struck": 400, "missing": missing}
    assert report.bars(results("interrupted", measured))[0].verdict == verdict
    table = "\n".join(report.tables(results("interrupted", measured)))
    assert f"| fullduplex engine | {ms:.2f} |" in table
