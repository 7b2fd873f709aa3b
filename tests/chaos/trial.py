"""One trial: a user with a microphone, an agent with a tool, and the plan's faults, until all is said and quiet."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fullduplex import Agent, LiveRequestQueue, RunConfig, Runner, types
from fullduplex.artifacts import InMemoryArtifactService
from fullduplex.events import Event
from fullduplex.live import Ambient, Engine
from fullduplex.models.registry import resolve
from fullduplex.sessions import InMemorySessionService
from fullduplex.testing import tagged_audio
from fullduplex.types.config import SessionResumptionConfig
from tests.live.kit import short

from .model import ended, note
from .plan import AN_UTTERANCE, SLICE_S, Act, Fault, Plan
from .scenes import Scene

PATIENCE_S = 15.0
"""After the plan's end the last turn must have been answered within this time."""
QUIET_S = 0.7
MIME = "audio/pcm;rate=16000"
SILENCE = types.Blob(data=bytes(tagged_audio.slice_bytes(16_000)), mime_type=MIME)


@dataclass
class Job:
    """What became of one tool: how often it was begun and done, and when it was stopped."""

    begun: int = 0
    done: int = 0
    stopped: list[float] = field(default_factory=list)


@dataclass
class Record:
    """All that one trial left: times in seconds from its start."""

    plan: Plan
    shown: list[tuple[float, Event]] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)
    skipped: list[Fault] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    saved: list[Event] = field(default_factory=list)
    contents: list[dict[str, Any]] = field(default_factory=list)
    open_at_end: int = 0
    connected: list[tuple[float, str | None]] = field(default_factory=list)
    error: BaseException | None = None
    lag_s: float = 0.0
    """The longest that the event loop itself was late."""

    def timeline(self) -> str:
        """What happened when, for people."""
        lines = [(act.at, f"USER {act.label} until {act.ends:.2f}") for act in self.plan.acts]
        lines += [(fault.at, f"FAULT {fault}") for fault in self.struck]
        lines += [(at, f"connected{f' from {handle}' if handle else ''}") for at, handle in self.connected]
        told = [(at, text) for at, event in self.shown if (text := short(event))]
        for speech, group in itertools.groupby(told, key=lambda one: one[1] == "audio" or one[1].startswith("P-out")):
            if speech:
                pieces = list(group)
                words = "".join(text.removeprefix("P-out:") for _, text in pieces if text != "audio")
                count = sum(text == "audio" for _, text in pieces)
                lines.append((pieces[0][0], f"speech until {pieces[-1][0]:.3f} ({count} chunks): {words}"))
            else:
                lines += group
        return "\n".join(f"{at:8.3f} {text}" for at, text in sorted(lines, key=lambda line: line[0]))


