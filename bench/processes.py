"""Child processes that speak JSON lines, and that are gone when their owner is."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

HERE = Path(__file__).parent


class ChildFailed(Exception):
    """Raised when a child ends or keeps silent; the text has the last lines of its log."""


class Child:
    """A process of which each command (a JSON line) gets one answer (another). It ends with its standard input.

    `announcement` is the first line that it printed of its own accord.
    """

    def __init__(self, python: Path, script: str, *arguments: str, patience_s: float = 60.0) -> None:
        self.script = script
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        command = [str(python), str(HERE / script), *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0
        )
        try:
            self.announcement: dict[str, Any] = self._read(patience_s)
        except ChildFailed:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, order: dict[str, Any], patience_s: float) -> dict[str, Any]:
        """Sends `order`, returns the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
        except BrokenPipeError:
            raise ChildFailed(self._why("has ended")) from None
        return self._read(patience_s)

    def close(self) -> None:
        """Ends the process: by its input, and by force when that does not help within 5 s."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _read(self, patience_s: float) -> dict[str, Any]:
        """The next line that is JSON; others (a library's greeting) are passed over."""
        output = self._process.stdout
        assert output is not None
        deadline = time.monotonic() + patience_s
        line = b""
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([output], [], [], left)
            if not ready:
                break
            piece = output.read(65536)
            if not piece:
                raise ChildFailed(self._why("has ended"))
            line += piece
            while b"\n" in line:
                whole, _, line = line.partition(b"\n")
                if whole.startswith(b"{"):
                    found: dict[str, Any] = json.loads(whole)
                    return found
        raise ChildFailed(self._why(f"said nothing for {patience_s:.0f} s"))

    def _why(self, what: str) -> str:
        self._log.seek(0)
        last = self._log.read()[-4000:].decode(errors="replace").strip().splitlines()[-2:]
        return " | ".join([f"{self.script} {what}", *last])


def run_json(python: Path, script: str, arguments: Sequence[str], patience_s: float) -> dict[str, Any]:
    """Runs a script to its end and returns the JSON line that it printed."""
    with Child(python, script, *arguments, patience_s=patience_s) as child:
        return child.announcement
