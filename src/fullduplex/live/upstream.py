"""Brings the user's requests to the model: one `LiveRequest` to the verbs of a connection (spec/live.md §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fullduplex.errors import InvalidInput
from fullduplex.events import Event, EventActions
from fullduplex.models.base import LiveConnection
from fullduplex.requests import LiveRequest
from fullduplex.types.content import Content
from fullduplex.types.live import AudioStreamEnd


class Upstream:
    """Sends requests, and notes what the session keeps of them. `event` makes an event of this run."""

    def __init__(self, *, event: Callable[..., Event], note: Callable[[Event], None]) -> None:
        self._event = event
        self._note = note

    async def send(self, request: LiveRequest, connection: LiveConnection) -> None:
        """Sends `request`; `InvalidInput` when no model could read it, `ConnectionLost` when nobody is there."""
        if request.activity_start is not None:
            await connection.send_activity(request.activity_start)
        elif request.activity_end is not None:
            await connection.send_activity(request.activity_end)
        elif request.audio_stream_end:
            await connection.send_activity(AudioStreamEnd())
        elif request.blob is not None:
            await connection.send_realtime(request.blob)
        delta_noted = False
        if request.content is not None:
            check(request.content)
            delta_noted = await self._content(request.content, request, connection)
        if request.state_delta and not delta_noted:
            self._note(self._event(author="user", actions=EventActions(state_delta=request.state_delta)))

    async def _content(self, content: Content, request: LiveRequest, connection: LiveConnection) -> bool:
        """Sends the content; whether the session was told of it, and with it of the request's change of state."""
        answers = [part.function_response for part in content.parts or () if part.function_response is not None]
        if len(answers) == len(content.parts or ()):
            # What the tools answered is in the session already: the runner of tools, or the app, put it there.
            await connection.send_tool_response(answers)
            return False
        turn = content if content.role else content.model_copy(update={"role": "user"})
        await connection.send_content(turn, turn_complete=not request.partial)
        if request.partial:
            return False
        fields: dict[str, Any] = {}
        if request.state_delta:
            fields["actions"] = EventActions(state_delta=request.state_delta)
        self._note(self._event(author="user", content=turn, **fields))
        return True


def check(content: Content) -> None:
    """Raises `InvalidInput` for content that a user cannot send."""
    if not content.parts:
        raise InvalidInput("content without parts", code="invalid_content", field="content.parts")
    if any(part.function_call is not None for part in content.parts):
        raise InvalidInput(
            "User message cannot contain function calls.", code="invalid_content", field="content.parts.functionCall"
        )
