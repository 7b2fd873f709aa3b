"""How long a chunk of audio takes through the engine: from the queue to the wire, and from the wire to the app."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import aclosing

import pytest

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, types
from fullduplex.models import Gemini
from fullduplex.testing.tagged_audio import encode, read_stamp, stamp
from tests.server.harness import NATIVE_AUDIO
from tests.server.processes import json_line, running

STREAMS = 50
CHUNKS = 75
CHUNK_S = 0.04
BAR_S = 0.010
TRIES = 3


async def talk(runner: InMemoryRunner, number: int, delays: list[float]) -> None:
    """One stream: a chunk each 40 ms goes up, and what comes back tells when it was sent."""
    session = await runner.session_service.create_session(app_name="app", user_id=f"user-{number}")
    queue = LiveRequestQueue()
    run = runner.run_live(user_id=session.user_id, session_id=session.id, live_request_queue=queue)

    async def speak() -> None:
        await asyncio.sleep(CHUNK_S * number / STREAMS)
        began = time.monotonic()
        for index in range(CHUNKS):
            pcm = stamp(encode(2 * index, 2, 16_000), time.monotonic_ns(), index)
            queue.send_realtime(types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))
            await asyncio.sleep(max(0.0, began + (index + 1) * CHUNK_S - time.monotonic()))

    heard = 0
    async with aclosing(run) as events:
        assert (await anext(events)).setup_complete is not None
        speaking = asyncio.create_task(speak())
        async for event in events:
            for part in (event.content.parts or []) if event.content is not None else []:
                if part.inline_data is not None:
                    delays.append((time.monotonic_ns() - read_stamp(part.inline_data.data or b"")[0]) / 1e9)
                    heard += 1
            if heard == CHUNKS:
                break
        await speaking
    queue.close()


async def there_and_back() -> list[float]:
    """Seconds that each chunk of fifty streams took up through the engine, to the model and down again, sorted."""
    delays: list[float] = []
    with running("-m", "fullduplex.mock_live.loadgen", "--port", "0", "--mode", "echo") as mock:
        model = Gemini(NATIVE_AUDIO, api_key="any-key", base_url=json_line(mock)["url"])
        runner = InMemoryRunner(agent=Agent(name="guide", model=model), app_name="app")
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for number in range(STREAMS):
                group.create_task(talk(runner, number, delays))
    return sorted(delays)


@pytest.mark.spec(182, 183)
@pytest.mark.skipif(sys.platform == "win32", reason="clocks of processes are compared")
async def test_a_chunk_is_forwarded_in_less_than_ten_milliseconds_with_fifty_streams() -> None:
    """The way there and back together, which is more than either; the machine's other work may spoil a try."""
    for attempt in range(TRIES):
        delays = await there_and_back()
        assert len(delays) == STREAMS * CHUNKS
        p99 = delays[int(len(delays) * 0.99)]
        print(f"there and back: p50 {statistics.median(delays) * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms ({attempt + 1})")
        if p99 < BAR_S:
            return
    pytest.fail(f"p99 is {p99 * 1e3:.1f} ms")
