"""The ears of one connection: live audio and activity signals in, "the user began" and "the user said" out.

One task takes the input in order: resample, judge frames, find the edges of a turn, feed the recogniser. It decides
nothing about answers. Audio that waits longer than it should is dropped, oldest first, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.audio import INPUT_RATE, Resampler
from fullduplex.models.cascade.endpoint import Edge, Endpointer, EndpointSettings
from fullduplex.models.cascade.vad import FRAME_BYTES, FRAME_SECONDS, VoiceActivityDetector
from fullduplex.types.live import ActivityEnd, ActivityStart, Signal

_log = logging.getLogger(__name__)

_PRE_ROLL = 0.32
_BACKLOG = INPUT_RATE * 2 * 10
_STALL = 1.0


@dataclass(frozen=True)
class Heard:
    """What the recogniser made of an utterance; `in_domain` says whether it fits the agent's sentences."""

    text: str
    in_domain: bool = True


class Utterance(Protocol):
    """One utterance at the recogniser."""

    def feed(self, pcm: bytes) -> None:
        """More of it: PCM16 mono at 16,000 Hz. Never blocks."""
        ...

    async def finish(self) -> Heard:
        """No more comes: what was it? `EngineUnavailable` when the recogniser failed."""
        ...

    def abort(self) -> None:
        """Nobody wants to know any more."""
        ...


class Recognizer(Protocol):
    """Speech to text for the sentences of one agent."""

    async def prepare(self) -> None:
        """Loads what it needs; utterances may begin before it is done."""
        ...

    def open(self) -> Utterance:
        """Begins an utterance."""
        ...


@dataclass
class Ears:
    """Whom `Hearing` tells: that speech began, what was said, and that recognition failed."""

    on_start: Callable[[], None]
    on_heard: Callable[[Heard], None]
    on_failure: Callable[[Exception], None]


@dataclass
class HearingSettings:
    """`manual` leaves the edges of turns to the client's activity signals."""

    manual: bool = False
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)


class Hearing:
    """Takes input without blocking; runs until it is cancelled.

    `dropped` counts bytes of audio that were thrown away because they came faster than they could be heard.
    """

    def __init__(
        self, ears: Ears, detector: VoiceActivityDetector, recognizer: Recognizer, settings: HearingSettings
    ) -> None:
        self._ears = ears
        self._detector = detector
        self._recognizer = recognizer
        self._manual = settings.manual
        self._endpointer = Endpointer(settings.endpoint, FRAME_SECONDS)
        self._max_turn = settings.endpoint.max_turn
        self._resampler = Resampler(INPUT_RATE)
        self._inbox: deque[tuple[bytes, int] | Signal] = deque()
        self._waiting = asyncio.Event()
        self._backlog = 0
        self._partial = b""
        self._position = 0.0
        self._recent: deque[bytes] = deque(maxlen=round(_PRE_ROLL / FRAME_SECONDS))
        self._utterance: Utterance | None = None
        self._finishing: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self.dropped = 0

    @property
    def in_speech(self) -> bool:
        """Whether the user is speaking now."""
        return self._utterance is not None

    def put(self, item: tuple[bytes, int] | Signal) -> None:
        """More input: audio (bytes of PCM16, samples per second), or a signal."""
        self._inbox.append(item)
        if isinstance(item, tuple):
            self._backlog += len(item[0])
            self._trim_backlog()
        self._waiting.set()

    def _trim_backlog(self) -> None:
        """Drops the oldest audio; signals stay."""
        while self._backlog > _BACKLOG:
            oldest = next((entry for entry in self._inbox if isinstance(entry, tuple)), None)
            if oldest is None:
                return
            self._inbox.remove(oldest)
            self._backlog -= len(oldest[0])
            self.dropped += len(oldest[0])

    async def run(self) -> None:
        """Hears until cancelled."""
        ready = asyncio.create_task(self._prepare(), name="cascade-prepare")
        self._finishing.add(ready)
        ready.add_done_callback(self._finishing.discard)
        try:
            while True:
                await self._wait()
                while self._inbox:
                    await self._take(self._inbox.popleft())
        finally:
            if self._utterance is not None:
                self._utterance.abort()
            for task in list(self._finishing):
                task.cancel()
            await asyncio.gather(*self._finishing, return_exceptions=True)

    async def _prepare(self) -> None:
        try:
            await self._recognizer.prepare()
        except EngineUnavailable as error:
            _log.warning("speech recognition did not start: %s", error)  # each utterance tries again

    async def _wait(self) -> None:
        """Waits for input; a microphone that falls silent within a turn, without a sign, ends the turn."""
        self._waiting.clear()
        if self._inbox:
            return
        try:
            async with asyncio.timeout(_STALL if self.in_speech and not self._manual else None):
                await self._waiting.wait()
        except TimeoutError:
            self._end()

    async def _take(self, item: tuple[bytes, int] | Signal) -> None:
        if isinstance(item, tuple):
            self._backlog -= len(item[0])
            await self._audio(self._resampler.feed(*item))
        elif isinstance(item, ActivityStart):
            self._begin([])
        else:
            if self._manual or not isinstance(item, ActivityEnd):
                self._end()

    async def _audio(self, pcm: bytes) -> None:
        if self._manual:
            if self._utterance is not None:
                self._utterance.feed(pcm)
                self._position += len(pcm) / 2 / INPUT_RATE
                if self._position > self._max_turn:
                    self._end()
            return
        pcm = self._partial + pcm
        cut = len(pcm) - len(pcm) % FRAME_BYTES
        self._partial = pcm[cut:]
        frames = [pcm[start : start + FRAME_BYTES] for start in range(0, cut, FRAME_BYTES)]
        if not frames:
            return
        for frame, speech in zip(frames, await self._detector.judge(frames), strict=True):
            self._frame(frame, speech)

    def _frame(self, frame: bytes, speech: bool) -> None:
        self._position += FRAME_SECONDS
        edge = self._endpointer.feed(speech, self._position)
        self._recent.append(frame)
        if edge is Edge.STARTED:
            self._begin(list(self._recent))
        elif self._utterance is not None:
            self._utterance.feed(frame)
        if edge is Edge.ENDED:
            self._end()

    def _begin(self, frames: list[bytes]) -> None:
        if self._utterance is not None:
            return
        if self._manual:
            self._position = 0.0
        self._utterance = self._recognizer.open()
        self._utterance.feed(b"".join(frames))
        self._ears.on_start()

    def _end(self) -> None:
        utterance, self._utterance = self._utterance, None
        self._endpointer.reset()
        self._detector.reset()
        self._recent.clear()
        if utterance is None:
            return
        task = asyncio.create_task(self._finish(utterance, list(self._ending)), name="cascade-finish")
        for tasks in (self._finishing, self._ending):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _finish(self, utterance: Utterance, earlier: list[asyncio.Task[None]]) -> None:
        """Waits for the text without holding up the ears; utterances come out in the order they went in."""
        try:
            heard = await utterance.finish()
        except EngineUnavailable as error:
            _log.warning("speech was not recognised: %s", error)
            self._ears.on_failure(error)
            return
        except asyncio.CancelledError:
            utterance.abort()
            raise
        if earlier:
            await asyncio.gather(*earlier, return_exceptions=True)
        self._ears.on_heard(heard)
