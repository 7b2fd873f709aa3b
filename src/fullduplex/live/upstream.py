"""Brings the user's requests to the model: one `LiveRequest` to the verbs of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fullduplex.errors import InvalidInput
from fullduplex.events import Event, EventActions
from fullduplex.live.microphone import Microphone
from fullduplex.models.base import LiveConnection
from fullduplex.requests import LiveRequest
from fullduplex.turns.utterances import Kind
from fullduplex.types.content import Blob, Content, FunctionResponse
from fullduplex.types.live import AudioStreamEnd


class Sent(NamedTuple):
    """What went up for a request: its media as the model heard them, and the id of the event that the session keeps."""

    media: Blob | None
    event_id: str | None


NOTHING = Sent(None, None)


class Upstream:
    """Sends requests, and notes what the session keeps of them (None: somebody else does). `event` makes an event of
    this run.

    `tap` takes the media that models are sent, each once, however often a lost connection has it sent again.
    """

    def __init__(
        self,
        *,
        event: Callable[..., Event],
        note: Callable[[Event], None] | None,
        microphone: Microphone | None = None,
        tap: Callable[[Blob], None] | None = None,
    ) -> None:
        self._event = event
        self._note = note
        self._microphone = microphone or Microphone()
        self.tap = tap
        self.passes = self._microphone.passes
        """Whether media may go up as they are: then they need not come by `send`, if `tap` and `meter` are told."""
        self.meter = self._microphone.meter
        self._heard: tuple[LiveRequest, Blob | None] | None = None

    async def send(self, request: LiveRequest, connection: LiveConnection, *, noted: bool = False) -> Sent:
        """Sends `request`; with `noted`, one that the session knows already.

        Raises `InvalidInput` when no model could read it, `ConnectionLost` when nobody is there.
        """
        if (audio := self._audio(request)) is not None:
            await connection.send_realtime(audio)
            if self.tap is not None and not noted:
                self.tap(audio)
        if request.activity_start is not None:
            await connection.send_activity(request.activity_start)
        elif request.activity_end is not None:
            await connection.send_activity(request.activity_end)
        elif request.audio_stream_end:
            await connection.send_activity(AudioStreamEnd())
        self._heard = None
        if request.content is not None:
            check(request.content)
            await self._content(request.content, request, connection)
        return Sent(audio, None if noted else self._keep(request))

    def keep(self, request: LiveRequest) -> None:
        """Has the session keep what the user typed, though no model is told of it; raises `InvalidInput`."""
        if request.content is not None:
            check(request.content)
        self._keep(request)

    def _keep(self, request: LiveRequest) -> str | None:
        """The id of the event that the session keeps of `request`, if any."""
        if self._note is None or (event := self.noteworthy(request)) is None:
            return None
        self._note(event)
        return event.id

    def _audio(self, request: LiveRequest) -> Blob | None:
        """The media of `request`, or what is to be heard before its signal.

        A request that comes again, because the connection was lost, is not converted twice.
        """
        if self._heard is None or self._heard[0] is not request:
            self._heard = (request, self._listen(request))
        return self._heard[1]

    def _listen(self, request: LiveRequest) -> Blob | None:
        if request.activity_start is not None or request.activity_end is not None or request.audio_stream_end:
            return self._microphone.flush()
        return self._microphone.take(request.blob) if request.blob is not None else None

    async def _content(self, content: Content, request: LiveRequest, connection: LiveConnection) -> None:
        if answers := answers_in(content):
            await connection.send_tool_response(answers)
        else:
            await connection.send_content(as_turn(content), turn_complete=not request.partial)

    def noteworthy(self, request: LiveRequest) -> Event | None:
        """The event that the session keeps of `request`: a turn, a change of state, or none.

        What tools answered is in the session already: the runner of tools put it there, or the uplink.
        """
        fields: dict[str, Any] = {}
        if request.content is not None and not request.partial and not answers_in(request.content):
            fields["content"] = as_turn(request.content)
        if request.state_delta:
            fields["actions"] = EventActions(state_delta=request.state_delta)
        return self._event(author="user", **fields) if fields else None


def as_turn(content: Content) -> Content:
    """`content` as the user's."""
    return content if content.role else content.model_copy(update={"role": "user"})


def answers_in(content: Content) -> list[FunctionResponse]:
    """The tools' answers that make up `content`; nothing when it holds anything else."""
    answers = content.function_responses
    return answers if len(answers) == len(content.parts or ()) else []


def check(content: Content) -> None:
    """Raises `InvalidInput` for content that a user cannot send."""
    if not content.parts:
        raise InvalidInput("content without parts", code="invalid_content", field="content.parts")
    if any(part.function_call is not None for part in content.parts):
        raise InvalidInput(
            "User message cannot contain function calls.", code="invalid_content", field="content.parts.functionCall"
        )


def is_media(request: LiveRequest) -> bool:
    """Whether `request` is a piece of media and nothing else."""
    return request.blob is not None and kind_of(request) is None and not request.state_delta


def kind_of(request: LiveRequest) -> Kind | None:
    """What `request` is to the backlog; None for media, which stand there by themselves, and changes of state."""
    if request.content is not None:
        if request.partial:
            return Kind.CONTEXT
        return Kind.ANSWER if all(part.function_response for part in request.content.parts or ()) else Kind.TURN
    if request.activity_start is not None:
        return Kind.START
    return Kind.SIGNAL if request.activity_end is not None or request.audio_stream_end else None
