"""What a turn of a script is made of: one small struct for each thing the mock can do, and a short name for each.

Steps are data only; `performer.py` plays them. The structs are tagged by `type`, so a JSON script names them:
`{"type": "say", "text": "Hello", "audio_ms": 400}`. Times are seconds unless the name ends in `_ms`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Kind = Literal[
    "setup",
    "clientContent",
    "audio",
    "video",
    "mediaChunks",
    "text",
    "activityStart",
    "activityEnd",
    "audioStreamEnd",
    "toolResponse",
    "contextUpdate",
    "invalid",
]
"""What a message of the client is, as `Connection.messages` and `wait_for` call it. `audio` covers media chunks too."""


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all steps."""


class Say(_Step, frozen=True, tag="say"):
    """The model speaks `text`.

    In a TEXT session: text parts, a word or so in each (or `chunks`, given piece by piece). In an AUDIO session: tagged
    audio of `audio_ms` milliseconds (default: 60 ms a character, at least 200) with the text as output transcription
    spread over it, when the setup asked for that; before it, `lead_silence_ms` of silence. `thought` is sent first as a
    thought part.
    """

    text: str = ""
    audio_ms: int | None = None
    thought: str | None = None
    chunks: list[str] | None = None
    transcribe: bool = True
    lead_silence_ms: int = 0


class Transcript(_Step, frozen=True, tag="transcript"):
    """Transcription of the user (`in`) or the model (`out`), sent as it stands, whether setup asked for it or not.

    `style`: `delta` pieces and the last one finished; `cumulative` each message holds all so far; `final` one finished
    message; `late` sent after the turn's turnComplete; `never_finished` pieces without a finished one; `interim` an
    interimInputTranscription. `finished` overrides what the style says of the last piece.
    """

    direction: Literal["in", "out"]
    text: str
    finished: bool | None = None
    style: Literal["delta", "cumulative", "final", "late", "never_finished", "interim"] = "delta"
    chunks: list[str] | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    """One function call. Without an `id` the mock makes one (`fc-1`, …)."""

    name: str
    args: dict[str, Any] = {}
    id: str | None = None


class ToolCalls(_Step, frozen=True, tag="tool_call"):
    """One toolCall message. Then waits for the response to every blocking call in it, unless `wait` is False.

    A call is non-blocking when its declaration in the setup has `behavior: NON_BLOCKING`. Models of the 2.x line send
    turnComplete after the call, those of 3.x do not.
    """

    calls: list[FunctionCall]
    wait: bool | None = None


class ToolCallCancellation(_Step, frozen=True, tag="tool_call_cancellation"):
    """Cancels the pending calls with these ids (default: all that are pending)."""

    ids: list[str] | None = None


class Interrupt(_Step, frozen=True, tag="interrupt"):
    """The turn ends as if the user had spoken over it: cancellation of pending calls, interrupted, turnComplete."""


class GoAway(_Step, frozen=True, tag="go_away"):
    """goAway with `time_left` seconds, and the close that follows when they are over (`close_code` None: no close)."""

    time_left: float = 10.0
    close_code: int | None = 1000
    reason: str = "The session reached its time limit."


class Drop(_Step, frozen=True, tag="drop"):
    """The TCP connection is aborted, with no close frame."""


class Close(_Step, frozen=True, tag="close"):
    """A close frame with this code and reason (1006 cannot be sent: use Drop)."""

    code: int = 1000
    reason: str = ""


class Stall(_Step, frozen=True, tag="stall"):
    """Nothing of the turn for so many seconds (None: for good), even when the mock runs flat out."""

    seconds: float | None = None


class Malformed(_Step, frozen=True, tag="malformed"):
    """A text frame that is sent as it stands."""

    text: str = '{"serverContent": {"modelTurn"'


class Raw(_Step, frozen=True, tag="raw"):
    """Any server message, sent as it stands."""

    message: dict[str, Any]


class Content(_Step, frozen=True, tag="content"):
    """A serverContent message with these fields, sent as it stands (a shorthand for Raw)."""

    fields: dict[str, Any]


class Quota(_Step, frozen=True, tag="quota"):
    """The connection is closed for want of quota: after the setup when it opens a script's turn, else at once."""

    code: int = 1011
    reason: str = "RESOURCE_EXHAUSTED: You exceeded your current quota, please check your plan and billing details."


class Refuse(_Step, frozen=True, tag="refuse"):
    """The next WebSocket handshake is answered with this HTTP status. Stands alone in its turn."""

    status: int = 503
    body: str = "The service is currently unavailable.\n"


class UnknownMessage(_Step, frozen=True, tag="unknown_message"):
    """A server message of a kind that no client of today knows."""

    message: dict[str, Any] = msgspec.field(default_factory=lambda: {"futureMessage": {"value": 1}})


class Usage(_Step, frozen=True, tag="usage"):
    """Token counts of this turn instead of the mock's own; `now` sends them at once in a message of their own."""

    prompt: int = 0
    response: int = 0
    thoughts: int | None = None
    cached: int | None = None
    tool_use: int | None = None
    now: bool = False


class Grounding(_Step, frozen=True, tag="grounding"):
    """groundingMetadata in a serverContent of its own (default: one web chunk and one query)."""

    metadata: dict[str, Any] | None = None


class VoiceActivity(_Step, frozen=True, tag="voice_activity"):
    """A voiceActivity message, `start` or `end`, `offset` seconds into the user's audio."""

    kind: Literal["start", "end"]
    offset: float | None = None


class Safety(_Step, frozen=True, tag="safety"):
    """The turn ends without content, with this turnCompleteReason."""

    reason: str = "PROHIBITED_INPUT_CONTENT"


class WaitFor(_Step, frozen=True, tag="wait_for"):
    """The turn goes on when `count` more messages of this kind have come (or after `timeout` seconds).

    What is waited for neither interrupts this turn nor starts another.
    """

    kind: Kind | Literal["any"]
    count: int = 1
    timeout: float | None = None


class ResumptionUpdate(_Step, frozen=True, tag="resumption_update"):
    """A sessionResumptionUpdate now: a new handle on the conversation as it stands, or `resumable: false`."""

    resumable: bool = True
    handle: str | None = None


Step: TypeAlias = (
    Say
    | Transcript
    | ToolCalls
    | ToolCallCancellation
    | Interrupt
    | GoAway
    | Drop
    | Close
    | Stall
    | Malformed
    | Raw
    | Content
    | Quota
    | Refuse
    | UnknownMessage
    | Usage
    | Grounding
    | VoiceActivity
    | Safety
    | WaitFor
    | ResumptionUpdate
)
"""Any step, as the JSON form of a script has them."""

say = Say
transcript = Transcript
tool_calls = ToolCalls
tool_call_cancellation = ToolCallCancellation
interrupt = Interrupt
go_away = GoAway
drop = Drop
close = Close
stall = Stall
malformed = Malformed
raw = Raw
content = Content
quota = Quota
refuse = Refuse
unknown_message = UnknownMessage
usage = Usage
grounding = Grounding
voice_activity = VoiceActivity
safety = Safety
wait_for = WaitFor
resumption_update = ResumptionUpdate
call = FunctionCall


def tool_call(
    name: str, args: dict[str, Any] | None = None, id: str | None = None, wait: bool | None = None
) -> ToolCalls:
    """A toolCall message with one function call; for several in one message use `tool_calls([call(…), call(…)])`."""
    return ToolCalls([FunctionCall(name, args or {}, id)], wait)
