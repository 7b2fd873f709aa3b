"""The far ends of every subject in one process: the clients who talk, and the mock that answers.

Both sit on the same core and the same clock, so that the one-way latency through a subject is a subtraction. Each
session says one chunk of 40 ms up every 40 ms (1,280 bytes, 16,000 Hz) and the mock says one down (1,920 bytes,
24,000 Hz), both with the time of sending and a sequence number in their first 12 bytes.

Commands come as JSON lines on standard input, one answer each on standard output; `bench/run.py` is the caller.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import os
import resource
import struct
import sys
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from fullduplex.mock_live.loadgen import Load, Peer
from fullduplex.testing import tagged_audio

CHUNK_S = 0.04
SLOTS = 20
CONNECTING = 25
UP_S = 45.0
SUBJECT_CORE, MOCK_CORE = 0, 1
STAMP = struct.Struct("<QI")
STAMP_CHARS = 16
SETUP = b'{"setup":{"model":"models/gemini-2.5-flash-native-audio-preview-12-2025","generationConfig":'
SETUP += b'{"responseModalities":["AUDIO"]}}}'
UP_HEAD = b'{"realtime_input":{"audio":{"data":"'
UP_TAIL = b'","mime_type":"audio/pcm;rate=16000"}}}'
STANDARD = bytes.maketrans(b"-_", b"+/")


class Direction:
    """What arrived on one way since recording began: latencies in ns, and how many chunks were sent."""

    def __init__(self) -> None:
        self.since = 0
        self.recording = False
        self.sent = 0
        self.arrived = 0
        self.latencies = array("q")

    def begin(self) -> None:
        """Forgets what was; counts chunks from now on."""
        self.since = time.monotonic_ns()
        self.recording = True
        self.sent = self.arrived = 0
        self.latencies = array("q")

    def take(self, sent_ns: int) -> None:
        """A chunk with this stamp has come."""
        if self.recording:
            self.arrived += 1
            self.latencies.append(time.monotonic_ns() - sent_ns)

    def report(self) -> dict[str, float]:
        """Percentiles in ms."""
        if not self.latencies:
            return {"sent": self.sent, "arrived": 0, "p50_ms": float("inf"), "p99_ms": float("inf")}
        p50, p99 = np.percentile(np.frombuffer(self.latencies, dtype=np.int64), (50, 99)) / 1e6
        return {"sent": self.sent, "arrived": self.arrived, "p50_ms": float(p50), "p99_ms": float(p99)}


class MockSide(Peer):
    """The mock's end of a session: what it gets is measured, what it sends counted."""

    load: MeasuredLoad

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.ready and frame.msg_type is not WSMsgType.CLOSE:
            stamp = find_stamp(frame.get_payload_as_bytes())
            if stamp is not None:
                self.load.up.take(stamp[0])
        else:
            super().on_ws_frame(transport, frame)

    def send(self, stamp: bytes) -> None:
        super().send(stamp)
        self.load.down.sent += 1


class MeasuredLoad(Load):
    """The lean mock, pushing only when told to, with both directions measured."""

    def __init__(self) -> None:
        super().__init__("push", SLOTS)
        self.up = Direction()
        self.down = Direction()

    def accept(self, request: Any) -> Any:
        """Every path is a session."""
        return MockSide(self)


class Client(WSListener):
    """A person with a microphone. As JSON for the relays, which understand nothing, and as PCM for the others."""

    def __init__(self, load: MeasuredLoad, as_json: bool) -> None:
        self.load = load
        self.as_json = as_json
        self.sequence = 0
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.as_json:
            transport.send(WSMsgType.TEXT, SETUP)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        stamp = find_stamp(frame.get_payload_as_bytes())
        if stamp is not None:
            self.load.down.take(stamp[0])

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None

    def say(self, pcm: bytes, encoded: bytes) -> None:
        """One chunk: `pcm` and its base64, both from behind the stamp on."""
        if self.transport is None:
            return
        stamp = STAMP.pack(time.monotonic_ns(), self.sequence & 0xFFFF_FFFF)
        self.sequence += 1
        self.load.up.sent += 1
        if self.as_json:
            self.transport.send(WSMsgType.TEXT, b"".join((UP_HEAD, base64.b64encode(stamp), encoded, UP_TAIL)))
        else:
            self.transport.send(WSMsgType.BINARY, stamp + pcm)


def find_stamp(payload: bytes) -> tuple[int, int] | None:
    """(time of sending in ns, sequence number) of a message that carries audio in its JSON; None for any other."""
    at = payload.find(b'"data"')
    if at < 0:
        return None
    start = payload.find(b'"', at + 6) + 1
    stamp = STAMP.unpack(base64.b64decode(payload[start : start + STAMP_CHARS].translate(STANDARD)))
    return int(stamp[0]), int(stamp[1])


