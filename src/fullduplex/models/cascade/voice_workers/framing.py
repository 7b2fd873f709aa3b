"""Frames between the main process and its workers: a JSON header with an optional payload of bytes.

Each frame is two little-endian 32-bit lengths, of header and payload, then both. Standard library only: workers
import this without the rest of the package.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTHS = struct.Struct("<II")


def write_frame(stream: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    """Writes one frame and flushes."""
    head = json.dumps(header, separators=(",", ":")).encode()
    stream.write(_LENGTHS.pack(len(head), len(payload)) + head + payload)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Reads one frame; None at the end of the stream, also when it ends within a frame."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head_length, payload_length = _LENGTHS.unpack(lengths)
    head = stream.read(head_length)
    payload = stream.read(payload_length) if payload_length else b""
    if len(head) < head_length or len(payload) < payload_length:
        return None
    header: dict[str, Any] = json.loads(head)
    return header, payload


def serve(work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Runs a worker on its two pipes until stdin ends, or until nobody reads its answers any more.

    Ctrl-C in a terminal reaches the whole group of processes: it is the main process that decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # a usual exit would try to write once more
