"""Long calls and many connections: nothing is forgotten, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fullduplex import RunConfig, types
from fullduplex.live import LiveSettings
from fullduplex.mock_live import MockOptions, memory_reactor
from fullduplex.models import Gemini
from fullduplex.testing import tagged_audio
from fullduplex.testing.clock import run_virtual
from fullduplex.turns.reconnect import ReconnectPolicy
from tests.chaos.memory import MemoryGemini, MemoryServer
from tests.live.kit import Call, leftovers, pcm, user
from tests.server.processes import environment, json_line, running

MODEL = "gemini-live-2.5-flash"
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "soak.json"

# -- five hours -------------------------------------------------------------------------------------------------------

ROTATION_S = 600.0
WARNING_S = 10.0
ROTATIONS = 30
ASKED_AT_S = (60.0, 300.0, ROTATION_S - WARNING_S + 0.5)
ENGINE = ("fullduplex.live", "fullduplex.models", "fullduplex.turns")


class Caller:
    """Talks on one call, and keeps the books: what was said, by whom, in order."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.said: list[tuple[str, str]] = []

    async def types(self, words: str) -> str:
        """Types `words` and waits for the answer."""
        self.call.queue.send_content(user(words))
        return await self._answer(words)

    async def speaks(self, heard: str) -> str:
        """Says something for a second, and waits for the answer to what was `heard`."""
        chunks = [
            types.Blob(data=tagged_audio.encode(2 * number, 2, 16_000), mime_type="audio/pcm") for number in range(25)
        ]
        for chunk in [*chunks, *[pcm()] * 20]:
            self.call.queue.send_realtime(chunk)
            await asyncio.sleep(0.04)
        return await self._answer(heard)

    async def _answer(self, words: str) -> str:
        while sum(bool(event.turn_complete) for event in self.call.events) <= len(self.said) // 2:
            assert not self.call.reader.done(), "the run has ended"
            await asyncio.sleep(0.1)
        answer = next(
            event.content.text
            for event in reversed(self.call.events)
            if event.content is not None and not event.partial
        )
        self.said += [("user", words), ("model", answer)]
        return answer


def engine_objects() -> Counter[str]:
    """How many objects of each class of the engine there are."""
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects() if str(type(one).__module__).startswith(ENGINE))


@pytest.mark.spec(144)
@pytest.mark.parametrize("resuming", [True, False], ids=["with handles", "without"])
def test_thirty_rotations_keep_the_conversation_and_leave_nothing_behind(resuming: bool) -> None:
    async def soak() -> None:
        options = MockOptions(
            max_connection_s=ROTATION_S, go_away_lead_s=WARNING_S, keep_log=False, hear=lambda _, __: "and a good day"
        )
        server = MemoryServer(memory_reactor, options)
        config = RunConfig(response_modalities=["TEXT"], session_resumption={} if resuming else None)
        call = await Call.start(model=MemoryGemini(MODEL, server), run_config=config)  # type: ignore[arg-type]
        caller = Caller(call)
        await caller.types("my number is 42")
        await caller.types("my name is Ada")
        tasks: list[int] = []
        objects: list[Counter[str]] = []
        for rotation in range(ROTATIONS):
            began = server.lines[-1].opened_at
            for at in ASKED_AT_S:
                await asyncio.sleep(began + at - asyncio.get_running_loop().time())
                assert await caller.types("which number did I say?") == "You said 42."
            await caller.speaks("and a good day")
            assert len(server.lines) == rotation + 2
            await asyncio.sleep(began + ROTATION_S + 5.0 - asyncio.get_running_loop().time())
            assert len(server.open_lines) == 1
            tasks.append(len(asyncio.all_tasks()))
            if rotation in (1, ROTATIONS - 1):
                objects.append(engine_objects())
        assert await caller.types("what is my name?") == "Your name is Ada."
        assert asyncio.get_running_loop().time() > ROTATIONS * (ROTATION_S - WARNING_S)
        assert remembered(server) == caller.said
        assert not [event for event in call.events if event.error_code]
        assert len(set(tasks)) == 1, tasks
        assert objects[1] == objects[0], objects[1] - objects[0]
        assert len({line.session.connection.resumed_from for line in server.lines}) == (
            ROTATIONS + 1 if resuming else 1
        )
        await call.end()
        assert await words_of(call) == caller.said
        assert not leftovers()

    run_virtual(soak())