class Microphones:
    """The clients of a window, spread over the 40 ms."""

    def __init__(self, clients: list[Client]) -> None:
        self._slots = [clients[index::SLOTS] for index in range(SLOTS)]
        pcm = tagged_audio.encode(0, 2, 16_000)
        self._pcm = pcm[tagged_audio.STAMP_BYTES :]
        self._encoded = base64.b64encode(pcm)[STAMP_CHARS:]
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Everybody talks from now on."""
        loop = asyncio.get_running_loop()
        # Half a slot from the mock's ticks, so that the two do not meet.
        self._tick(loop, loop.time() + CHUNK_S / SLOTS / 2, 0)

    def stop(self) -> None:
        """Silence."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float, turn: int) -> None:
        for client in self._slots[turn]:
            client.say(self._pcm, self._encoded)
        due += CHUNK_S / SLOTS
        self._timer = loop.call_at(due, self._tick, loop, due, (turn + 1) % SLOTS)


class Processor:
    """CPU seconds: of the subject, of this process, and of both cores with all that runs on them."""

    def __init__(self, pid: int) -> None:
        self._clock = (~pid << 3) | 2  # the kernel's name for the CPU clock of another process

    def read(self) -> dict[str, float]:
        """All of them, and the wall clock."""
        busy = _busy_cores()
        return {
            "wall": time.monotonic(),
            "subject": time.clock_gettime(self._clock),
            "mock": time.process_time(),
            "cores": busy.get(SUBJECT_CORE, 0.0) + busy.get(MOCK_CORE, 0.0),
        }


def _busy_cores() -> dict[int, float]:
    tick = os.sysconf("SC_CLK_TCK")
    busy = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            values = [int(field) for field in fields]
            busy[int(name[3:])] = (sum(values[:8]) - values[3] - values[4]) / tick
    return busy


async def window(load: MeasuredLoad, order: dict[str, Any]) -> dict[str, Any]:
    """Connects `sessions` clients to the subject, lets them talk for `seconds`, and says what was seen."""
    clients: list[Client] = []
    try:
        failed = await _connect(load, order, clients)
        return {"failed": failed} if failed else await _measure(load, order, clients)
    finally:
        load.stop()
        await asyncio.sleep(0.2)  # what is on its way arrives before the sockets close
        for client in clients:
            if client.transport is not None:
                client.transport.send_close()
                client.transport.disconnect()
        await _until(lambda: load.counters.open == 0, 10.0)


async def _connect(load: MeasuredLoad, order: dict[str, Any], clients: list[Client]) -> str | None:
    room = asyncio.Semaphore(CONNECTING)
    before = load.counters.setups

    async def join() -> None:
        async with room:
            already = load.counters.connects
            _, client = await ws_connect(
                lambda: Client(load, order["speak"] == "json"), f"ws://127.0.0.1:{order['port']}/"
            )
            if not isinstance(client, Client):  # closed before the handshake was over
                raise OSError("the subject closed")
            clients.append(client)
            await _until(lambda: load.counters.connects > already, 5.0)

    wanted = order["sessions"]
    try:
        async with asyncio.timeout(UP_S):
            await asyncio.gather(*(join() for _ in range(wanted)))
    except (TimeoutError, OSError) as error:
        return f"{len(clients)} of {wanted} clients connected: {type(error).__name__} {error}".strip()
    if not await _until(lambda: load.counters.setups - before >= wanted, UP_S):
        return f"{load.counters.setups - before} of {wanted} sessions came up in {UP_S:.0f} s"
    return None


async def _measure(load: MeasuredLoad, order: dict[str, Any], clients: list[Client]) -> dict[str, Any]:
    microphones = Microphones(clients)
    processor = Processor(order["pid"])
    gc.collect()
    load.start()
    microphones.start()
    try:
        await asyncio.sleep(order["warm"])
        load.up.begin()
        load.down.begin()
        first = processor.read()
        await asyncio.sleep(order["seconds"])
        load.up.recording = load.down.recording = False
        last = processor.read()
    finally:
        microphones.stop()
    return _result(load, clients, {name: last[name] - first[name] for name in first})


def _result(load: MeasuredLoad, clients: list[Client], spent: dict[str, float]) -> dict[str, Any]:
    up, down = load.up.report(), load.down.report()
    pairs = (up["arrived"] + down["arrived"]) / 2
    delivered = min(way["arrived"] / max(way["sent"], 1) for way in (up, down))
    return {
        "sessions": len(clients),
        "still_open": sum(client.transport is not None for client in clients),
        "wall_s": spent["wall"],
        "pairs": pairs,
        "cpu_us_per_pair": spent["subject"] / pairs * 1e6 if pairs else None,
        "subject_core": spent["subject"] / spent["wall"],
        "mock_core": spent["mock"] / spent["wall"],
        "others_cores": max(0.0, spent["cores"] - spent["subject"] - spent["mock"]) / spent["wall"],
        "delivered": delivered,
        "up": up,
        "down": down,
        "p50_ms": max(up["p50_ms"], down["p50_ms"]),
        "p99_ms": max(up["p99_ms"], down["p99_ms"]),
    }


async def _until(reached: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def main(cpu: int | None) -> None:
    """Serves the mock and obeys until standard input ends."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load = MeasuredLoad()
    server = await ws_create_server(load.accept, "127.0.0.1", 0, backlog=4096, websocket_handshake_timeout=30)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": port, "url": f"http://127.0.0.1:{port}", "pid": os.getpid()}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            answer = await window(load, json.loads(line))
        except ProcessLookupError:
            answer = {"failed": "the subject has ended"}
        except OSError as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, help="the core to run on")
    uvloop.run(main(parser.parse_args().cpu))
