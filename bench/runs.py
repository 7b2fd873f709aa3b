"""Many runs of the engine at once on one `Runner`: what one costs in memory, whether any are mixed up, what is left.

Each run is silent for a while and then speaks, in chunks that carry its own number, and gets each one back: from a
model inside this process (`scripted`: the engine alone) or over a socket of its own from the mock in echo mode
(`gemini`: the engine and its connection).
The next round begins when all answers of the last are there, so a slow machine makes it slower and changes nothing.
`bench/run.py` is the caller; the result is one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, RunConfig, types
from fullduplex.events import Event
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.testing import tagged_audio
from fullduplex.types.live import LiveServerContent, LiveServerMessage, LiveServerSetupComplete

DEADLINE_S = 120.0
SPREAD = 10
SILENCE = bytes(1280)
SPEECH = tagged_audio.encode(0, 2, 16_000)
SPEECH_ROUNDS = 25
"""One second of speech, which nobody answers: the engine keeps it for the case that the line is lost."""
CONFIG = RunConfig(response_modalities=["AUDIO"])
OURS = ("Conductor", "LiveConnection", "LiveRequestQueue", "InvocationContext", "ToolRunner", "Scribe", "Outbox")
"""Classes of which nothing may be alive when all runs have ended."""


class EchoConnection(LiveConnection):
    """A connection of a model in this process that says back each chunk at once."""

    def __init__(self) -> None:
        self._inbox: deque[LiveServerMessage | None] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._put(LiveServerMessage(setup_complete=LiveServerSetupComplete()))

    async def send_realtime(self, blob: types.Blob) -> None:
        data = (blob.data or b"") + bytes(640)  # 40 ms at 24,000 Hz, as the wire's messages are
        answer = types.Part(inline_data=types.Blob(data=data, mime_type="audio/pcm;rate=24000"))
        turn = types.Content(parts=[answer], role="model")
        self._put(LiveServerMessage(server_content=LiveServerContent(model_turn=turn)))

    async def send_content(self, content: types.Content, *, turn_complete: bool = True) -> None:
        """Nothing is typed here."""

    async def send_history(self, contents: list[types.Content], *, turn_complete: bool) -> None:
        """Nor told."""

    async def send_activity(self, signal: Any) -> None:
        """Nor signalled."""

    async def interrupt(self) -> None:
        """Nor interrupted."""

    async def send_tool_response(self, responses: list[Any]) -> None:
        """Nor called."""

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        while True:
            while not self._inbox:
                self._reader = asyncio.get_running_loop().create_future()
                await self._reader
            message = self._inbox.popleft()
            if message is None:
                return
            yield message

    async def close(self) -> None:
        self._put(None)

    def _put(self, message: LiveServerMessage | None) -> None:
        self._inbox.append(message)
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)


class EchoModel(LiveModel):
    """The model of `EchoConnection`s."""

    model = "echo-live"

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[EchoConnection]:
        yield EchoConnection()


class Talk:
    """One run and what came back in it."""

    def __init__(self, number: int) -> None:
        # Spread over every other byte, so that silence with a number in it is still silent.
        self.number = number % 256 + (number // 256 << 16)
        self.name = f"s{number}"
        self.queue = LiveRequestQueue()
        self.ready = False
        self.heard = 0
        self.strangers = 0
        self.disorder = 0
        self.invocations: set[str] = set()

    def say(self, sequence: int, pcm: bytes) -> None:
        """One chunk with this run's number."""
        chunk = tagged_audio.stamp(pcm, self.number, sequence)
        self.queue.send_realtime(types.Blob(data=chunk, mime_type="audio/pcm;rate=16000"))

    def hear(self, event: Event) -> None:
        """Checks that an event is of this run, and the next in order."""
        self.ready = True
        self.invocations.add(event.invocation_id)
        blob = event.content.parts[0].inline_data if event.content and event.content.parts else None
        if blob is None or blob.data is None:
            return
        number, sequence = tagged_audio.read_stamp(blob.data)
        self.strangers += number != self.number
        self.disorder += sequence != self.heard
        self.heard += 1


