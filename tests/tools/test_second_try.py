"""The second try of tests in real time: once, aloud, and not for others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.second_try import MOST
from tools import spec

ROOT = Path(__file__).resolve().parents[2]
INI = "[pytest]\ntimeout = 5\nmarkers =\n  spec(*rows): x\n  real_time: x\n"
BEGIN = """
import time
import pytest

tries = []

def spoiled(name, times):
    tries.append(name)
    assert tries.count(name) > times, "a stall"
"""


def run(tmp_path: Path, tests: str) -> tuple[int, str]:
    """Runs these tests; the exit code, and what was printed."""
    (tmp_path / "tests").mkdir()
    (tmp_path / spec.ROWS).write_text("[A] First\n1 one\n2 two\n")
    (tmp_path / "test_it.py").write_text(BEGIN + tests)
    (tmp_path / "pytest.ini").write_text(INI)
    plugins = ("-p", "tests.spec_plugin", "-p", "tests.second_try")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stdout


def test_what_passes_then_has_passed_and_is_named(tmp_path: Path) -> None:
    tests = """
@pytest.mark.spec(1)
@pytest.mark.real_time
def test_spoiled_once(tmp_path):
    assert list(tmp_path.iterdir()) == [], "fixtures are made anew"
    (tmp_path / "left").touch()
    spoiled("once", 1)

def test_plain(): pass
"""
    code, printed = run(tmp_path, tests)
    assert code == 0
    assert "2 passed" in printed
    assert "passed at the second try: 1\n  test_it.py::test_spoiled_once" in printed
    assert "AssertionError: a stall" in printed, "with its first failure"
    rows = json.loads((tmp_path / spec.LAST).read_text())["rows"]
    assert rows == {"1": {"passed": ["test_it.py::test_spoiled_once"]}}
    assert spec.judge(rows).proved == {1}


def test_twice_spoiled_or_without_the_mark_is_failed(tmp_path: Path) -> None:
    tests = """
@pytest.mark.spec(1)
@pytest.mark.real_time
def test_spoiled_twice(): spoiled("twice", 2)

@pytest.mark.spec(2)
def test_without_the_mark(): spoiled("without", 1)

def test_count(): assert (tries.count("twice"), tries.count("without")) == (2, 1)
"""
    code, printed = run(tmp_path, tests)
    assert code == 1
    assert "2 failed, 1 passed" in printed
    assert "failed at both tries: test_it.py::test_spoiled_twice" in printed
    assert spec.judge(json.loads((tmp_path / spec.LAST).read_text())["rows"]).failed == {1, 2}


def test_each_try_has_the_whole_time(tmp_path: Path) -> None:
    tests = """
@pytest.mark.real_time
@pytest.mark.timeout(2)
def test_stuck_once():
    tries.append("stuck")
    time.sleep(20 if len(tries) == 1 else 1.2)
"""
    code, printed = run(tmp_path, tests)
    assert code == 0
    assert "Timeout" in printed
    assert "passed at the second try: 1" in printed


def test_only_a_few_have_a_second_try(tmp_path: Path) -> None:
    tests = f"""
@pytest.mark.real_time
@pytest.mark.parametrize("number", range({MOST + 1}))
def test_spoiled(number): spoiled(number, 1)
"""
    code, printed = run(tmp_path, tests)
    assert code == 1
    assert f"1 failed, {MOST} passed" in printed
