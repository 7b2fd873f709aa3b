"""Server-sent events, read from bytes as they arrive. Pure.

Lines are cut at CR, LF and CRLF alone: the line separators of Unicode, which `str.splitlines` knows too, may stand in
the JSON of an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fullduplex.errors import ModelError

MOST_BYTES = 64 * 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class SseReader:
    """Gives the data of each event that is complete. Comments and fields other than `data` are skipped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Reads on; raises `ModelError` when one event is larger than `MOST_BYTES`."""
        scanned = max(0, len(self._rest) - 1)
        self._rest += received
        start = 0
        for end in _LINE_END.finditer(self._rest, scanned):
            line = bytes(self._rest[start : end.start()])
            start = end.end()
            if line:
                self._line(line)
            elif (event := self._event()) is not None:
                yield event
        del self._rest[:start]
        if self._size + len(self._rest) > MOST_BYTES:
            raise ModelError(f"The model sent an event of more than {MOST_BYTES} bytes.")

    def end(self) -> bytes | None:
        """The last event, where the empty line behind it is missing; to be asked when nothing more comes."""
        if line := bytes(self._rest).rstrip(b"\r"):
            self._line(line)
        self._rest.clear()
        return self._event()

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)

    def _event(self) -> bytes | None:
        event = b"\n".join(self._data) if self._data else None
        self._data, self._size = [], 0
        return event
