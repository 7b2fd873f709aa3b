"""Which events a session keeps, and in which order.

Kept: what was said in full, finished transcripts, tool calls and answers, usage, the ends of turns, handles, changes of
state. Not kept: pieces (`partial`), raw media, and notices about the connection (spec/live.md §2.9). What the user
types while the model is in the middle of a turn is kept after that turn, so that a session reads as a conversation.
"""

from __future__ import annotations

from fullduplex.events import Event


def is_kept(event: Event) -> bool:
    """Whether a session keeps `event`."""
    if event.partial:
        return False
    if event.content is not None:
        parts = event.content.parts or []
        if len(parts) == 1:  # every chunk of audio passes here
            return parts[0].inline_data is None
        return all(part.inline_data is None for part in parts)
    return bool(
        event.turn_complete
        or event.interrupted
        or event.input_transcription is not None
        or event.output_transcription is not None
        or event.usage_metadata is not None
        or event.live_session_resumption_update is not None
        or event.grounding_metadata is not None
        or event.actions.state_delta
        or event.actions.artifact_delta
    )


class Journal:
    """Orders what is kept. Each method returns the events to keep now, in order."""

    def __init__(self) -> None:
        self._speaking = False
        self._held: list[Event] = []

    def model(self, event: Event) -> list[Event]:
        """An event that came down."""
        kept = [event] if is_kept(event) else []
        if event.turn_complete:
            return kept + self.end()
        if event.author != "user" and event.content is not None and event.content.role != "user":
            # Neither a tool's answer nor a transcript that comes late begins a turn: no end of turn might follow.
            self._speaking = True
        return kept

    def user(self, event: Event) -> list[Event]:
        """An event that the user's side sent up; held back while the model speaks."""
        if self._speaking:
            self._held.append(event)
            return []
        return [event]

    def end(self) -> list[Event]:
        """What was held back: the turn is over, or the connection that would have ended it, or the run."""
        self._speaking = False
        held, self._held = self._held, []
        return held