class Microphone:
    """Sends 20 ms of silence or of tagged speech, 50 times a second."""

    def __init__(self, queue: LiveRequestQueue) -> None:
        self._queue = queue
        self._said: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._timer: asyncio.TimerHandle | None = self._loop.call_soon(self._tick)  # type: ignore[assignment]
        self.lag_s = 0.0

    def say(self, act: Act) -> None:
        """The user speaks from now on."""
        self._said.extend(range(act.number * AN_UTTERANCE, act.number * AN_UTTERANCE + act.slices))

    def mute(self) -> None:
        """Nothing is sent any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.lag_s = max(self.lag_s, self._loop.time() - self._due)
        blob = SILENCE
        if self._said:
            blob = types.Blob(data=tagged_audio.encode(self._said.popleft(), 1, 16_000), mime_type=MIME)
        self._queue.send_realtime(blob)
        self._due += SLICE_S
        self._timer = self._loop.call_at(self._due, self._tick)


class Trial:
    """Plays `plan` on `scene`; `play` returns its record."""

    def __init__(self, plan: Plan, scene: Scene, *, virtual: bool) -> None:
        self.record = Record(plan)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._plan = plan
        self._scene = scene
        self._queue = LiveRequestQueue()
        self._answered: set[str] = set()
        self.leaves_after: int | None = None
        """After so many events the app wants no more."""
        self.reader: asyncio.Task[None] | None = None
        self._store = InMemorySessionService()
        self._artifacts = InMemoryArtifactService()
        self._runner = Runner(
            app_name="app",
            agent=self.agent(),
            session_service=self._store,
            artifact_service=self._artifacts,
            engine=self._engine() if virtual else None,
        )

    def agent(self) -> Agent:
        """Whom the user talks with."""
        return Agent(name="guide", model=self._scene.model, tools=[self._tool()])

    def settings(self) -> dict[str, Any]:
        """Further settings of the run."""
        return {}

    def saw(self, event: Event) -> None:
        """The app was given `event`."""

    async def play(self) -> Record:
        """From the first word to the end of the run."""
        session = await self._store.create_session(app_name="app", user_id="u", session_id="s")
        self._began = self._loop.time()
        self.reader = reader = asyncio.create_task(self._read(session.id), name="reader")
        microphone = Microphone(self._queue)
        happenings = [asyncio.create_task(self._happen(one, microphone)) for one in self._plan.acts + self._plan.faults]
        await asyncio.gather(*happenings)
        await self._quiet(reader)
        self._look(microphone)
        self._queue.close()
        await asyncio.wait([reader], timeout=PATIENCE_S)
        if not reader.done():
            self.record.error = TimeoutError("the run did not end after close()")
            reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([reader])
        saved = await self._store.get_session(app_name="app", user_id="u", session_id="s")
        assert saved is not None
        self.record.saved = saved.events
        return self.record

    def _now(self) -> float:
        return round(self._loop.time() - self._began, 4)

    async def _read(self, session_id: str) -> None:
        resumption = {"index": SessionResumptionConfig(transparent=True), "handle": SessionResumptionConfig()}
        config = RunConfig(session_resumption=resumption.get(self._plan.mode), **self.settings())
        words = ""
        run = self._runner.run_live(
            user_id="u", session_id=session_id, live_request_queue=self._queue, run_config=config
        )
        try:
            async for event in run:
                self.record.shown.append((self._now(), event))
                self.saw(event)
                if event.output_transcription is not None and event.partial:
                    words += event.output_transcription.text or ""
                if event.turn_complete:
                    self._answered.update(ended(words))
                    words = ""
                if len(self.record.shown) == self.leaves_after:
                    break
        except Exception as error:
            self.record.error = error
        finally:
            await run.aclose()

    async def _happen(self, one: Act | Fault, microphone: Microphone) -> None:
        await asyncio.sleep(self._began + one.at - self._loop.time())
        if isinstance(one, Fault):
            struck = await self._scene.strike(one)
            (self.record.struck if struck else self.record.skipped).append(one)
            if one.warned:
                await asyncio.sleep(one.seconds)
        elif one.slices:
            microphone.say(one)
        else:
            self._queue.send_content(types.Content(role="user", parts=[types.Part(text=note(one.number))]))

    async def _quiet(self, reader: asyncio.Task[None]) -> None:
        """Returns when the last turn is answered on the one connection that is left, or when patience is at its end."""
        end = self._loop.time() + PATIENCE_S
        while self._loop.time() < end and not reader.done():
            if self.is_quiet():
                await asyncio.sleep(QUIET_S)
                if self.is_quiet():
                    return
            await asyncio.sleep(0.1)

    def is_quiet(self) -> bool:
        """Whether all is said and done."""
        return self._plan.acts[-1].label in self._answered and len(self._scene.open_connections) == 1

    def _look(self, microphone: Microphone) -> None:
        microphone.mute()
        self.record.lag_s = microphone.lag_s
        open_now = self._scene.open_connections
        self.record.open_at_end = len(open_now)
        self.record.contents = list(open_now[-1].contents) if open_now else []
        self.record.connected = [
            (round(one.opened_at - self._began, 3), one.resumed_from) for one in self._scene.connections
        ]

    def _tool(self) -> Any:
        jobs = self.record.jobs

        async def work(job: str, seconds: float) -> dict[str, str]:
            """Does a job that takes a while."""
            record = jobs.setdefault(job, Job())
            record.begun += 1
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                record.stopped.append(self._now())
                raise
            record.done += 1
            return {"job": job}

        return work

    def _engine(self) -> Engine:
        numbers = itertools.count(1)
        chance = random.Random(self._plan.seed + 2)
        ambient = Ambient(now=self._loop.time, new_id=lambda: f"id-{next(numbers)}", chance=chance.random)
        return Engine(resolve=resolve, ambient=ambient)