class Crowd:
    """All talks of one wave, on one runner."""

    def __init__(self, runner: InMemoryRunner, size: int) -> None:
        self.runner = runner
        self.talks = [Talk(number) for number in range(size)]
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Opens every run; returns when the model has accepted all."""
        room = asyncio.Semaphore(25)

        async def begin(talk: Talk) -> None:
            async with room:
                await self.runner.session_service.create_session(app_name="bench", user_id="user", session_id=talk.name)
                task = asyncio.create_task(self._listen(talk))
                self.tasks.append(task)
                await self._until(lambda: talk.ready)

        await asyncio.gather(*(begin(talk) for talk in self.talks))

    async def speak(self, first: int, rounds: int, pcm: bytes) -> None:
        """So many chunks each way in every run."""
        for sequence in range(first, first + rounds):
            for place, talk in enumerate(self.talks):
                talk.say(sequence, pcm)
                if place % SPREAD == 0:  # people do not all speak in the same instant
                    await asyncio.sleep(0)
            await self._until(lambda wanted=sequence + 1: all(talk.heard >= wanted for talk in self.talks))

    async def end(self) -> None:
        """Closes every queue, waits for the runs to end, and forgets the sessions."""
        for talk in self.talks:
            talk.queue.close()
        await asyncio.wait_for(asyncio.gather(*self.tasks), DEADLINE_S)
        for talk in self.talks:
            await self.runner.session_service.delete_session(app_name="bench", user_id="user", session_id=talk.name)

    async def _listen(self, talk: Talk) -> None:
        events = self.runner.run_live(
            user_id="user",
            session_id=talk.name,
            live_request_queue=talk.queue,
            run_config=CONFIG,
        )
        async for event in events:
            talk.hear(event)

    async def _until(self, reached: Any) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                if failed := next((task for task in self.tasks if task.done()), None):
                    await failed
                    raise RuntimeError("a run ended early")
                await asyncio.sleep(0.005)


def footprint() -> dict[str, int]:
    """What this process holds now: resident bytes, open files, tasks, and live objects of `OURS`."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    objects = dict.fromkeys(OURS, 0)
    for thing in gc.get_objects():
        for base in type(thing).__mro__[:-1]:
            if base.__name__ in objects and str(base.__module__).startswith("fullduplex."):
                objects[base.__name__] += 1
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "files": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()) - 1,
        "objects": sum(objects.values()),
    }


async def wave(runner: InMemoryRunner, size: int, rounds: int) -> dict[str, Any]:
    """Opens `size` runs, lets them talk, ends them; footprints at each point, and what was mixed up."""
    before = footprint()
    crowd = Crowd(runner, size)
    await crowd.open()
    opened = footprint()
    await crowd.speak(0, rounds, SILENCE)
    talked = footprint()
    await crowd.speak(rounds, SPEECH_ROUNDS, SPEECH)
    spoke = footprint()
    await crowd.end()
    talks, crowd = crowd.talks, Crowd(runner, 0)
    seen = {
        "chunks_each": rounds + SPEECH_ROUNDS,
        "heard": sum(talk.heard for talk in talks),
        "mixed_up": sum(talk.strangers for talk in talks)
        + abs(len(set().union(*(t.invocations for t in talks))) - size),
        "out_of_order": sum(talk.disorder for talk in talks),
    }
    del talks
    await asyncio.sleep(0.2)
    return {"before": before, "opened": opened, "talked": talked, "spoke": spoke, "ended": footprint(), **seen}


async def main(options: argparse.Namespace) -> None:
    """A small wave to warm up, then two of the size asked for: the second shows what the first left behind."""
    if options.model == "gemini":
        os.environ["GOOGLE_GEMINI_BASE_URL"] = options.mock
        os.environ["GOOGLE_API_KEY"] = "x"
        agent = Agent(name="bench", model="gemini-2.5-flash-native-audio-preview-12-2025", instruction="Talk.")
    else:
        agent = Agent(name="bench", model=EchoModel(), instruction="Talk.")
    runner = InMemoryRunner(agent, app_name="bench")
    await wave(runner, 5, 5)
    waves = [await wave(runner, options.runs, options.rounds) for _ in range(options.waves)]
    first, last = waves[0], waves[-1]
    left = {name: max(0, last["ended"][name] - first["before"][name]) for name in ("files", "tasks", "objects")}
    result = {
        "model": options.model,
        "runs": options.runs,
        "waves": waves,
        "idle_kb_each": (first["opened"]["rss"] - first["before"]["rss"]) / options.runs / 1000,
        "talking_kb_each": (first["talked"]["rss"] - first["before"]["rss"]) / options.runs / 1000,
        "speech_kb_each": (first["spoke"]["rss"] - first["talked"]["rss"]) / options.runs / 1000,
        "left": left,
        "left_rss_kb": (last["ended"]["rss"] - first["before"]["rss"]) / 1000,
        "grown_by_second_wave_kb": (last["ended"]["rss"] - first["ended"]["rss"]) / 1000,
        "mixed_up": sum(one["mixed_up"] for one in waves),
        "lost_or_disordered": sum(
            one["out_of_order"] + options.runs * one["chunks_each"] - one["heard"] for one in waves
        ),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["scripted", "gemini"], default="scripted")
    parser.add_argument("--mock", help="base URL of a mock in echo mode")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=25, help="silent chunks of each run in a wave, before it speaks")
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--cpu", type=int, help="the core to run on")
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    uvloop.run(main(arguments))
    sys.exit(0)
