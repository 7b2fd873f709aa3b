"""The tool that says which rows of the checklist are proved, from a real pytest run to the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import spec

ROOT = Path(__file__).resolve().parents[2]
ROWS = "# comment\n[A] First\n1 one\n2 two\n3 three\n\n[B] Second\n4 four\n5 five\n"
TESTS = """
import pytest

@pytest.mark.spec(1)
def test_good(): pass

@pytest.mark.spec(2)
def test_good_too(): pass

@pytest.mark.spec(2, 3)
def test_bad(): assert False

@pytest.mark.spec(3)
@pytest.mark.skip(reason="not here")
def test_skipped(): pass

@pytest.mark.spec(4)
@pytest.mark.slow
def test_slow(): pass

@pytest.mark.spec(5)
@pytest.mark.xfail(strict=False)
def test_better_than_expected(): pass

@pytest.fixture
def broken():
    yield
    raise RuntimeError

@pytest.mark.spec(1)
@pytest.mark.parametrize("n", [1, 2])
def test_both(n): pass
"""
INI = "[pytest]\nmarkers =\n  spec(*rows): x\n  slow: x\n"


def project(tmp_path: Path, tests: str = TESTS) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / spec.ROWS).write_text(ROWS)
    (tmp_path / "tests" / "test_it.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text(INI)
    return tmp_path


def pytest_run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.spec_plugin", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=50)


def test_a_run_is_recorded(tmp_path: Path) -> None:
    root = project(tmp_path)
    run = pytest_run(root, "-m", "not slow")
    assert "1 failed" in run.stdout, run.stdout + run.stderr
    record = json.loads((root / spec.LAST).read_text())
    assert record["exit"] == 1
    assert record["arguments"][-2:] == ["-m", "not slow"]
    assert {row: set(outcomes) for row, outcomes in record["rows"].items()} == {
        "1": {"passed"},
        "2": {"passed", "failed"},
        "3": {"failed", "skipped"},
        "4": {"left_out"},
        "5": {"skipped"},
    }
    assert len(record["rows"]["1"]["passed"]) == 3
    verdict = spec.judge(record["rows"])
    assert (verdict.proved, verdict.failed, verdict.left_out, verdict.skipped) == ({1}, {2, 3}, {4}, {5})


def test_a_row_that_does_not_exist_stops_the_run(tmp_path: Path) -> None:
    root = project(tmp_path, "import pytest\n@pytest.mark.spec(99)\ndef test_it(): pass\n")
    run = pytest_run(root)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "[99]" in run.stderr


def test_a_teardown_that_fails_proves_nothing(tmp_path: Path) -> None:
    tests = "import pytest\n@pytest.fixture\ndef broken():\n  yield\n  raise RuntimeError\n"
    tests += "@pytest.mark.spec(1)\ndef test_it(broken): pass\n"
    root = project(tmp_path, tests)
    pytest_run(root)
    assert spec.judge(json.loads((root / spec.LAST).read_text())["rows"]).failed == {1}


def record(root: Path, **rows: str) -> None:
    (root / ".spec").mkdir(exist_ok=True)
    outcomes = {number.removeprefix("r"): {outcome: ["test"]} for number, outcome in rows.items()}
    (root / spec.LAST).write_text(json.dumps({"exit": 0, "arguments": ["-q"], "rows": outcomes}))


def test_the_report_groups_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = project(tmp_path)
    record(root, r1="passed", r2="failed", r4="skipped")
    assert spec.main([], root) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("A. First: 1 of 3 proved\n")
    assert "   2 two   ← a test FAILED\n" in printed
    assert "   3 three\n" in printed
    assert "   4 four   ← its tests were skipped\n" in printed
    assert "proved: 1 of 5 rows" in printed
    assert "newly proved (`make spec UPDATE=1` enters them): 1" in printed


def test_updating_enters_new_rows_and_a_lost_row_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(tmp_path)
    record(root, r1="passed", r4="passed")
    assert spec.main(["--update"], root) == 0
    assert spec.read_proved((root / spec.PROVED).read_text()) == [1, 4]
    record(root, r1="passed", r2="passed", r4="skipped")
    assert spec.main(["--update"], root) == 1
    assert "proved before and not in this run: 4" in capsys.readouterr().out
    assert spec.read_proved((root / spec.PROVED).read_text()) == [1, 2, 4]
    record(root, r1="passed", r2="passed", r4="left_out")
    assert spec.main([], root) == 0
    record(root, r1="passed", r2="passed")
    assert spec.main([], root) == 1
    assert "4 four   ← was proved before, no test now" in capsys.readouterr().out


def test_without_a_run_there_is_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert spec.main([], project(tmp_path)) == 2
    assert "run the tests first" in capsys.readouterr().err


def test_our_own_checklist_has_196_rows_in_14_sections() -> None:
    rows = spec.read_rows((ROOT / spec.ROWS).read_text())
    assert [row.number for row in rows] == list(range(1, 197))
    assert len({row.section for row in rows}) == 14


def test_a_line_that_is_no_row_is_found(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a row nor a heading: 'x'"):
        spec.read_rows("[A] a\n1 one\nx\n")
