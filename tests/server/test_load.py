"""A hundred calls at once on one server process: nothing is lost, and what it costs."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from fullduplex.testing.tagged_audio import encode, read_stamp, stamp
from tests.server.harness import NATIVE_AUDIO
from tests.server.processes import environment, json_line, running

SESSIONS = 100
CHUNKS = 100
CHUNK_S = 0.04

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads CPU and memory from /proc")


@dataclass
class Caller:
    """One voice call: sends a chunk each 40 ms, and notes which came back when."""

    number: int
    came_back: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    async def talk(self, address: str, start: asyncio.Event, ready: asyncio.Semaphore) -> None:
        async with connect(f"ws://{address}/ws/user-{self.number}/s", compression=None, max_queue=None) as socket:
            assert "setupComplete" in msgspec.json.decode(await socket.recv())
            ready.release()
            await start.wait()
            await asyncio.sleep(CHUNK_S * self.number / SESSIONS)
            listening = asyncio.create_task(self._listen(socket))
            began = time.monotonic()
            for index in range(CHUNKS):
                pcm = encode(2 * index, 2, 16_000)
                await socket.send(stamp(pcm, time.monotonic_ns(), self.number * CHUNKS + index))
                await asyncio.sleep(max(0.0, began + (index + 1) * CHUNK_S - time.monotonic()))
            async with asyncio.timeout(5):
                await listening

    async def _listen(self, socket: ClientConnection) -> None:
        while len(self.came_back) < CHUNKS:
            event = msgspec.json.decode(await socket.recv())
            for part in event.get("content", {}).get("parts", ()):
                sent_ns, sequence = read_stamp(base64.urlsafe_b64decode(part["inlineData"]["data"]))
                self.came_back.append(sequence)
                self.delays.append((time.monotonic_ns() - sent_ns) / 1e9)


@pytest.mark.spec(189)
async def test_a_hundred_voice_calls_at_once(record_property: Callable[[str, object], None]):
    with running("-m", "fullduplex.mock_live.loadgen", "--port", "0", "--mode", "echo") as mock:
        url = json_line(mock)["url"]
        env = environment(GOOGLE_API_KEY="any-key", GOOGLE_GEMINI_BASE_URL=url, FULLDUPLEX_LOG_LEVEL="error")
        arguments = ("-m", "fullduplex", "web", "--port", "0", "--model", NATIVE_AUDIO)
        with running(*arguments, env=env) as server:
            address = server.read_until(r"http://(\S+)")[1]
            callers = [Caller(number) for number in range(SESSIONS)]
            start, ready = asyncio.Event(), asyncio.Semaphore(0)
            empty_mb = server.memory_mb()
            async with asyncio.TaskGroup() as group:
                for caller in callers:
                    group.create_task(caller.talk(address, start, ready))
                for _ in callers:
                    await ready.acquire()
                began, cpu = time.monotonic(), server.cpu_s()
                start.set()
                await asyncio.sleep(CHUNKS * CHUNK_S)
                load = (server.cpu_s() - cpu) / (time.monotonic() - began)
                full_mb = server.memory_mb()
    for caller in callers:
        first = caller.number * CHUNKS
        assert caller.came_back == list(range(first, first + CHUNKS)), f"caller {caller.number}"
    delays = sorted(delay for caller in callers for delay in caller.delays)
    figures = {
        "server_cpu_cores": round(load, 2),
        "server_memory_mb": round(full_mb),
        "server_memory_kb_per_call": round((full_mb - empty_mb) * 1024 / SESSIONS),
        "round_trip_ms_p50": round(delays[len(delays) // 2] * 1000, 1),
        "round_trip_ms_p99": round(delays[len(delays) * 99 // 100] * 1000, 1),
    }
    for name, value in figures.items():
        record_property(name, value)
    print(figures)
    assert load < 0.95, "one core carries them"
    assert (full_mb - empty_mb) * 1024 / SESSIONS < 1_000, "kB for a call"
