"""Programs of ours as processes: started as a user starts them, told to stop, and looked at from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PASSED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


def environment(**more: str) -> dict[str, str]:
    """An environment without keys and settings of the developer's own."""
    return {**{name: os.environ[name] for name in _PASSED_ON if name in os.environ}, "PYTHONUNBUFFERED": "1", **more}


class Program:
    """A running process whose standard output is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> re.Match[str]:
        """The first match of `pattern` in what it prints; fails when it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError(f"it ended with {self.process.wait()} after {self.lines}")

    def cpu_s(self) -> float:
        """Seconds of CPU that it took so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def children(self) -> list[int]:
        """Process ids of what it started, at any depth."""
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            parent = waiting.pop()
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                kids = [int(pid) for pid in task.read_text().split()]
                found += kids
                waiting += kids
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Sends a signal; the exit code, and the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=10)
        return code, time.monotonic() - began


@contextmanager
def running(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """`python …` with these arguments, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=dict(env if env is not None else environment()),
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def json_line(program: Program) -> dict[str, Any]:
    """The first line of JSON that it prints."""
    place: dict[str, Any] = json.loads(program.read_until(r"^\{.*\}$")[0])
    return place