def remembered(server: MemoryServer) -> list[tuple[str, str]]:
    """What the model has in mind on its last connection."""
    contents = server.lines[-1].session.connection.contents
    return [(one["role"], "".join(part.get("text", "") for part in one["parts"])) for one in contents]


async def words_of(call: Call) -> list[tuple[str, str]]:
    """What the session has of both sides' words."""
    found = []
    for event in (await call.saved()).events:
        if event.input_transcription is not None:
            found.append(("user", event.input_transcription.text or ""))
        elif event.content is not None:
            found.append((event.content.role or "", event.content.text))
    return found


# -- two thousand connections -----------------------------------------------------------------------------------------

CALLS = 20
DROPS_A_CALL = 100
AT_ONCE = 4
AT_ONCE_AGAIN = LiveSettings(
    reconnect=ReconnectPolicy(first_delay_s=0.0, max_delay_s=0.0, factor=1.0, jitter=0.0, budget=1_000_000)
)
DROPPING = {"scope": "session", "turns": [{"on": "now", "steps": [{"type": "drop"}]}]}


@dataclass(frozen=True)
class Footprint:
    """What this process holds."""

    tasks: int
    descriptors: int
    rss_mb: float

    @classmethod
    def now(cls) -> Footprint:
        gc.collect()
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return cls(len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), round(int(found[1]) / 1024, 1))


async def dropped_call(url: str) -> int:
    """A call that loses its connection a hundred times; gives how many it has had."""
    call = await Call.start(model=Gemini(MODEL, api_key="k", base_url=url), settings=AT_ONCE_AGAIN)  # type: ignore[arg-type]
    await call.until(lambda _: connections(call) > DROPS_A_CALL)
    await call.end()
    return connections(call)


def connections(call: Call) -> int:
    return sum(event.setup_complete is not None for event in call.events)


async def dropped_calls(url: str, count: int) -> int:
    """So many calls, some at once; gives how many connections they have had."""
    total = 0
    for _ in range(count // AT_ONCE):
        total += sum(await asyncio.gather(*(dropped_call(url) for _ in range(AT_ONCE))))
    return total


@pytest.mark.slow
@pytest.mark.spec(144)
@pytest.mark.timeout(600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads descriptors and memory from /proc")
async def test_two_thousand_connections_and_drops_leave_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The figures go to bench/results."""
    caplog.set_level(logging.ERROR, "fullduplex")  # pytest keeps what is logged, and with it all that it names
    script = tmp_path / "dropping.json"
    script.write_text(json.dumps(DROPPING))
    with running("-m", "fullduplex.mock_live", "--script", str(script), "--flat-out", env=environment()) as mock:
        url = json_line(mock)["url"]
        await dropped_calls(url, AT_ONCE)  # what is made once is made
        before, began = Footprint.now(), time.monotonic()
        count = await dropped_calls(url, CALLS)
        took = time.monotonic() - began
        after = Footprint.now()
    record(before, after, count, took)
    assert count >= CALLS * DROPS_A_CALL
    assert after.tasks == before.tasks
    assert after.descriptors == before.descriptors
    assert after.rss_mb - before.rss_mb < 4.0


def record(before: Footprint, after: Footprint, count: int, took: float) -> None:
    """Writes the figures with all that one needs to make them again."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {
        "what": "connections to Mock Live that it drops: what this process holds before and after",
        "command": "make test-slow PYTEST_ARGS=tests/live/test_soak.py",
        "commit": commit.stdout.strip() or None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()}, Python {sys.version.split()[0]}",
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "connections": count,
        "seconds": round(took, 1),
        "before": asdict(before),
        "after": asdict(after),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
