"""Reads the model's audio, the busiest path downward, without parsing JSON: one chunk's message is like the last one.

What stands before and behind the base64 of a message that was parsed is kept. A later message that begins and ends with
the same bytes, and has nothing but base64 between them, differs in its audio alone. All others are for the parser.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pybase64

from fullduplex import native
from fullduplex.types.binary import Base64
from fullduplex.types.content import Blob, Content, Part
from fullduplex.types.live import LiveServerAudio, LiveServerContent, LiveServerMessage

_SHORTEST = 64
_LESSONS = 32
_FORMS_REMEMBERED = 64

Reader = Callable[[bytes | memoryview], LiveServerAudio | None]
"""Gives the message, if it is one of audio in a form that is known."""


def _knows_none(raw: bytes | memoryview) -> None:
    return None


class ChunkReader:
    """Knows how one connection writes its audio."""

    __slots__ = ("_lessons", "read")

    def __init__(self) -> None:
        self.read: Reader = _knows_none
        self._lessons = _LESSONS

    def learn(self, raw: bytes, message: LiveServerMessage) -> None:
        """Takes `message`, which is what `raw` says, for an example if it is one."""
        content = message.server_content
        turn = content.model_turn if content is not None else None
        blob = turn.parts[0].inline_data if turn is not None and turn.parts else None
        if turn is None or blob is None or len(blob.data or b"") < _SHORTEST or not self._lessons:
            return
        alone = LiveServerAudio.of(Blob(data=blob.data, mime_type=blob.mime_type), turn.role)
        if message != LiveServerMessage(server_content=alone.server_content):
            return
        self._lessons -= 1  # a backend that writes every message in another way is not worth the trouble
        encoded = pybase64.b64encode(blob.data or b"")
        start, _, end = raw.partition(encoded)
        if start.endswith(b'"') and end.startswith(b'"') and encoded not in end:
            self.read = _reader(start, end, blob.mime_type, turn.role)


@functools.lru_cache(maxsize=_FORMS_REMEMBERED)
def _reader(start: bytes, end: bytes, mime_type: str | None, role: str | None) -> Reader:
    """Reads what stands between `start` and `end`. The connections of a backend share it."""
    if native.AVAILABLE and (start + end).isascii():
        chunk = Blob(mime_type=mime_type)
        message = LiveServerAudio.of(chunk, role)
        setattr(chunk, "data", native.Hole(0, Base64))  # noqa: B010  (its type is another)
        return native.Mould(message, (start, end)).read

    def read(raw: bytes | memoryview) -> LiveServerAudio | None:
        if len(raw) < len(start) + len(end) or raw[: len(start)] != start or raw[-len(end) :] != end:
            return None
        try:
            # What is not one string of base64 is refused.
            data = Base64(pybase64.b64decode(raw[len(start) : -len(end)], validate=True))
        except ValueError:
            return None
        # Written out: see `LiveServerAudio.of`.
        said = Content(parts=[Part(inline_data=Blob(data=data, mime_type=mime_type))], role=role)
        return LiveServerAudio(server_content=LiveServerContent(model_turn=said))

    return read
