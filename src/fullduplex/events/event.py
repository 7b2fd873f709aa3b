"""What comes down from an agent: one `Event` for each thing that happened, in the order in which it happened.

Which events are kept in a session is decided in `turns.journal`; this module only says what an event is.
"""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from fullduplex import native
from fullduplex.events.actions import EventActions
from fullduplex.types.binary import Base64
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.live import (
    LiveServerGoAway,
    LiveServerSessionResumptionUpdate,
    LiveServerSetupComplete,
    LiveServerToolCallCancellation,
    Transcription,
    UsageMetadata,
    VoiceActivity,
)
from fullduplex.types.playout import Heard, TurnLatency
from fullduplex.types.struct import Message, coerce, encode_json


def _nothing() -> str:
    return ""


class _Ids:
    """Where this process takes its event ids from."""

    def __init__(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Begins a series that nobody else has."""
        drawn = uuid.uuid4()
        self.head = str(drawn)[:24]
        # Twelve digits are the rest of a UUID, and decimal ones are the quickest to write.
        self.count = itertools.count(10**11 + drawn.node % 10**10)


_ids = _Ids()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.draw)


class NodeInfo(Message):
    """Where in a workflow the event arose; empty outside one."""

    path: str = msgspec.field(default_factory=_nothing)


class Event(Message):
    """One thing that happened in a run: something said or heard, a tool called, a turn ended, an error.

    Three flags say how to read it. `partial`: more of the same text or transcript follows, and the whole comes at the
    end with `partial` false. `interrupted`: the user spoke over the agent; stop playback. `turn_complete`: the agent
    has finished its turn. `timestamp` is in seconds since the epoch.
    """

    content: Content | None = None
    partial: bool | None = None
    turn_complete: bool | None = None
    interrupted: bool | None = None
    generation_complete: bool | None = None
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    usage_metadata: UsageMetadata | None = None
    error_code: str | None = None
    error_message: str | None = None
    recoverable: bool | None = None
    finish_reason: str | None = None
    turn_complete_reason: str | None = None
    interaction_status: str | None = None
    grounding_metadata: dict[str, Any] | None = None
    live_session_resumption_update: LiveServerSessionResumptionUpdate | None = None
    live_session_id: str | None = None
    go_away: LiveServerGoAway | None = None
    setup_complete: LiveServerSetupComplete | None = None
    tool_call_cancellation: LiveServerToolCallCancellation | None = None
    voice_activity: VoiceActivity | None = None
    heard: Heard | None = None
    latency: TurnLatency | None = None
    model_version: str | None = None
    custom_metadata: dict[str, Any] | None = None
    avg_logprobs: float | None = None
    logprobs_result: dict[str, Any] | None = None
    cache_metadata: dict[str, Any] | None = None
    citation_metadata: dict[str, Any] | None = None
    interaction_id: str | None = None
    environment_id: str | None = None
    invocation_id: str = msgspec.field(default_factory=_nothing)
    author: str = msgspec.field(default_factory=_nothing)
    actions: EventActions = msgspec.field(default_factory=EventActions)
    output: Any = None
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)
    long_running_tool_ids: set[str] | None = None
    branch: str | None = None
    isolation_scope: str | None = None
    id: str = msgspec.field(default_factory=lambda: Event.new_id())
    timestamp: float = msgspec.field(default_factory=time.time)

    def __post_init__(self) -> None:
        if self.content is not None and not isinstance(self.content, Content):
            self.content = coerce(Content, self.content)
        if type(self.actions) is not EventActions:
            self.actions = coerce(EventActions, self.actions)

    @staticmethod
    def new_id() -> str:
        """A fresh event id: a UUID, its head drawn once by the process, the rest counted (ids are no secrets)."""
        return f"{_ids.head}{next(_ids.count)}"

    def _wire_text(self) -> str:
        return _voice_text(self) or super()._wire_text()

    def get_function_calls(self) -> list[FunctionCall]:
        """The tool calls in this event, in order."""
        return [part.function_call for part in self._parts() if part.function_call is not None]

    def get_function_responses(self) -> list[FunctionResponse]:
        """The tool answers in this event, in order."""
        return self.content.function_responses if self.content is not None else []

    def has_trailing_code_execution_result(self) -> bool:
        """Whether the last part is the result of code that the backend ran."""
        parts = self._parts()
        return bool(parts) and parts[-1].code_execution_result is not None

    def is_final_response(self) -> bool:
        """Whether this event ends the agent's answer to what was asked: nothing is called and nothing follows."""
        if self.actions.skip_summarization or self.long_running_tool_ids:
            return True
        return not (
            self.get_function_calls()
            or self.get_function_responses()
            or self.partial
            or self.has_trailing_code_execution_result()
        )

    def _parts(self) -> list[Any]:
        return self.content.parts or [] if self.content is not None else []


# -- a chunk of the agent's voice: twenty-five of them a second in every call


def _new_voice_event(
    author: str, invocation_id: str, id: str, timestamp: float, content: Content, branch: str | None
) -> Event:
    # Written out, because passing fields on costs as much as the event.
    return Event(author=author, invocation_id=invocation_id, id=id, timestamp=timestamp, content=content, branch=branch)


def _new_mould() -> native.Mould:
    example = Event(author="", invocation_id="", id="", timestamp=0.0)
    for number, field in enumerate(("author", "invocation_id", "id", "timestamp", "content", "branch")):
        setattr(example, field, native.Hole(number))
    return native.Mould(example)


def _text_mould() -> native.Mould:
    blob = Blob(data=bytes(6), mime_type="<mime>")
    content = Content(parts=[Part(inline_data=blob)], role="<role>")
    example = Event(author="<author>", invocation_id="<run>", id="<id>", timestamp=1024.5, content=content)
    return native.with_texts(
        example,
        encode_json(example),
        [
            (blob, "data", Base64, b"AAAAAAAA"),
            (blob, "mime_type", str, b"<mime>"),
            (content, "role", str, b"<role>"),
            (example, "invocation_id", str, b"<run>"),
            (example, "author", str, b"<author>"),
            (example, "id", str, b"<id>"),
            (example, "timestamp", float, b"1024.5"),
        ],
    )


voice_event: Callable[[str, str, str, float, Content, str | None], Event] = _new_voice_event
"""The event of a chunk of the agent's voice: author, invocation id, id, timestamp, content, branch."""
_voice_text: Callable[[Event], str | None] = lambda _: None  # noqa: E731
"""The JSON of an event that holds a chunk of the agent's voice and nothing else; None for any other."""
if native.AVAILABLE:
    voice_event, _voice_text = _new_mould().make, _text_mould().write
