"""What an agent says over a live run, for the state that its `output_key` names. Pure.

Text counts in its merged form and without thoughts. What is said aloud counts as its finished transcript, as far as it
was heard, also when it was broken off after its turn.
"""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.turns.history import as_heard


class Output:
    """The words of `author` so far; each event that adds to them carries the whole as a change of state."""

    def __init__(self, key: str, *, author: str, transcripts: bool = True) -> None:
        self._key = key
        self._author = author
        self._transcripts = transcripts
        self._said = ""
        self._events: list[Event] = []

    def take(self, event: Event) -> None:
        """Takes an event that the session is about to keep, and puts the words so far into its changes of state."""
        if event.partial or event.author != self._author:
            return
        before = self._said
        self._events.append(event)
        if event.heard is not None and event.heard.cuts:
            self._said = ""
            for one in as_heard(self._events):
                self._add(one)
        else:
            self._add(event)
        if self._said != before:
            event.actions.state_delta[self._key] = self._said

    def _add(self, event: Event) -> None:
        if words := _written(event):
            self._said += words
        elif self._transcripts and (words := _spoken(event)):
            self._said = f"{self._said} {words}".strip()


def _written(event: Event) -> str:
    if event.content is None:
        return ""
    return "".join(part.text for part in event.content.parts or () if part.text and not part.thought)


def _spoken(event: Event) -> str:
    transcript = event.output_transcription
    return (transcript.text or "").strip() if transcript is not None and transcript.finished else ""
