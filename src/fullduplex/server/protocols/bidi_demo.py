"""`WS /ws/{user_id}/{session_id}`: binary PCM and JSON messages up, every Event down as JSON.

Query: `proactivity`, `affective_dialog` (bool, native audio models); ours: `modality` (`AUDIO` or `TEXT`), `vad`
(`off`: the client says when the user speaks), `downlink` (`binary`: media comes down as it is, not as base64). Ours
too: what a client tells of its player, the clocks, and `interrupt`.
A frame that cannot be understood is answered with an error message, and the session lives on.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, WebSocket

from fullduplex.errors import InvalidInput
from fullduplex.events import Event
from fullduplex.requests import LiveRequestQueue
from fullduplex.server.call import Call, Host
from fullduplex.server.run_config import live_run_config, model_name
from fullduplex.turns.media_queue import Limits, audio_seconds
from fullduplex.types.binary import decode_base64
from fullduplex.types.config import Modality
from fullduplex.types.content import Blob, Content, FunctionResponse, Part
from fullduplex.types.playout import TurnTimes
from fullduplex.types.struct import encode_json

PCM = "audio/pcm;rate=16000"
JPEG = "image/jpeg"

_END_OF_TIME = 1e15
_LONGEST_AUDIO_S = Limits().max_audio_s


def router(host: Host) -> APIRouter:
    """The routes of this protocol."""
    routes = APIRouter()

    @routes.websocket("/ws/{user_id}/{session_id}")
    async def talk(
        websocket: WebSocket,
        user_id: str,
        session_id: str,
        proactivity: bool = False,
        affective_dialog: bool = False,
        modality: Modality | None = None,
        vad: Literal["server", "off"] = "server",
        downlink: Literal["json", "binary"] = "json",
    ) -> None:
        await websocket.accept()
        run_config = live_run_config(
            model_name(host.runner.agent),
            modality=modality,
            proactivity=proactivity,
            affective_dialog=affective_dialog,
            vad=vad,
        )
        wire = BidiDemo(host.settings.max_message_bytes, binary_down=downlink == "binary")
        await Call(host, websocket, wire, user_id=user_id, session_id=session_id, run_config=run_config).run()

    return routes


class BidiDemo:
    """Reads the messages of this protocol and writes its events; `binary_down` is what `downlink` asked for."""

    survives_bad_frames = True

    def __init__(self, max_message_bytes: int, *, binary_down: bool = False) -> None:
        self._max_message_bytes = max_message_bytes
        self._binary_down = binary_down

    def write(self, event: Event) -> str | list[str | bytes]:
        """Every event, whole; with `binary_down` the bytes of its media follow it."""
        media: list[bytes] = []
        if self._binary_down:
            event, media = _media_apart(event)
        text = event.model_dump_json(exclude_none=True, by_alias=True)
        return [text, *media] if media else text

    def read(self, frame: str | bytes, queue: LiveRequestQueue) -> str | None:
        """See `WireProtocol`. The answer is the one to a `clock` message."""
        if not isinstance(frame, str):
            if frame:
                queue.send_realtime(audio_blob(frame, PCM))
            return None
        message = read_object(frame, self._max_message_bytes)
        match message.get("type"):
            case "text":
                text = required(message, "text")
                queue.send_content(Content(role="user", parts=[Part(text=text)]))
            case "image":
                mime = mime_type(message, JPEG)
                if not mime.startswith("image/"):
                    raise unsupported(mime)
                queue.send_realtime(Blob(data=media(message), mime_type=mime))
            case "audio":
                mime = mime_type(message, PCM)
                queue.send_realtime(audio_blob(media(message), mime))
            case "tool_response":
                queue.send_content(Content(role="user", parts=[Part(function_response=tool_response(message))]))
            case "activity_start":
                queue.send_activity_start()
            case "activity_end":
                queue.send_activity_end()
            case "audio_stream_end":
                queue.send_audio_stream_end()
            case _:
                return _read_aside(message, queue)
        return None


def _read_aside(message: dict[str, Any], queue: LiveRequestQueue) -> str | None:
    """What a client says to the server and not to the model, and the answer, if there is one."""
    match message.get("type"):
        case "playout":
            response_id = required(message, "response_id")
            queue.send_playout(response_id, time_in(message, "played_ms"), flag(message, "cleared"))
        case "turn_times":
            spoke = None if message.get("speech_end_at") is None else time_in(message, "speech_end_at")
            times = TurnTimes(
                response_id=required(message, "response_id"),
                first_audible_at=time_in(message, "first_audible_at"),
                speech_end_at=spoke,
            )
            queue.send_turn_times(times)
        case "interrupt":
            queue.interrupt()
        case "clock":
            taken = time.time() * 1000
            asked = time_in(message, "t0")
            return encode_json({"type": "clock", "t0": asked, "t1": taken, "t2": time.time() * 1000}).decode()
        case other:
            raise InvalidInput(f"no message has the type {str(other)[:40]!r}", code="invalid_message", field="type")
    return None


def _media_apart(event: Event) -> tuple[Event, list[bytes]]:
    """The event with no bytes in its media, and these, in order: one entry for each part that is media."""
    content = event.content
    if content is None or not content.parts or all(part.inline_data is None for part in content.parts):
        return event, []
    parts, media = [], []
    for part in content.parts:
        blob = part.inline_data
        if blob is None:
            parts.append(part)
        else:
            parts.append(part.model_copy(update={"inline_data": blob.model_copy(update={"data": None})}))
            media.append(blob.data or b"")
    bare = content.model_copy(update={"parts": parts})
    return event.model_copy(update={"content": bare}), media


def read_object(text: str, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a text frame; `InvalidInput` when there is none or it is too long."""
    if len(text) > max_bytes or (not text.isascii() and len(text.encode(errors="replace")) > max_bytes):
        raise InvalidInput(f"the message is longer than {max_bytes:,} bytes", code="frame_too_large")
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}", code="invalid_json") from None
    if not isinstance(message, dict):
        raise InvalidInput("a message is a JSON object", code="invalid_message")
    return message


