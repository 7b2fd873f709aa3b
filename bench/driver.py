"""The far ends of every subject in one process: the clients who talk, and the mock that answers.

Both sit on the same core and the same clock, so that the one-way latency through a subject is a subtraction. Each
session says one chunk of 40 ms up every 40 ms (1,280 bytes, 16,000 Hz) and the mock says one down (1,920 bytes,
24,000 Hz), both with the time of sending in their first 12 bytes. Something may happen to the sessions meanwhile.

Commands come as JSON lines on standard input, one answer each on standard output; `bench/run.py` is the caller.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from ends import Client, MeasuredLoad, Microphones, until
from happenings import Happening, make
from picows import ws_connect, ws_create_server

CONNECTING = 25
UP_S = 45.0
SUBJECT_CORE, MOCK_CORE = 0, 1


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
    happening = make(order["happening"]) if order.get("happening") else None
    try:
        with happening.on(load) if happening is not None else contextlib.nullcontext():
            failed = await _connect(load, order, clients)
            with _awake() if order["awake"] else contextlib.nullcontext():
                return {"failed": failed} if failed else await _measure(load, order, clients, happening)
    finally:
        load.stop()
        load.clients.clear()
        await asyncio.sleep(0.2)  # what is on its way arrives before the sockets close
        for client in clients:
            if client.transport is not None:
                client.transport.send_close()
                client.transport.disconnect()
        await until(lambda: load.counters.open == 0, 10.0)


@contextlib.contextmanager
def _awake() -> Iterator[None]:
    """Meanwhile this process never sleeps.

    Whoever sends to a process that sleeps on another core pays for waking it, up to half as much again as for sending;
    and who answers at once, as a relay does, still meets it awake. A subject's network card needs no waking.
    """
    loop = asyncio.get_running_loop()
    stays = True

    def poll() -> None:
        if stays:
            loop.call_soon(poll)

    poll()
    try:
        yield
    finally:
        stays = False


async def _connect(load: MeasuredLoad, order: dict[str, Any], clients: list[Client]) -> str | None:
    room = asyncio.Semaphore(CONNECTING)
    before = load.counters.setups

    async def join(number: int) -> None:
        async with room:
            already = load.counters.connects
            _, client = await ws_connect(
                lambda: Client(load, number, order["speak"] == "json"), f"ws://127.0.0.1:{order['port']}/"
            )
            if not isinstance(client, Client):  # closed before the handshake was over
                raise OSError("the subject closed")
            clients.append(client)
            await until(lambda: load.counters.connects > already, 5.0)

    wanted = order["sessions"]
    try:
        async with asyncio.timeout(UP_S):
            await asyncio.gather(*(join(number) for number in range(wanted)))
    except (TimeoutError, OSError) as error:
        return f"{len(clients)} of {wanted} clients connected: {type(error).__name__} {error}".strip()
    if not await until(lambda: load.counters.setups - before >= wanted, UP_S):
        return f"{load.counters.setups - before} of {wanted} sessions came up in {UP_S:.0f} s"
    return None


async def _measure(
    load: MeasuredLoad, order: dict[str, Any], clients: list[Client], happening: Happening | None
) -> dict[str, Any]:
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
        if happening is None:
            await asyncio.sleep(order["seconds"])
        else:
            await happening.run(clients, order["seconds"])
        load.up.recording = load.down.recording = False
        last = processor.read()
    finally:
        microphones.stop()
    result = _result(load, clients, {name: last[name] - first[name] for name in first})
    return result if happening is None else {**result, "happening": happening.report()}


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
