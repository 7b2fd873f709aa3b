"""`WS /ws/{user_id}?is_audio=true|false`: the app of Google's streaming article.

JSON text frames `{"mime_type", "data"}` both ways; flags as `{"turn_complete", "interrupted"}`. Its console lines are
printed as they are there. A frame that cannot be understood is answered with an error message and ends the connection
with close code 1003, as the article's app ends it; nobody else notices.
"""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter, WebSocket

from fullduplex.errors import InvalidInput
from fullduplex.events import Event
from fullduplex.requests import LiveRequestQueue
from fullduplex.server import refusals
from fullduplex.server.call import Call, Host
from fullduplex.server.protocols.bidi_demo import audio_blob, media, mime_type, read_object, required, unsupported
from fullduplex.server.run_config import answers_by_voice_only, live_run_config, model_name
from fullduplex.types.config import Modality
from fullduplex.types.content import Content, Part
from fullduplex.types.struct import encode_json


def router(host: Host) -> APIRouter:
    """The routes of this protocol."""
    routes = APIRouter()

    @routes.websocket("/ws/{user_id}")
    async def talk(websocket: WebSocket, user_id: int, is_audio: str) -> None:
        await websocket.accept()
        say(f"Client #{user_id} connected, audio mode: {is_audio}")
        model = model_name(host.runner.agent)
        wants_audio = is_audio == "true"
        voice = wants_audio or answers_by_voice_only(model)
        call = Call(
            host,
            websocket,
            ArticleWs(host.settings.max_message_bytes, audio_down=wants_audio),
            user_id=str(user_id),
            session_id=f"{host.runner.app_name}_{user_id}",
            run_config=live_run_config(model, modality=Modality.AUDIO if voice else Modality.TEXT),
        )
        try:
            await call.run()
        finally:
            say(f"Client #{user_id} disconnected")

    return routes


def say(line: str) -> None:
    """Writes a console line of the article's app."""
    print(line, flush=True)


class ArticleWs:
    """Reads the messages of this protocol and writes its answers; `audio_down` is what `is_audio` asked for."""

    survives_bad_frames = False

    def __init__(self, max_message_bytes: int, *, audio_down: bool) -> None:
        self._max_message_bytes = max_message_bytes
        self._audio_down = audio_down

    def read(self, frame: str | bytes, queue: LiveRequestQueue) -> None:
        """See `WireProtocol`."""
        if not isinstance(frame, str):
            raise InvalidInput("this address takes text frames", code="invalid_message")
        message = read_object(frame, self._max_message_bytes)
        mime = mime_type(message)
        if mime == "text/plain":
            text = required(message, "data")
            queue.send_content(Content(role="user", parts=[Part(text=text)]))
            say(f"[CLIENT TO AGENT]: {text}")
        elif mime.partition(";")[0] == "audio/pcm":
            blob = audio_blob(media(message), mime)
            queue.send_realtime(blob)
            say(f"[CLIENT TO AGENT]: audio/pcm: {len(blob.data or b'')} bytes.")
        else:
            error = unsupported(mime)
            error.field = "mime_type"
            raise error

    def write(self, event: Event) -> str | None:
        """The flags, else audio, else new text, else new words of the agent's transcript; None for other events."""
        if event.error_code:
            lives = bool(event.recoverable)
            return refusals.answer(event.error_code, event.error_message or "", session_lives=lives)
        if event.turn_complete or event.interrupted:
            message: dict[str, Any] = {"turn_complete": event.turn_complete, "interrupted": event.interrupted}
            say(f"[AGENT TO CLIENT]: {message}")
            return encode_json(message).decode()
        part = event.content.parts[0] if event.content is not None and event.content.parts else None
        blob = part.inline_data if part is not None else None
        if blob is not None and blob.data and (blob.mime_type or "").startswith("audio/pcm"):
            if not self._audio_down:
                return None
            say(f"[AGENT TO CLIENT]: audio/pcm: {len(blob.data)} bytes.")
            # The article's page decodes with atob(), which knows the standard alphabet alone.
            return _message("audio/pcm", base64.b64encode(blob.data).decode())
        if part is not None and part.text and event.partial:
            say(f"[AGENT TO CLIENT]: text/plain: {part.text}")
            return _message("text/plain", part.text)
        spoken = event.output_transcription
        if spoken is not None and spoken.text and event.partial:
            say(f"[AGENT TO CLIENT]: text/plain: {spoken.text}")
            return _message("text/plain", spoken.text, is_transcript=True)
        return None


def _message(mime: str, data: str, **more: bool) -> str:
    return encode_json({"mime_type": mime, "data": data, **more}).decode()