def required(message: dict[str, Any], field: str) -> str:
    """The text in `field`; `InvalidInput` when it is missing, empty or no text."""
    value = message.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"`{field}` must be text and not empty", code="invalid_message", field=field)
    return value


def tool_response(message: dict[str, Any]) -> FunctionResponse:
    """The user's or the app's answer to a call; `InvalidInput` when it does not say to which, or is no object."""
    response = message.get("response")
    if not isinstance(response, dict):
        raise InvalidInput("`response` must be an object", code="invalid_message", field="response")
    return FunctionResponse(id=required(message, "id"), name=required(message, "name"), response=response)


def time_in(message: dict[str, Any], field: str) -> float:
    """The time in `field`, in the unit of the field; `InvalidInput` when it is no number or a negative one."""
    value = message.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise InvalidInput(f"`{field}` must be a time: a number, not negative", code="invalid_message", field=field)
    return float(value)


def flag(message: dict[str, Any], field: str) -> bool:
    """The truth value in `field`, false when it is missing; `InvalidInput` when it is none."""
    value = message.get(field, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"`{field}` must be true or false", code="invalid_message", field=field)
    return value


def mime_type(message: dict[str, Any], default: str | None = None) -> str:
    """The mime type, in either spelling; `default` when it is not given."""
    field = "mime_type" if "mime_type" in message else "mimeType"
    if default is not None and message.get(field) is None:
        return default
    return required(message, field)


def media(message: dict[str, Any]) -> bytes:
    """The bytes in `data`; `InvalidInput` when that is no base64."""
    try:
        return decode_base64(required(message, "data"))
    except InvalidInput as error:
        error.field = "data"
        raise


def audio_blob(pcm: bytes, mime: str) -> Blob:
    """A piece of the microphone's audio; `InvalidInput` when it is no PCM16 or longer than the queue would keep."""
    if mime.partition(";")[0].strip() != "audio/pcm":
        raise unsupported(mime)
    if len(pcm) % 2:
        raise InvalidInput(f"{len(pcm)} bytes of audio are no whole number of 16-bit samples", code="invalid_audio")
    if audio_seconds(len(pcm), mime) > _LONGEST_AUDIO_S:
        raise InvalidInput(f"one frame may hold {_LONGEST_AUDIO_S:g} s of audio", code="frame_too_large")
    return Blob(data=pcm, mime_type=mime)


def unsupported(mime: str) -> InvalidInput:
    """The error for media of another kind."""
    return InvalidInput(f"Mime type not supported: {mime}", code="unsupported_mime_type", field="mimeType")
