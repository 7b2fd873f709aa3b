"""Messages of the BidiGenerateContent wire, written and read. No sockets.

Upward everything is camelCase and bytes are URL-safe base64. Downward one decode gives a `LiveServerMessage`; what is
unknown is logged once and skipped, so that a new field or message of the backend never ends a call.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from fullduplex.errors import InvalidInput
from fullduplex.models.gemini.capabilities import Capabilities
from fullduplex.models.gemini.chunks import ChunkReader
from fullduplex.models.gemini.failures import from_payload
from fullduplex.models.gemini.setup import Backend
from fullduplex.types.content import Blob, Content, FunctionResponse
from fullduplex.types.live import (
    ActivityStart,
    AudioStreamEnd,
    LiveServerMessage,
    Signal,
    UsageMetadata,
)
from fullduplex.types.struct import decoder, encode_json

_log = logging.getLogger(__name__)

_MIME_TYPES_REMEMBERED = 32
_KINDS_REMEMBERED = 64

_ACTIVITY_START = b'{"realtimeInput":{"activityStart":{}}}'
_ACTIVITY_END = b'{"realtimeInput":{"activityEnd":{}}}'
_STREAM_END = b'{"realtimeInput":{"audioStreamEnd":true}}'
ANSWER_THE_HISTORY = b'{"realtimeInput":{"text":"."}}'
"""Asks a model that does not answer a replayed history by itself to do so."""


@functools.lru_cache(maxsize=_MIME_TYPES_REMEMBERED)
def _frame_for(mime_type: str | None, typed_media: bool) -> tuple[bytes, bytes] | None:
    """What stands before and behind the base64 of such media; None for what is neither audio nor video: the backend
    would hang up on it."""
    if not mime_type:
        raise InvalidInput("a blob without a mime type", code="invalid_blob", field="blob.mimeType")
    mime = msgspec.json.encode(mime_type)
    kind = mime_type.split("/", 1)[0].lower()
    if kind not in ("audio", "image", "video"):
        return None
    if not typed_media:
        return b'{"realtimeInput":{"mediaChunks":[{"mimeType":' + mime + b',"data":"', b'"}]}}'
    if kind == "audio":
        return b'{"realtimeInput":{"audio":{"mimeType":' + mime + b',"data":"', b'"}}}'
    return b'{"realtimeInput":{"video":{"mimeType":' + mime + b',"data":"', b'"}}}'


class Encoder:
    """Writes what goes up to one model on one backend. Raises `InvalidInput` for what cannot be expressed."""

    __slots__ = ("_backend", "_capabilities", "_once")

    def __init__(self, capabilities: Capabilities, backend: Backend) -> None:
        self._capabilities = capabilities
        self._backend = backend
        self._once = Once()

    def realtime(self, blob: Blob) -> tuple[bytes, bytes, bytes] | None:
        """A piece of audio or video: what stands before its base64, itself, and what stands behind. None when there is
        nothing to send, or when models do not take its kind.

        This is the busiest path upward: start and end are prepared, and the socket puts the message together in place.
        """
        data = blob.data
        if data is None:
            raise InvalidInput("a blob without data", code="invalid_blob", field="blob.data")
        frame = _frame_for(blob.mime_type, self._capabilities.typed_media)
        if frame is None and self._once.first(blob.mime_type or ""):
            _log.warning("live input of type %s is neither audio nor video: not sent", blob.mime_type)
        if frame is None or not data:
            return None
        return frame[0], data, frame[1]

    def content(self, content: Content, *, turn_complete: bool) -> bytes:
        """A turn, or context for one: as live text where the model wants typed text so, else as client content."""
        parts = content.parts or []
        if not parts:
            raise InvalidInput("content without parts", code="invalid_content", field="content.parts")
        if any(part.function_call is not None for part in parts):
            raise InvalidInput(
                "User message cannot contain function calls.",
                code="invalid_content",
                field="content.parts.functionCall",
            )
        if all(part.function_response is not None for part in parts):
            return self.tool_response([part.function_response for part in parts if part.function_response is not None])
        only = parts[0].text if len(parts) == 1 else None
        if only is not None and turn_complete and self._capabilities.realtime_text and content.role != "model":
            return b'{"realtimeInput":{"text":' + msgspec.json.encode(only) + b"}}"
        return self.turns([content], turn_complete=turn_complete)

    def history(self, contents: list[Content], *, turn_complete: bool) -> list[bytes]:
        """The conversation so far; with `turn_complete` the model is to answer its last turn."""
        messages = [self.turns(contents, turn_complete=turn_complete)]
        if turn_complete and self._capabilities.asks_for_history:
            messages.append(ANSWER_THE_HISTORY)
        return messages

    def turns(self, contents: list[Content], *, turn_complete: bool) -> bytes:
        """A `clientContent` message."""
        # The role is written out: a class whose default it is would leave it out of its JSON.
        turns = [{"role": content.role or "user", "parts": content.parts or []} for content in contents]
        return _json({"clientContent": {"turns": turns, "turnComplete": turn_complete}}, "content")

    def signal(self, signal: Signal) -> bytes:
        """Start or end of the user's activity, or the end of the audio stream."""
        if isinstance(signal, AudioStreamEnd):
            return _STREAM_END
        return _ACTIVITY_START if isinstance(signal, ActivityStart) else _ACTIVITY_END

    def tool_response(self, responses: list[FunctionResponse]) -> bytes:
        """Answers to tool calls. The Gemini API matches them by id, so each must have one."""
        if not responses:
            raise InvalidInput("a tool response without answers", code="invalid_content", field="functionResponses")
        if self._backend == "gemini" and any(not response.id for response in responses):
            raise InvalidInput(
                "A function response needs the id of its call.", code="invalid_content", field="functionResponse.id"
            )
        if self._backend == "vertex":  # which does not know the field: there any call may be answered again
            responses = [response.model_copy(update={"will_continue": None}) for response in responses]
        return _json({"toolResponse": {"functionResponses": responses}}, "functionResponse.response")


