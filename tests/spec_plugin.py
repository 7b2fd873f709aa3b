"""The pytest plugin behind `make spec`: notes which tests of a run stand for which rows of the acceptance checklist.

It writes `.spec/last.json` at the end of each run: for every row that is marked in it (`@pytest.mark.spec(44, 45)`)
the tests that passed, failed, were skipped or were left out. What that means is judged in `tools/spec.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.spec import LAST, ROWS, read_rows

PASSED, FAILED, SKIPPED, LEFT_OUT = "passed", "failed", "skipped", "left_out"
_WEIGHT = (LEFT_OUT, PASSED, SKIPPED, FAILED)


class SpecPlugin:
    """Collects the outcome of each marked test; of its three phases (setup, call, teardown) the worst counts."""

    def __init__(self, root: Path, rows: frozenset[int], arguments: list[str]) -> None:
        self._root = root
        self._rows = rows
        self._arguments = arguments
        self._marked: dict[str, tuple[int, ...]] = {}
        self._outcome: dict[str, str] = {}

    def rows_of(self, item: pytest.Item) -> tuple[int, ...]:
        """The rows that `item` is marked with; `UsageError` for a number that is not in the checklist."""
        rows = tuple(row for mark in item.iter_markers("spec") for row in mark.args)
        unknown = [row for row in rows if row not in self._rows]
        if unknown or any(not mark.args for mark in item.iter_markers("spec")):
            raise pytest.UsageError(f"{item.nodeid}: spec{tuple(rows)} names rows that {ROWS} does not have: {unknown}")
        return rows

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if rows := self.rows_of(item):
                self._marked[item.nodeid] = rows
                self._outcome[item.nodeid] = LEFT_OUT

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._marked or (report.when != "call" and report.passed):
            return
        outcome = report.outcome
        if hasattr(report, "wasxfail"):  # an expected failure proves nothing, nor does an unexpected pass
            outcome = SKIPPED
        before = self._outcome[report.nodeid]
        self._outcome[report.nodeid] = max(before, outcome, key=_WEIGHT.index)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if session.config.option.collectonly:
            return
        rows: dict[str, dict[str, list[str]]] = {}
        for test, numbers in sorted(self._marked.items()):
            for number in sorted(set(numbers)):
                rows.setdefault(str(number), {}).setdefault(self._outcome[test], []).append(test)
        path = self._root / LAST
        path.parent.mkdir(exist_ok=True)
        record = {"exit": int(exitstatus), "arguments": self._arguments, "rows": rows}
        path.write_text(json.dumps(record, indent=1) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    root = config.rootpath
    rows = frozenset(row.number for row in read_rows((root / ROWS).read_text()))
    arguments = list(config.invocation_params.args)
    config.pluginmanager.register(SpecPlugin(root, rows, [str(argument) for argument in arguments]), "spec-rows")
