"""What the agent has said in its present turn, as the events of its transcript or its text tell it piece by piece."""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.types.content import Blob


class AnswerText:
    """Fed with every event of the agent's side; `text` is all that was said since `begin`. Thoughts do not count."""

    def __init__(self) -> None:
        self._whole = ""
        self._pieces = ""

    @property
    def text(self) -> str:
        """The words so far; segments stand apart by a space."""
        return joined(self._whole, self._pieces)

    def begin(self) -> None:
        """Another turn begins."""
        self._whole = self._pieces = ""

    def feed(self, event: Event) -> bool:
        """Takes an event; whether the text has changed by it. The whole of a segment replaces its pieces."""
        words = words_of(event)
        if not words:
            return False
        before = self.text
        if event.partial:
            self._pieces += words
        else:
            self._whole, self._pieces = joined(self._whole, words), ""
        return self.text != before


def words_of(event: Event) -> str:
    """What the agent says in `event`; empty for sound, thoughts, and all that is not the agent's."""
    if event.author == "user":
        return ""
    if event.output_transcription is not None:
        return event.output_transcription.text or ""
    return event.content.text if event.content is not None and event.content.role != "user" else ""


def sound_of(event: Event) -> Blob | None:
    """What the agent says aloud in `event`; None where nothing is heard of it."""
    if event.content is None or not event.content.parts or event.author == "user":
        return None
    blob = event.content.parts[0].inline_data
    return blob if blob is not None and blob.data else None


def joined(first: str, second: str) -> str:
    """Two texts after another, apart by a space."""
    apart = first and second and not (first[-1].isspace() or second[0].isspace())
    return f"{first} {second}" if apart else first + second
