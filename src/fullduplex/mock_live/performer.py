"""Plays the steps of a turn as a generator: it puts messages on the stage and yields whenever time has to pass.

It never reads a clock: what it yields says how long, or for what, the session has to hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import messages, steps
from .conversation import UserTurn
from .script import Item, Turn
from .stage import Stage

_MS_A_CHARACTER = 60
_LEAST_MS = 200


@dataclass(frozen=True)
class Sleep:
    """Go on so many seconds after the last pause was over (None: never)."""

    seconds: float | None


@dataclass(frozen=True)
class Until:
    """Go on when `ready()` is true, or `timeout` seconds have passed."""

    ready: Callable[[], bool]
    timeout: float | None = None


@dataclass
class Expectation:
    """Messages of the client that the turn is waiting for."""

    kind: str
    left: int

    def take(self, kinds: set[str]) -> bool:
        """Whether a message of these kinds is one of them; it then counts."""
        if self.left <= 0 or not (self.kind == "any" or self.kind in kinds):
            return False
        self.left -= 1
        return True


Pause: TypeAlias = Sleep | Until
Play: TypeAlias = Generator[Pause, None, None]


class Performer:
    """Plays turns on a stage. `expectation` is what a `wait_for` step waits for; `answers` collects tool responses."""

    def __init__(
        self,
        stage: Stage,
        follow_up: Callable[[UserTurn], Sequence[Item]],
        go_away: Callable[[steps.GoAway], None],
    ) -> None:
        self._stage = stage
        self._follow_up = follow_up
        self._go_away = go_away
        self.expectation: Expectation | None = None
        self.awaited: set[str] = set()
        self.answers: list[dict[str, Any]] = []

    def play(self, turn: Turn, user: UserTurn) -> Play:
        """The whole turn, with its end."""
        items = turn.items(user, self._stage.conversation)
        heard = any(isinstance(item, steps.Transcript) and item.direction == "in" for item in items)
        if user.kind == "voice" and turn.auto_transcript and not heard and self._stage.config.input_transcription:
            self._send_transcript(steps.Transcript("in", user.text))
        done = yield from self._play_items(items, user)
        if self._stage.ended:
            return
        if not turn.complete:
            self._stage.forget_turn()
        elif done is None:
            self._stage.complete()

    def _play_items(self, items: Sequence[Item], user: UserTurn) -> Generator[Pause, None, str | None]:
        """Plays item by item. Returns why the turn has ended already, or None."""
        todo = list(items)
        while todo:
            item = todo.pop(0)
            if not isinstance(item, steps.Step):
                todo[:0] = item(user, self._stage.conversation)
                continue
            if isinstance(item, steps.Interrupt):
                self._stage.interrupted()
                return "interrupted"
            if isinstance(item, steps.Safety):
                self._stage.complete(item.reason)
                return "safety"
            if isinstance(item, steps.ToolCalls):
                answered = yield from self._call(item)
                if answered is not None:
                    user = answered
                    todo = todo or list(self._follow_up(user))
            else:
                yield from self._play_step(item)
            if self._stage.ended:
                return "ended"
        return None

    def _play_step(self, step: steps.Step) -> Play:
        if isinstance(step, steps.Say):
            yield from self._say(step)
        elif isinstance(step, steps.Stall):
            yield Sleep(step.seconds)
        elif isinstance(step, steps.WaitFor):
            expectation = self.expectation = Expectation(step.kind, step.count)
            yield Until(lambda: expectation.left <= 0, step.timeout)
            self.expectation = None
        else:
            self.at_once(step)

    def at_once(self, step: steps.Step) -> bool:
        """Plays a step that takes no time. False if it is not one of those."""
        stage = self._stage
        match step:
            case steps.Transcript():
                self._send_transcript(step)
            case steps.ToolCallCancellation():
                stage.cancel_calls(step.ids)
                self.awaited.difference_update(stage.cancelled)
            case steps.GoAway():
                self._go_away(step)
            case steps.Drop():
                stage.abort()
            case steps.Close() | steps.Quota():
                stage.close(step.code, step.reason)
            case steps.Malformed():
                stage.send_text(step.text)
            case steps.Raw() | steps.UnknownMessage():
                stage.send(step.message)
            case steps.Content():
                stage.send({"serverContent": step.fields})
            case steps.Usage():
                if step.now:
                    stage.send_usage(step)
                else:
                    stage.use(step)
            case steps.Grounding():
                stage.send(messages.server_content(groundingMetadata=step.metadata or _GROUNDING))
            case steps.VoiceActivity():
                stage.send(voice_activity(step))
            case steps.ResumptionUpdate():
                stage.update_resumption(step)
            case steps.Refuse():
                raise ValueError("refuse() answers a handshake and cannot be played in a turn")
            case _:
                return False
        return True

    def _say(self, step: steps.Say) -> Play:
        stage = self._stage
        if step.thought:
            stage.speak_text(step.thought, thought=True)
        words = step.chunks if step.chunks is not None else messages.pieces(step.text)
        if stage.config.modality == "TEXT":
            for word in words:
                stage.speak_text(word)
                yield from self._pace(stage.options.chunk_ms)
            return
        text = "".join(words)
        length = step.audio_ms
        if length is None:
            length = max(len(text) * _MS_A_CHARACTER, _LEAST_MS) if text else 0
        transcribe = step.transcribe and stage.config.output_transcription
        chunk = stage.options.chunk_ms
        for at in range(0, step.lead_silence_ms, chunk):
            silence = min(chunk, step.lead_silence_ms - at)
            stage.speak_silence(silence)
            yield from self._pace(silence)
        count = -(-length // chunk)
        for index in range(count):
            stage.speak_audio(min(chunk, length - index * chunk))
            # A word is transcribed with the audio in which it begins, so that no text is left over at the end.
            for word in words[-(-len(words) * index // count) : -(-len(words) * (index + 1) // count)]:
                stage.transcribe_speech(word, transcribe)
            yield from self._pace(chunk)
        if not count:
            for word in words:
                stage.transcribe_speech(word, transcribe)

    def _pace(self, duration_ms: int) -> Play:
        if self._stage.options.pace:
            yield Sleep(duration_ms / 1000 / self._stage.options.pace)

    def _call(self, step: steps.ToolCalls) -> Generator[Pause, None, UserTurn | None]:
        """Sends the calls and waits. Returns the responses as the input that the rest of the turn answers."""
        self.awaited = set(self._stage.call_tools(step.calls, step.wait))
        if not self.awaited:
            return None
        self.answers = []
        yield Until(lambda: not self.awaited)
        if not self.answers:  # all were cancelled by a pushed step
            return None
        return UserTurn("tool_response", function_responses=self.answers)

    def _send_transcript(self, step: steps.Transcript) -> None:
        field = "inputTranscription" if step.direction == "in" else "outputTranscription"
        if step.style == "interim":
            self._stage.send(messages.transcription("interimInputTranscription", step.text, step.finished))
            return
        words = step.chunks if step.chunks is not None else messages.pieces(step.text)
        if step.style == "final":
            words = ["".join(words)]
        elif step.style == "cumulative":
            words = ["".join(words[: index + 1]) for index in range(len(words))]
        finished = step.finished
        if finished is None and step.style != "never_finished":
            finished = True
        for index, word in enumerate(words):
            last = index == len(words) - 1
            message = messages.transcription(field, word, finished if last else None)
            if step.style == "late":
                self._stage.later(message)
            else:
                self._stage.send(message)


def voice_activity(step: steps.VoiceActivity) -> dict[str, Any]:
    """The voiceActivity message for a step."""
    body: dict[str, Any] = {"type": "ACTIVITY_START" if step.kind == "start" else "ACTIVITY_END"}
    if step.offset is not None:
        body["audioOffset"] = messages.duration(step.offset)
    return {"voiceActivity": body}


_GROUNDING: dict[str, Any] = {
    "webSearchQueries": ["mock query"],
    "groundingChunks": [{"web": {"uri": "https://example.com/", "title": "Example"}}],
}
