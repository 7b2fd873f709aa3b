"""`fullduplex web` with the local agent as a process of its own, on a port that is kept over a restart."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server.processes import Program, environment, running


class Served:
    """A running server: where its page is, and the process."""

    def __init__(self, program: Program, url: str) -> None:
        self.program = program
        self.url = url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    async def wait_warm(self, quiet_s: float = 1.0, timeout: float = 40.0) -> float:
        """Waits until it and its helpers do nothing: its engines are loaded. Returns how long that took, in seconds."""
        began = idle_since = time.monotonic()
        before = -1.0
        async with asyncio.timeout(timeout):
            while (now := time.monotonic()) - idle_since < quiet_s:
                spent = sum(map(cpu_s, [self.program.process.pid, *self.program.children()]))
                if spent - before > 0.02:  # a quiet server wakes now and then
                    before, idle_since = spent, now
                await asyncio.sleep(0.05)
        return idle_since - began


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process took so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(*arguments: str, port: int = 0, **env: str) -> Iterator[Served]:
    """Starts the server as `make run` does, without a key; it is ended at the end."""
    command = ("-m", "fullduplex", "web", "--model", "local", "--port", str(port), *arguments)
    with running(*command, env=environment(**env)) as program:
        served = Served(program, program.read_until(r"page +(http://\S+)")[1])
        # Its log is read on, or it would stand still when the pipe is full.
        reader = threading.Thread(target=_read_on, args=(program,), daemon=True)
        reader.start()
        try:
            yield served
        finally:
            if program.process.poll() is None:
                program.stop()
            reader.join(timeout=5)


def _read_on(program: Program) -> None:
    assert program.process.stdout is not None
    for line in program.process.stdout:
        program.lines.append(line.rstrip())
