"""The guard before the user's ear: what the agent says is held back until a check has passed it (`SpeechGuard`).

Events go in as the conversation makes them and come out in the same order, later. When a check fails, what is held is
thrown away, players are told to fall silent, and the fallback is said. How long what waits is decided in
`turns.hold_back`; the check is the developer's code, and nothing but the agent's words waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

from fullduplex.agents.speech_guard import SpeechGuard, Verdict
from fullduplex.errors import CallbackError, FullduplexError
from fullduplex.events import Event
from fullduplex.turns.answer_text import AnswerText, sound_of, words_of
from fullduplex.turns.hold_back import HoldBack, Kind
from fullduplex.turns.media_queue import audio_seconds
from fullduplex.turns.speech import covers
from fullduplex.types.content import Content, Part

logger = logging.getLogger(__name__)

Step = Event | Callable[[], None]


class Guard:
    """The guard of one agent's part of a run.

    `show` takes what has passed, with the time; `now` gives the conversation's time. `stop` is called when an answer is
    to be silenced (True: its sound is still to come), and `instead` with what is to be said in its place. `tell` takes
    what went wrong, `fail` what ends the run.
    """

    def __init__(
        self,
        options: SpeechGuard,
        *,
        show: Callable[[Event, float], None],
        now: Callable[[], float],
        stop: Callable[[bool], None],
        instead: Callable[[str], None],
        tell: Callable[[FullduplexError], None],
        fail: Callable[[FullduplexError], None],
    ) -> None:
        self._options = options
        self._show = show
        self._now = now
        self._stop = stop
        self._instead = instead
        self._tell = tell
        self._fail = fail
        strict_s = options.deadline_ms / 1000 if options.strict else None
        self._held: HoldBack[Step] = HoldBack(options.hold_ms / 1000, strict_s=strict_s)
        self._answer = AnswerText()
        self._number = 0
        self._turn = 0
        self._cuts = 0
        self._unchecked: dict[int, tuple[int, str]] = {}
        self._shown = ""  # of the present segment
        self._told_s = 0.0
        self._fallback = options.fallback
        self._checking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    @property
    def only_watches(self) -> bool:
        """Whether it holds nothing back: then it is given events that are shown already, by `watch`."""
        return self._options.hold_ms == 0

    @property
    def holds(self) -> bool:
        """Whether anything is held back."""
        return len(self._held) > 0

    def take(self, event: Event, now: float) -> None:
        """Takes an event of the model's. An interruption passes at once; sound that is held then is never heard."""
        if event.interrupted:
            self._cut(event, now)
            return
        self.follow(event, now)
        self._let_go(now)

    def watch(self, events: list[Event]) -> None:
        """Takes events that are shown already, for a guard that holds nothing back."""
        for event in events:
            if words_of(event):
                self._read(event)
            if event.turn_complete or event.interrupted:
                self._turn_over()
            if event.interrupted:
                self._cuts += 1
                self._unchecked.clear()

    def follow(self, event: Event, now: float) -> None:
        """Takes an event that stands behind all others, an interrupted one too, because the line is gone."""
        if (sound := sound_of(event)) is not None:
            self._held.audio(event, audio_seconds(len(sound.data or b""), sound.mime_type), now)
        elif words_of(event):
            self._read(event)
            spoken = event.output_transcription
            self._held.words(event, self._number, now, covers=covers(spoken, self._held.sent) if spoken else 0.0)
        else:
            self._held.other(event)
        if event.turn_complete:
            self._held.response_over(now)
            self._turn_over()

    def later(self, step: Step) -> None:
        """Shows an event, or does something, when all that came before has gone."""
        self._held.other(step)
        self._let_go(self._now())

    def broken_off(self, now: float) -> None:
        """No more will come of what was being said: it waits for no more words, and what comes is another answer."""
        self._held.response_over(now)
        self._turn_over()

    async def emptied(self) -> None:
        """Returns when nothing is held back any more."""
        while self._held:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        """Nobody waits any more: sound that is held is never heard, and words that were not passed are not kept."""
        if self._checking is not None:
            self._checking.cancel()
        with self._failing():
            now = self._now()
            for end in self._drop(now):
                self._show(end, now)

    # -- the check ----------------------------------------------------------------------------------------------------

    def _read(self, event: Event) -> None:
        if not self._answer.feed(event):
            return
        self._number += 1
        self._unchecked[self._turn] = self._number, self._answer.text
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check(), name="check of what is said")

    def _turn_over(self) -> None:
        self._answer.begin()
        self._turn += 1

    async def _check(self) -> None:
        """Checks the words of one turn after another, each as far as they have come."""
        while self._unchecked:
            turn = next(iter(self._unchecked))
            number, text = self._unchecked.pop(turn)
            cuts = self._cuts
            verdict = await self._verdict(text)
            if cuts != self._cuts:
                continue  # the answer was broken off meanwhile
            with self._failing():
                if verdict is None or verdict is True:
                    self._held.passed(number)
                    self._let_go(self._now())
                else:
                    self._block(verdict, to_come=turn == self._turn and not self._held.holds_audio)

    async def _verdict(self, text: str) -> Verdict:
        if any(own.startswith(text.strip()) for own in (self._fallback, self._options.fallback)):
            return True  # the developer's own words, as the model says them
        try:
            async with asyncio.timeout(self._options.deadline_ms / 1000):
                verdict = self._options.check(text)
                if inspect.isawaitable(verdict):
                    verdict = await verdict
        except Exception as error:  # the boundary of the developer's code: what cannot be checked is not said
            logger.exception("the check of a speech guard failed")
            reason = "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
            self._tell(CallbackError(f"the check of the speech guard failed: {reason}"))
            return False
        return verdict if isinstance(verdict, str) or verdict is None else bool(verdict)

    def _block(self, verdict: Verdict, *, to_come: bool) -> None:
        self._fallback = verdict if isinstance(verdict, str) else self._options.fallback
        logger.info("an answer was stopped by the speech guard")
        self._stop(to_come)
        self._tell(FullduplexError("the speech guard stopped the answer", code="speech_blocked"))
        if self._fallback:
            self._instead(self._fallback)

    # -- letting go ---------------------------------------------------------------------------------------------------

    def _let_go(self, now: float) -> None:
        for step in self._held.release(now):
            self._do(step, now)
        if self._held.unchecked_s > self._told_s:
            self._warn()
        if not self._held:
            self._emptied.set()
        elif (due := self._held.due) is not None:
            self._wake_in(max(0.0, due - now))

    def _wake_in(self, seconds: float) -> None:
        """Looks again then, if not earlier: the end of an answer lets its sound go before its deadline."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        with self._failing():
            self._let_go(self._now())

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Beside the receive loop there is nobody to whom an error could be raised."""
        try:
            yield
        except FullduplexError as error:
            self._fail(error)

    def _do(self, step: Step, now: float) -> None:
        if not isinstance(step, Event):
            step()
            return
        if words := words_of(step):
            self._shown = self._shown + words if step.partial else ""
        self._show(step, now)

    def _warn(self) -> None:
        seconds = self._held.unchecked_s - self._told_s
        self._told_s = self._held.unchecked_s
        late = f"{seconds:.2f} s of speech were let go unchecked: their words have not come"
        self._tell(FullduplexError(late, code="speech_unchecked"))

    def _cut(self, event: Event, now: float) -> None:
        """The answer is broken off. What is held and no speech goes out first, but for the ends of turns."""
        ends = self._drop(now)
        self._show(_shortened(event, self._shown) if words_of(event) else event, now)
        self._shown = ""
        for end in ends:
            self._show(end, now)

    def _drop(self, now: float) -> list[Event]:
        """Lets go of all but speech; gives the ends of turns. Of words, what was shown already is kept."""
        ends = []
        for step, kind in self._held.clear():
            if kind is Kind.AUDIO:
                continue
            if not isinstance(step, Event):
                step()
            elif kind is Kind.WORDS:
                if not step.partial and self._shown:
                    self._do(_shortened(step, self._shown), now)
            elif step.turn_complete:
                ends.append(step)
            else:
                self._show(step, now)
        self._cuts += 1
        self._unchecked.clear()
        self._held.passed(self._number)
        self._held.response_over(now)
        self._turn_over()
        self._emptied.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return ends


def _shortened(event: Event, text: str) -> Event:
    """`event` with no more words than `text`."""
    changes: dict[str, Any] = {}
    if (spoken := event.output_transcription) is not None:
        changes["output_transcription"] = spoken.model_copy(update={"text": text, "words": None, "end_offset": None})
    else:
        changes["content"] = Content(role="model", parts=[Part(text=text)]) if text else None
    return event.model_copy(update=changes)