def _json(message: dict[str, Any], field: str) -> bytes:
    try:
        return encode_json(message)
    except (NotImplementedError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"not expressible in JSON: {error}", code="not_json", field=field) from None


class Once:
    """Tells whether a thing is met for the first time, remembering a bounded number of things."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def first(self, thing: str) -> bool:
        """True the first time; when too many things have been met, False for new ones too."""
        if thing in self._met or len(self._met) >= _KINDS_REMEMBERED:
            return False
        self._met.add(thing)
        return True


_DECODER = decoder(LiveServerMessage)
_EMPTY = LiveServerMessage()


class Decoder:
    """Reads what one connection sends. `warn` is a logger's method; it is told once of each unknown kind."""

    __slots__ = ("_once", "_warn", "chunks")

    def __init__(self, warn: Callable[..., None] = _log.warning) -> None:
        self._warn = warn
        self._once = Once()
        self.chunks = ChunkReader()
        """Reads another message of audio, if it is written like those before; None for all others: `read` those."""

    def read(self, raw: bytes) -> LiveServerMessage | None:
        """One message; None for one that nobody can read. Raises `ModelError` for an error message."""
        try:
            message = _DECODER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            return self._read_in_parts(raw, error)
        if message == _EMPTY:
            return self._read_unknown(raw)
        self.chunks.learn(raw, message)
        if message.usage_metadata is not None:
            _unify(message.usage_metadata)
        if message.voice_activity is not None and message.voice_activity.voice_activity_type is None:
            # On the wire it is called `type`.
            activity = _mapping(_mapping(msgspec.json.decode(raw)).get("voiceActivity"))
            message.voice_activity.voice_activity_type = activity.get("type")
        return message

    def _read_unknown(self, raw: bytes) -> LiveServerMessage | None:
        payload = _mapping(msgspec.json.decode(raw))
        if "error" in payload or ("code" in payload and "message" in payload):
            raise from_payload(payload)
        for kind in payload or {"{}": None}:
            if kind not in _KNOWN and self._once.first(kind):
                self._warn("unknown message from the model, skipped: %s", kind[:80])
        # Known kinds are all null then: nothing was said.
        return None

    def _read_in_parts(self, raw: bytes, error: Exception) -> LiveServerMessage | None:
        """A message of which something has an unexpected form: what can be read of it."""
        try:
            payload = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
            self._warn("a message of %d bytes from the model is no JSON, skipped: %s", len(raw), error)
            return None
        if not isinstance(payload, dict):
            self._warn("a message from the model is no JSON object, skipped")
            return None
        kept: dict[str, Any] = {kind: value for kind, value in payload.items() if self._readable(kind, value)}
        content = payload.get("serverContent")
        if "serverContent" not in kept and isinstance(content, dict):
            kept["serverContent"] = {
                name: value for name, value in content.items() if self._readable(f"serverContent.{name}", value)
            }
        return self.read(msgspec.json.encode(kept)) if kept else None

    def _readable(self, path: str, value: Any) -> bool:
        message: Any = value
        for name in reversed(path.split(".")):
            message = {name: message}
        try:
            _DECODER.decode(msgspec.json.encode(message))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            if self._once.first(f"form of {path}"):
                self._warn("%s from the model has an unexpected form, skipped: %s", path, error)
            return False
        return True


_KNOWN = frozenset(LiveServerMessage.__struct_encode_fields__)


def _unify(usage: UsageMetadata) -> None:
    """The Gemini API counts a response's tokens, Vertex AI a candidate's: the same thing, so both names have it."""
    if usage.candidates_token_count is None:
        usage.candidates_token_count = usage.response_token_count
    elif usage.response_token_count is None:
        usage.response_token_count = usage.candidates_token_count
    if usage.candidates_tokens_details is None:
        usage.candidates_tokens_details = usage.response_tokens_details
    elif usage.response_tokens_details is None:
        usage.response_tokens_details = usage.candidates_tokens_details


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
