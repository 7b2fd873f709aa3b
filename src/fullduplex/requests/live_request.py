"""One thing that goes up to the model: content, a piece of media, a signal, a change of state, or the end."""

from __future__ import annotations

from typing import Any

import msgspec

from fullduplex.types.content import Blob, Content
from fullduplex.types.live import ActivityEnd, ActivityStart
from fullduplex.types.struct import Message, coerce


def _no() -> bool:
    return False


class LiveRequest(Message, rename=None):
    """A request of the user's side. Its own JSON names are snake_case; those inside content are camelCase.

    When several fields are set, only the first of `activity_start`, `activity_end`, `audio_stream_end` and `blob` is
    sent; `content` is sent besides, and `state_delta` always applies. `partial` marks content that asks for no answer.
    """

    content: Content | None = None
    blob: Blob | None = None
    activity_start: ActivityStart | None = None
    activity_end: ActivityEnd | None = None
    audio_stream_end: bool = msgspec.field(default_factory=_no)
    close: bool = msgspec.field(default_factory=_no)
    partial: bool = msgspec.field(default_factory=_no)
    state_delta: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.blob is not None and type(self.blob) is not Blob:
            self.blob = coerce(Blob, self.blob)
        if self.content is not None and not isinstance(self.content, Content):
            self.content = coerce(Content, self.content)
        if self.activity_start is not None and type(self.activity_start) is not ActivityStart:
            self.activity_start = ActivityStart()
        if self.activity_end is not None and type(self.activity_end) is not ActivityEnd:
            self.activity_end = ActivityEnd()
