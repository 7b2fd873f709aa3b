"""A mock for benches: the least of the protocol, at 25 audio messages a second each way for 1,000 connections and more.

It answers the setup with setupComplete and then, by `--mode`,
- `push`: sends each connection a message of 40 ms tagged audio every 40 ms, pre-serialised;
- `echo`: sends one such message back for each audio message it receives, with the stamp of the received chunk;
- `sink`: only counts what it receives.

Both carry a stamp in the first 12 bytes of their PCM (`testing.tagged_audio.read_stamp`): in push mode the time of
sending (`time.monotonic_ns`, one clock for all processes of a machine) and the connection's sequence number, in echo
mode whatever the client put there. A receiver computes its latency from it.

`GET /stats` on the same port answers with counters as JSON, its CPU time and how late its ticks were: from these a
bench tells whether the mock itself is the bound. It checks nothing, follows no script and has no turns (but see
`--turn-chunks`); everything else is what `fullduplex.mock_live.MockLive` is for.

    python -m fullduplex.mock_live.loadgen --port 0 --mode push     # prints {"port": …, "url": …, "pid": …}
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Literal, cast

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from fullduplex.testing import tagged_audio

CHUNK_MS = 40
_RATE = 24_000
_RING = 4096
_STAMP = struct.Struct("<QI")
_STAMP_CHARS = tagged_audio.STAMP_BYTES * 4 // 3
_SETUP_COMPLETE = b'{"setupComplete":{}}'
_TURN_END = (b'{"serverContent":{"generationComplete":true}}', b'{"serverContent":{"turnComplete":true}}')
_HEAD = (
    b'{"serverContent":{"modelTurn":{"role":"model","parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
)
_TAIL = b'"}}]}}}'
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")

Mode = Literal["push", "echo", "sink"]


def build_ring(size: int = _RING) -> list[bytes]:
    """The messages from behind their stamp on: number n carries the slices 2n and 2n + 1. Kept whole, used in turn."""
    per_chunk = CHUNK_MS // tagged_audio.SLICE_MS
    ring = []
    for index in range(size):
        pcm = tagged_audio.encode(index * per_chunk, per_chunk, _RATE)
        ring.append(base64.b64encode(pcm)[_STAMP_CHARS:] + _TAIL)
    return ring


class Counters:
    """Totals of the server. `late_ms` is how much too late ticks of the push timer came, at worst and summed."""

    def __init__(self) -> None:
        self.connects = 0
        self.open = 0
        self.setups = 0
        self.sent = 0
        self.received = 0
        self.received_audio = 0
        self.received_bytes = 0
        self.skipped = 0
        self.ticks = 0
        self.late_ms_max = 0.0
        self.late_ms_sum = 0.0

    def report(self) -> dict[str, float]:
        """All of them, with the CPU seconds of this process so far."""
        return {**vars(self), "cpu_s": time.process_time(), "at": time.monotonic()}


class Peer(WSListener):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: WSTransport | None = None
        self.sequence = 0
        self.ready = False
        self.congested = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        counters = self.load.counters
        counters.connects += 1
        counters.open += 1

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.load.counters.open -= 1
        self.load.leave(self)

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        load = self.load
        counters = load.counters
        counters.received += 1
        counters.received_bytes += len(payload)
        if not self.ready:
            self.ready = True
            counters.setups += 1
            transport.send(WSMsgType.TEXT, _SETUP_COMPLETE)
            load.join(self)
            return
        at = payload.find(b'"data"')
        if at < 0:
            return
        counters.received_audio += 1
        if load.mode == "echo":
            start = payload.find(b'"', at + 6) + 1
            stamp = payload[start : start + _STAMP_CHARS].translate(_TO_STANDARD)
            self.send(stamp)

    def send(self, stamp: bytes) -> None:
        """One message of audio that begins with `stamp` (16 characters of base64)."""
        assert self.transport is not None
        load = self.load
        sequence = self.sequence
        self.sequence = sequence + 1
        self.transport.send(WSMsgType.TEXT, b"".join((_HEAD, stamp, load.ring[sequence % _RING])))
        load.counters.sent += 1
        if load.turn_chunks and self.sequence % load.turn_chunks == 0:
            for message in _TURN_END:
                self.transport.send(WSMsgType.TEXT, message)


class Load:
    """The server's state: who is connected, and the timer that pushes.

    The connections are spread over `slots` equal parts of the 40 ms, so that a thousand of them do not burst at once.
    """

    def __init__(self, mode: Mode, slots: int = 20, turn_chunks: int = 0) -> None:
        self.mode = mode
        self.turn_chunks = turn_chunks
        self.counters = Counters()
        self.ring = build_ring()
        self._slots: list[dict[Peer, None]] = [{} for _ in range(slots)]
        self._timer: asyncio.TimerHandle | None = None

    def join(self, peer: Peer) -> None:
        """The peer is set up: it gets audio from now on (in push mode)."""
        if self.mode == "push":
            min(self._slots, key=len)[peer] = None

    def leave(self, peer: Peer) -> None:
        """The peer is gone."""
        for slot in self._slots:
            slot.pop(peer, None)

    def start(self) -> None:
        """Starts the push timer."""
        if self.mode == "push":
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(loop.time(), self._tick, loop, loop.time(), 0)

    def stop(self) -> None:
        """Stops it."""
        if self._timer is not None:
            self._timer.cancel()

    def accept(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        """The router: any path is a Live connection, but `/stats`."""
        if request.path.startswith(b"/stats"):
            body = json.dumps(self.counters.report()).encode()
            headers = {"Content-Type": "application/json"}
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(body, headers), None)
        return Peer(self)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float, turn: int) -> None:
        late = max((loop.time() - due) * 1000, 0.0)
        counters = self.counters
        counters.ticks += 1
        counters.late_ms_sum += late
        counters.late_ms_max = max(counters.late_ms_max, late)
        for peer in self._slots[turn]:
            if peer.congested:  # a client that does not read: real audio would be late, too
                counters.skipped += 1
                continue
            peer.send(base64.b64encode(_STAMP.pack(time.monotonic_ns(), peer.sequence & 0xFFFF_FFFF)))
        due += CHUNK_MS / 1000 / len(self._slots)
        self._timer = loop.call_at(due, self._tick, loop, due, (turn + 1) % len(self._slots))


async def run(
    load: Load, host: str = "127.0.0.1", port: int = 0, announce: Callable[[str], None] | None = None
) -> None:
    """Serves until SIGINT or SIGTERM; announces where as one JSON line, and the counters as another at the end."""
    announce = announce or _announce
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await ws_create_server(load.accept, host, port, websocket_handshake_timeout=10)
    bound = server.sockets[0].getsockname()[1]
    announce(json.dumps({"port": bound, "url": f"http://{host}:{bound}", "pid": os.getpid(), "mode": load.mode}))
    load.start()
    await stop.wait()
    load.stop()
    server.close()
    announce(json.dumps({"stats": load.counters.report()}))


def main(argv: Sequence[str] | None = None) -> int:
    """Parses `argv` and serves on uvloop where it is installed."""
    parser = argparse.ArgumentParser(prog="python -m fullduplex.mock_live.loadgen", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--mode", choices=["push", "echo", "sink"], default="push")
    parser.add_argument("--slots", type=int, default=20, help="parts of the 40 ms that connections are spread over")
    parser.add_argument(
        "--turn-chunks", type=int, default=0, metavar="N", help="end a turn after each N chunks (default: never)"
    )
    parser.add_argument("--cpu", type=int, default=None, help="pin the process to this core (Linux)")
    options = parser.parse_args(argv)
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    load = Load(cast(Mode, options.mode), options.slots, options.turn_chunks)
    try:
        import uvloop
    except ImportError:
        asyncio.run(run(load, options.host, options.port))
    else:
        uvloop.run(run(load, options.host, options.port))
    return 0


def _announce(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
