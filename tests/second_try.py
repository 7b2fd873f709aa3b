"""The pytest plugin that gives tests in real time a second try, and says so.

What `@pytest.mark.real_time` marks plays sound in a real browser, and there one stall of the machine that runs the
tests (a neighbour on it, a disk that is waited for) spoils what is measured. When such a test fails it runs once more,
from its fixtures on. When it passes then, it counts as passed, and the end of the run shows it with its first failure
under "passed at the second try". Not for a race: a test that fails more than rarely is to be repaired, and a run in
which more than a few need it fails.
"""

from __future__ import annotations

import pytest
from _pytest.runner import runtestprotocol

MARK = "real_time"

#: Tests in one run that may have a second try: more of them are no bad luck.
MOST = 5


class SecondTry:
    """Runs the marked tests, and remembers the first failures."""

    def __init__(self) -> None:
        self._failures: dict[str, pytest.TestReport] = {}
        self._passed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        if item.get_closest_marker(MARK) is None or item.nodeid in self._failures or len(self._failures) >= MOST:
            return None  # as any other test
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failed = [report for report in reports if report.failed]
        if [report.when for report in failed] == ["call"]:  # what fixtures share is not made anew
            self._failures[item.nodeid] = failed[0]
            # The whole of it again, with a time limit of its own.
            return item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and report.nodeid in self._failures:
            self._passed.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid, failure in self._failures.items():
            outcome = "passed at the second try" if nodeid in self._passed else "failed at both tries"
            terminalreporter.section(f"{outcome}: {nodeid}", sep="_", yellow=True)
            terminalreporter.write_line("the first failure:")
            failure.toterminal(terminalreporter._tw)
        if self._passed:
            names = "\n  ".join(sorted(self._passed))
            terminalreporter.write_line(f"passed at the second try: {len(self._passed)}\n  {names}", yellow=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SecondTry(), "second-try")
