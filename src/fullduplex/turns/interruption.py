"""An answer that was broken off, and what is left of its transcripts when only the words heard are kept.

When events are kept, and in which order, is decided in `journal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fullduplex.events import Event
from fullduplex.types.playout import Heard


@dataclass(slots=True)
class Interruption:
    """An answer that was broken off: its finished transcripts, of which the last ones, `events`, are not kept yet."""

    texts: list[str]
    events: list[Event]
    heard: Heard | None = None
    over: bool = False  # no more of its words will come
    correction: Event | None = None  # where its turn was over, and `events` are kept already: tells how to read them

    def add(self, event: Event) -> None:
        """A finished transcript that comes late."""
        self.texts.append(words(event))
        self.events.append(event)

    def cut(self, events: list[Event]) -> list[Event]:
        """`events`, those of the answer cut to what was heard of it."""
        text = self.heard.text if self.heard is not None else None
        parts = self.texts if text is None else cut(self.texts, text)
        ours = {id(event): part for event, part in zip(reversed(self.events), reversed(parts), strict=False)}
        return [
            self._corrected(event) if (part := ours.get(id(event))) is None else _shortened(event, part, self.heard)
            for event in events
            if ours.get(id(event)) != ""
        ]

    def _corrected(self, event: Event) -> Event:
        if event is not self.correction or self.heard is None:
            return event
        cuts = [kept.id for kept in self.events]
        return event.model_copy(update={"heard": self.heard.model_copy(update={"cuts": cuts})})


def cut(texts: Sequence[str], heard: str) -> list[str]:
    """How much of each of the finished `texts` of a response, in order, was heard: all, its beginning, or nothing.

    `heard` is what the cursor says was heard of all of them. Spaces do not count: they differ between the two.
    """
    left = sum(not character.isspace() for character in heard)
    parts = []
    for text in texts:
        end = 0
        while end < len(text) and (left or text[end].isspace()):
            left -= not text[end].isspace()
            end += 1
        part = text[:end]
        parts.append(part if end == len(text) and part.strip() else part.rstrip())
    return parts


def words(event: Event) -> str:
    """What the agent said in `event`, as its transcript has it."""
    return (event.output_transcription and event.output_transcription.text) or ""


def _shortened(event: Event, text: str, heard: Heard | None) -> Event:
    """A copy that says what was heard. Times of words that were not heard would contradict it."""
    said = event.output_transcription
    if said is not None and text != said.text:
        said = said.model_copy(update={"text": text, "words": None, "end_offset": None})
    return event.model_copy(update={"output_transcription": said, "interrupted": True, "heard": heard})
