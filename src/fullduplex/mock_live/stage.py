"""What the parts of a session share: its state, and the only place from which server messages go out.

Pure: outputs are collected in a list for the socket shell to send.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fullduplex.testing import tagged_audio

from . import messages
from .conversation import Conversation
from .handshake import Endpoint
from .options import MockOptions
from .records import Connection, Stats
from .script import Cursor
from .setup import SessionConfig
from .steps import FunctionCall, ResumptionUpdate, Usage

JsonDict = dict[str, Any]

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Frame:
    """A text to send as one frame."""

    data: bytes


@dataclass(frozen=True)
class CloseFrame:
    """Close the connection with this code and reason."""

    code: int
    reason: str


@dataclass(frozen=True)
class Abort:
    """Abort the TCP connection, without a close frame."""


Output = Frame | CloseFrame | Abort


@dataclass(frozen=True)
class Snapshot:
    """What a handle stands for: the conversation as it was, and whose story goes on."""

    conversation: Conversation
    cursor: Cursor | None


@dataclass
class HandleStore:
    """The resumption handles of a server, valid as long as it lives; `forget()` makes all of them unknown."""

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    issued: int = 0

    def issue(self, snapshot: Snapshot, handle: str | None = None) -> str:
        """Keeps a snapshot and returns its handle."""
        self.issued += 1
        handle = handle or f"mock-handle-{self.issued}"
        self.snapshots[handle] = snapshot
        return handle

    def forget(self) -> None:
        """No handle issued so far will be known any more."""
        self.snapshots.clear()


@dataclass
class World:
    """What all sessions of one server share."""

    options: MockOptions
    stats: Stats = field(default_factory=Stats)
    handles: HandleStore = field(default_factory=HandleStore)
    calls: int = 0


@dataclass
class PendingCall:
    """A function call that the client has not answered."""

    name: str
    blocking: bool


class Stage:
    """State of one session and its outlet. `config` is set by the setup."""

    config: SessionConfig

    def __init__(self, connection: Connection, endpoint: Endpoint, world: World, cursor: Cursor | None) -> None:
        self.connection = connection
        self.endpoint = endpoint
        self.world = world
        self.options = world.options
        self.cursor = cursor
        self.conversation = Conversation(connection.contents)
        self.outputs: list[Output] = []
        self.ended = False
        self.pending: dict[str, PendingCall] = {}
        self.cancelled: set[str] = set()
        self.consumed = 0
        self._next_number = (connection.number - 1) * world.options.tag_stride
        self._said: list[str] = []
        self._spoken_ms = 0
        self._transcript_open = False
        self._usage: Usage | None = None
        self._late: list[JsonDict] = []

    # -- going out ---------------------------------------------------------------------------------------------------

    def send(self, message: JsonDict) -> None:
        """Queues one server message."""
        if self.ended:
            return
        self.world.stats.messages_out += 1
        if self.options.keep_log:
            self.connection.sent.append(message)
        self.outputs.append(Frame(_encode(message)))

    def send_text(self, text: str) -> None:
        """Queues a frame as it stands."""
        if self.ended:
            return
        self.world.stats.messages_out += 1
        if self.options.keep_log:
            self.connection.sent.append(text)
        self.outputs.append(Frame(text.encode()))

    def close(self, code: int, reason: str) -> None:
        """Ends the session with a close frame; the reason is cut to the 123 bytes that fit."""
        if not self.ended:
            self.ended = True
            self.outputs.append(CloseFrame(code, reason.encode()[:123].decode(errors="ignore")))

    def abort(self) -> None:
        """Ends the session with no close frame."""
        if not self.ended:
            self.ended = True
            self.outputs.append(Abort())

    def later(self, message: JsonDict) -> None:
        """Queues a message behind the turn's turnComplete."""
        self._late.append(message)

    # -- what a turn says --------------------------------------------------------------------------------------------

    def speak_text(self, text: str, thought: bool = False) -> None:
        """A text part of the model."""
        if not thought:
            self._said.append(text)
        self.send(messages.text_part(text, thought))

    def speak_audio(self, duration_ms: int) -> None:
        """A piece of tagged audio, numbered on from the last."""
        pcm = tagged_audio.encode_ms(self._next_number, duration_ms, self.options.output_rate)
        self._next_number += math.ceil(duration_ms / tagged_audio.SLICE_MS)
        self._send_audio(pcm, duration_ms)

    def speak_silence(self, duration_ms: int) -> None:
        """A piece of digital silence, which has no numbers."""
        self._send_audio(bytes(2 * (self.options.output_rate * duration_ms // 1000)), duration_ms)

    def _send_audio(self, pcm: bytes, duration_ms: int) -> None:
        self._spoken_ms += duration_ms
        self.world.stats.audio_bytes_out += len(pcm)
        self.send(messages.audio_part(pcm, self.options.output_rate))

    def transcribe_speech(self, text: str, wanted: bool) -> None:
        """A piece of what the audio says: remembered, and sent as a transcription if that is wanted."""
        self._said.append(text)
        if wanted:
            self._transcript_open = True
            self.send(messages.transcription("outputTranscription", text))

    def use(self, usage: Usage) -> None:
        """These token counts shall ride on the turn's end instead of the mock's own."""
        self._usage = usage

    # -- calls -------------------------------------------------------------------------------------------------------

    def call_tools(self, calls: list[FunctionCall], wait: bool | None) -> list[str]:
        """Sends one toolCall message. Returns the ids of the calls that the turn has to wait for."""
        self._finish_transcript()
        sent: list[JsonDict] = []
        awaited: list[str] = []
        for call in calls:
            self.world.calls += 1
            call_id = call.id or f"fc-{self.world.calls}"
            blocking = call.name not in self.config.non_blocking if wait is None else wait
            self.pending[call_id] = PendingCall(call.name, blocking)
            sent.append({"id": call_id, "name": call.name, "args": call.args})
            if blocking:
                awaited.append(call_id)
        self._remember()
        self.conversation.add("model", *({"functionCall": call} for call in sent))
        self.send({"toolCall": {"functionCalls": sent}})
        if self.config.call_ends_turn and awaited:
            self.send(messages.server_content(turnComplete=True))
        return awaited

    def cancel_calls(self, ids: list[str] | None = None) -> None:
        """Sends toolCallCancellation for these calls (default: all that block the turn and are pending)."""
        if ids is None:
            ids = [call_id for call_id, pending in self.pending.items() if pending.blocking]
        for call_id in ids:
            self.pending.pop(call_id, None)
            self.cancelled.add(call_id)
        if ids:
            self.send({"toolCallCancellation": {"ids": ids}})

    # -- ends of turns -----------------------------------------------------------------------------------------------

    def complete(self, reason: str | None = None) -> None:
        """generationComplete (unless the turn has no content, for `reason`), turnComplete with usage, a new handle."""
        self._finish_transcript()
        if reason is None:
            self.send(messages.server_content(generationComplete=True))
        self._turn_complete(reason)

    def interrupted(self) -> None:
        """toolCallCancellation if calls are pending, interrupted, turnComplete, a new handle."""
        self.world.stats.interruptions += 1
        self.cancel_calls()
        self._transcript_open = False
        self.send(messages.server_content(interrupted=True))
        self._turn_complete(None)

    def forget_turn(self) -> None:
        """The turn ends with no message; what it said stays in the conversation."""
        self._remember()
        self._transcript_open = False
        self._usage = None

    def send_usage(self, usage: Usage) -> None:
        """usageMetadata in a message of its own."""
        self.send({"usageMetadata": messages.usage_metadata(usage, self.endpoint.backend, self.config.modality)})

    def update_resumption(self, step: ResumptionUpdate | None = None) -> None:
        """sessionResumptionUpdate: a handle on the conversation as it stands now, or that there is none."""
        step = step or ResumptionUpdate()
        if not step.resumable:
            self.send({"sessionResumptionUpdate": {"resumable": False}})
            return
        handle = self.world.handles.issue(Snapshot(self.conversation.copy(), self.cursor), step.handle)
        self.connection.handles.append(handle)
        update: JsonDict = {"newHandle": handle, "resumable": True}
        if self.config.transparent:
            update["lastConsumedClientMessageIndex"] = str(self.consumed)
        self.send({"sessionResumptionUpdate": update})

    def _turn_complete(self, reason: str | None) -> None:
        self._remember()
        self.world.stats.turns += 1
        message = messages.server_content(turnComplete=True)
        if reason is not None:
            message["serverContent"]["turnCompleteReason"] = reason
        if self.options.usage:
            usage = self._usage or self._count()
            message["usageMetadata"] = messages.usage_metadata(usage, self.endpoint.backend, self.config.modality)
        self._usage = None
        self._spoken_ms = 0
        self.send(message)
        for late in self._late:
            self.send(late)
        self._late.clear()
        if self.config.resumption and self.options.resumption_updates != "never":
            self.update_resumption()

    def _finish_transcript(self) -> None:
        if self._transcript_open and self.options.finished_transcripts:
            self.send(messages.transcription("outputTranscription", None, finished=True))
        self._transcript_open = False

    def _remember(self) -> None:
        if text := "".join(self._said):
            self.conversation.add("model", {"text": text})
        self._said.clear()

    def _count(self) -> Usage:
        """Token counts by a fixed rule: four characters a token, 25 tokens a second of audio."""
        prompt = math.ceil(sum(map(len, self._prompt_texts())) / 4) + math.ceil(self.connection.audio_seconds * 25)
        last = self.conversation.texts("model")[-1:]
        words = math.ceil(len("".join(last)) / 4)
        return Usage(prompt, math.ceil(self._spoken_ms / 40) if self._spoken_ms else words)

    def _prompt_texts(self) -> Iterator[str]:
        yield self.conversation.system_instruction
        yield from self.conversation.texts("user")
