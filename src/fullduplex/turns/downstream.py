"""Turns a backend's messages into events, in the order in which ADK's apps expect them.

One `Downstream` serves one agent's part of a run. It keeps what is unfinished: text that was streamed and not yet
merged, and the transcripts of both sides. It is fed one message at a time and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fullduplex.events import Event, EventActions
from fullduplex.events.event import voice_event
from fullduplex.turns.transcripts import Transcript
from fullduplex.types.content import Content, FunctionCall, Part
from fullduplex.types.live import LiveServerContent, LiveServerMessage, Transcription, UsageMetadata, VoiceActivity

_VAD_SIGNALS = {"VAD_SIGNAL_TYPE_SOS": "ACTIVITY_START", "VAD_SIGNAL_TYPE_EOS": "ACTIVITY_END"}


class Downstream:
    """Messages in, events out, for the agent `author` in the run `invocation_id`.

    `new_id` makes event ids; `long_running` holds the names of tools whose calls outlive their first answer. `branch`
    is where in a parallel workflow the agent stands; what the user says is on no branch, and is told only while `hears`
    says so.
    """

    __slots__ = (
        "_author",
        "_branch",
        "_grounding",
        "_hears",
        "_input",
        "_invocation_id",
        "_long_running",
        "_new_id",
        "_now",
        "_output",
        "_text",
        "_thought",
        "in_turn",
    )

    def __init__(
        self,
        *,
        author: str,
        invocation_id: str,
        new_id: Callable[[], str],
        long_running: frozenset[str] = frozenset(),
        branch: str | None = None,
        hears: Callable[[], bool] = lambda: True,
    ) -> None:
        self._author = author
        self._invocation_id = invocation_id
        self._new_id = new_id
        self._long_running = long_running
        self._branch = branch
        self._hears = hears
        self._text = ""
        self._thought: bool | None = None
        self._input = Transcript()
        self._output = Transcript()
        self._grounding: dict[str, Any] | None = None
        self._now = 0.0
        self.in_turn = False
        """Whether the model speaks, or has called a tool and goes on afterwards."""

    def feed(self, message: LiveServerMessage, now: float) -> list[Event]:
        """The events of `message`, which came at `now` (seconds since the epoch)."""
        self._now = max(now, self._now)
        events: list[Event] = []
        if message.usage_metadata is not None:
            events.append(self.event(usage_metadata=_usage(message.usage_metadata)))
        if message.setup_complete is not None:
            setup = message.setup_complete
            events.append(self.event(setup_complete=setup, live_session_id=setup.session_id))
        if message.server_content is not None:
            self._server_content(message.server_content, events)
        if message.tool_call is not None and message.tool_call.function_calls:
            self.in_turn = True
            events.extend(self._merged())
            events.append(self._tool_call(message.tool_call.function_calls))
        if message.tool_call_cancellation is not None:
            events.append(self.event(tool_call_cancellation=message.tool_call_cancellation))
        if message.session_resumption_update is not None:
            events.append(self.event(live_session_resumption_update=message.session_resumption_update))
        if message.voice_activity is not None:
            events.append(self.event(voice_activity=message.voice_activity))
        elif message.voice_activity_detection_signal is not None:
            kind = message.voice_activity_detection_signal.vad_signal_type or ""
            activity = VoiceActivity(voice_activity_type=_VAD_SIGNALS.get(kind, kind))
            events.append(self.event(voice_activity=activity))
        if message.go_away is not None:
            events.append(self.event(go_away=message.go_away))
        return events

    def go_on(self, said: Content, now: float) -> Event | None:
        """The event of another chunk of the voice that speaks already; None when that is not all: `feed` it then."""
        if not self.in_turn or self._text:
            return None
        if said.role != "model":
            if said.role:
                return None
            said = Content(parts=said.parts, role="model")
        if now > self._now:
            self._now = now
        return voice_event(self._author, self._invocation_id, self._new_id(), self._now, said, self._branch)

    def finish(self, now: float) -> list[Event]:
        """What the end of a connection or of the run leaves unsaid: unfinished transcripts and unmerged text."""
        self._now = max(now, self._now)
        self.in_turn = False
        return [*self._transcripts_end(), *self._merged(interrupted=True)]

    def finish_input(self, now: float) -> list[Event]:
        """The user's words so far as a finished transcript, if any are unfinished: the model answers them already."""
        self._now = max(now, self._now)
        return [self._transcription_event(self._input, *piece) for piece in self._input.flush()]

    def forget_input(self) -> None:
        """What the user was saying will be heard again from its beginning: what was shown of it is not shown twice."""
        self._input.begin_again()

    def event(self, *, now: float = 0.0, author: str | None = None, **fields: Any) -> Event:
        """An event of this agent, stamped with an id and the latest time known: `now`, or that of the last message."""
        self._now = max(now, self._now)
        return Event(
            author=author or self._author,
            invocation_id=self._invocation_id,
            id=self._new_id(),
            timestamp=self._now,
            branch=self._branch if author != "user" else None,
            **fields,
        )

    def _server_content(self, content: LiveServerContent, events: list[Event]) -> None:
        if content.grounding_metadata is not None:
            self._grounding = content.grounding_metadata
        spoken = content.model_turn is not None and bool(content.model_turn.parts)
        if content.model_turn is not None:
            self.in_turn = self.in_turn or spoken
            self._model_turn(content.model_turn, events)
        if content.input_transcription is not None and self._hears():
            events.extend(self._transcript(self._input, content.input_transcription))
        if content.output_transcription is not None:
            events.extend(self._transcript(self._output, content.output_transcription))
        if content.generation_complete or content.interrupted or content.turn_complete:
            events.extend(self._transcripts_end())
        if content.generation_complete:
            events.append(self.event(generation_complete=True))
        if content.turn_complete or content.interrupted:
            self.in_turn = False
        if content.turn_complete:
            events.extend(self._turn_complete(content))
        elif content.interrupted:
            events.extend(self._merged(interrupted=True) or [self.event(interrupted=True)])
        elif self._grounding is not None and not spoken and not self._text:
            events.append(self.event(grounding_metadata=self._take_grounding()))

    def _turn_complete(self, content: LiveServerContent) -> list[Event]:
        merged = self._merged(interrupted=bool(content.interrupted))
        ended = self.event(
            turn_complete=True,
            interrupted=content.interrupted,
            grounding_metadata=self._take_grounding(),
            turn_complete_reason=content.turn_complete_reason,
            interaction_status=content.interaction_status,
        )
        return [*merged, ended]

    def _model_turn(self, turn: Content, events: list[Event]) -> None:
        role = turn.role or "model"
        parts = turn.parts or ()
        for part in parts:
            said = turn if len(parts) == 1 and turn.role else Content(parts=[part], role=role)
            if part.text is None:
                # Text that is followed by something else is whole.
                if self._text:
                    events.extend(self._merged())
                events.append(self.event(content=said, author="user" if role == "user" else None))
            elif part.text:
                thought = part.thought or None
                if self._text and thought != self._thought:
                    events.extend(self._merged())
                self._thought = thought
                self._text += part.text
                events.append(self.event(content=said, partial=True))

    def _merged(self, interrupted: bool = False) -> list[Event]:
        """The streamed text as one event that is not partial, if there is any."""
        text, self._text = self._text, ""
        if not text:
            return []
        content = Content(parts=[Part(text=text, thought=self._thought)], role="model")
        grounding = self._take_grounding()
        return [self.event(content=content, partial=False, interrupted=interrupted, grounding_metadata=grounding)]

    def _transcript(self, side: Transcript, piece: Transcription) -> Iterator[Event]:
        for transcription, finished in side.feed(piece):
            yield self._transcription_event(side, transcription, finished)

    def _transcripts_end(self) -> Iterator[Event]:
        for side in (self._input, self._output):
            for transcription, finished in side.flush():
                yield self._transcription_event(side, transcription, finished)

    def _transcription_event(self, side: Transcript, transcription: Transcription, finished: bool) -> Event:
        if side is self._input:
            return self.event(input_transcription=transcription, partial=not finished, author="user")
        return self.event(output_transcription=transcription, partial=not finished)

    def _tool_call(self, calls: list[FunctionCall]) -> Event:
        for call in calls:
            if not call.id:
                call.id = f"adk-{self._new_id()}"
        return self.event(
            content=Content(parts=[Part(function_call=call) for call in calls], role="model"),
            long_running_tool_ids={call.id for call in calls if call.id and call.name in self._long_running},
            actions=EventActions(),
        )

    def _take_grounding(self) -> dict[str, Any] | None:
        grounding, self._grounding = self._grounding, None
        return grounding


def _usage(usage: UsageMetadata) -> UsageMetadata:
    """With the names that events use: what a live backend calls response tokens are candidates' tokens."""
    candidates, details = usage.candidates_token_count, usage.candidates_tokens_details
    return usage.model_copy(
        update={
            "candidates_token_count": usage.response_token_count if candidates is None else candidates,
            "candidates_tokens_details": usage.response_tokens_details if details is None else details,
            "response_token_count": None,
            "response_tokens_details": None,
        }
    )
