"""How much of an event is sound, for whoever may have to throw sound away."""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.turns.media_queue import audio_seconds

BEHIND_S = 0.1
"""Whoever has let an event wait for longer is behind, and is given no sound of an answer that is interrupted."""


def sound_of(event: Event) -> float:
    """Seconds of audio in an event that holds nothing else worth keeping; 0 for every other event."""
    if event.content is None or not event.content.parts or event.interrupted or event.turn_complete:
        return 0.0
    seconds = 0.0
    for part in event.content.parts:
        blob = part.inline_data
        if blob is None or blob.data is None or not (blob.mime_type or "").startswith("audio/"):
            return 0.0
        seconds += audio_seconds(len(blob.data), blob.mime_type)
    return seconds
