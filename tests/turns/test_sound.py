"""What of an event is sound and nothing else."""

from __future__ import annotations

import pytest

from fullduplex.events import Event
from fullduplex.turns.sound import sound_of
from fullduplex.types import Blob, Content, Part

SECOND = Part(inline_data=Blob(data=bytes(48_000), mime_type="audio/pcm;rate=24000"))
IMAGE = Part(inline_data=Blob(data=b"jpeg", mime_type="image/jpeg"))


@pytest.mark.parametrize(
    ("event", "seconds"),
    [
        (Event(content=Content(parts=[SECOND])), 1.0),
        (Event(content=Content(parts=[SECOND, SECOND])), 2.0),
        (Event(content=Content(parts=[SECOND]), interrupted=True), 0.0),
        (Event(content=Content(parts=[SECOND]), turn_complete=True), 0.0),
        (Event(content=Content(parts=[Part(text="x"), SECOND])), 0.0),
        (Event(content=Content(parts=[IMAGE])), 0.0),
        (Event(content=Content(parts=[Part(text="words")])), 0.0),
        (Event(content=Content(parts=[])), 0.0),
        (Event(turn_complete=True), 0.0),
    ],
)
def test_only_what_is_sound_and_nothing_else_counts(event: Event, seconds: float) -> None:
    assert sound_of(event) == pytest.approx(seconds)
