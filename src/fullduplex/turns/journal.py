"""Which events a session keeps, and in which order.

Kept: what was said in full, finished transcripts, tool calls and answers, usage, the ends of turns, handles, changes of
state. Not kept: pieces (`partial`), raw media, and notices about the connection. What the user
types while the model is in the middle of a turn is kept after that turn, so that a session reads as a conversation.
What the user did not hear, the agent did not say: an interrupted answer is kept as far as it was heard.
"""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.turns.interruption import Interruption, words
from fullduplex.types.content import Content
from fullduplex.types.playout import Heard


def is_kept(event: Event) -> bool:
    """Whether a session keeps `event`."""
    if event.partial:
        return False
    if event.content is not None:
        parts = event.content.parts or []
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
    """Orders what is kept. Each method returns the events to keep now, in order.

    What the agent says aloud is held back, from its first finished transcript on and with all that follows, until the
    turn is over, because an interruption may show that less of it was heard. Then it is kept up to the last word heard:
    see `settle`. The record of a tool's call does not wait, so what was said before it is kept as it was said. A turn
    without audio was read, not heard, and is not held back; nor is a transcript that is finished before its audio.
    An answer may be broken off when its turn is over, and kept, and it still plays. Then the `interrupted` event waits
    for `settle`, and is kept with what was heard, and of which events: see `history`.
    """

    __slots__ = (
        "_beside",
        "_broken_off",
        "_given",
        "_held",
        "_said",
        "_speaking",
        "_spoken",
        "_typed",
        "_wordless",
        "follows_voice",
    )

    def __init__(self) -> None:
        self._speaking = False
        self._beside: set[str] = set()
        self._typed: list[Event] = []
        self._held: list[Event] = []
        self.follows_voice = False
        """Whether the turn has sound: another chunk of it changes nothing."""
        self._said: list[Event] = []  # the transcripts of this turn that are held
        self._spoken: list[Event] = []  # all its transcripts, held or not
        self._given: list[Event] = []  # those of the last spoken turn, which is over and may still play
        self._wordless = False  # the last spoken turn had none: those that come now are late ones
        self._broken_off: Interruption | None = None

    @property
    def holds_back(self) -> bool:
        """Whether something is held that what comes now has to stand behind."""
        return bool(self._held)

    @property
    def awaiting(self) -> bool:
        """Whether an interrupted answer waits for `settle`."""
        return self._broken_off is not None and self._broken_off.heard is None

    def beside(self, event: Event) -> None:
        """`event`, which will come, is a tool's: it begins no turn of the model's, whatever it says."""
        self._beside.add(event.id)

    def model(self, event: Event) -> list[Event]:
        """An event that came down. At a further interruption, an answer that waits for `settle` stays whole."""
        if self.follows_voice and not event.interrupted and not event.turn_complete and event.author != "user":
            parts = event.content.parts if event.content is not None else None
            if parts and len(parts) == 1 and parts[0].inline_data is not None:
                return []  # another chunk of an answer that is being given: every one passes here
        kept = self._interrupted() if event.interrupted and self.follows_voice else []
        if event.interrupted and event.heard is not None and self._given:
            kept += self._interrupted_late(event)
        elif is_kept(event):
            kept += self._place(event)
        if event.turn_complete:
            return kept + self._turn_over()
        if event.id in self._beside:
            self._beside.discard(event.id)
            return kept
        if event.author != "user" and event.content is not None and event.content.role != "user":
            # Neither a tool's answer nor a transcript that comes late begins a turn: no end of turn might follow.
            # Nor does a reference to what was recorded of one.
            self._speaking = self._speaking or not _is_reference(event.content)
            if not self.follows_voice and _is_audio(event):
                self.follows_voice, self._wordless, self._given = True, False, []
        return kept

    def user(self, event: Event) -> list[Event]:
        """An event that the user's side sent up; held back while the model speaks."""
        if self._speaking:
            self._typed.append(event)
            return []
        return self._behind_held(event)

    def settle(self, heard: Heard) -> list[Event]:
        """What an interruption held back, the agent's words cut to those that were heard.

        Cut events are copies with `interrupted` and `heard`; one of which nothing was heard is left out. Without
        `heard.text` nobody knows how much that was, and the words stay whole.
        """
        broken_off = self._broken_off
        if broken_off is None or broken_off.heard is not None:
            return []
        broken_off.heard = heard
        kept = broken_off.cut(self._take_earlier())
        if broken_off.over:
            self._broken_off = None
        return kept

    def end(self, heard: Heard | None = None) -> list[Event]:
        """What was held back: the turn is over, or the connection that would have ended it, or the run.

        With `heard`, the answer that waits for `settle` is cut to it, or else the one that is broken off here.
        """
        kept: list[Event] = []
        if heard is not None:
            if self.follows_voice and not self.awaiting:
                self._interrupted()
            kept = self.settle(heard)
        self._broken_off = None
        return kept + self._turn_over()

    def _place(self, event: Event) -> list[Event]:
        """`event`, and before it what it releases; nothing when it has to wait."""
        if event.output_transcription is not None:
            return self._transcript(event)
        if self._said and event.author != "user" and event.branch != self._said[0].branch:
            return [event]  # of an agent that works beside the one that speaks
        if event.get_function_calls() and not self.awaiting:
            self._said = []
            return [*self._take_earlier(), event]
        return self._behind_held(event)

    def _transcript(self, event: Event) -> list[Event]:
        broken_off = self._broken_off
        if self.follows_voice:
            self._spoken.append(event)
            self._said.append(event)
            self._held.append(event)
            return []
        if broken_off is not None and not broken_off.over:
            broken_off.add(event)
            return self._behind_held(event) if self.awaiting else broken_off.cut([event])
        (self._given if self._wordless else self._spoken).append(event)
        return self._behind_held(event)

    def _behind_held(self, event: Event) -> list[Event]:
        if not self._held:
            return [event]
        self._held.append(event)
        return []

    def _take_earlier(self) -> list[Event]:
        """What is held from before this turn's own transcripts; all, when none of those is held."""
        first = self._said[0] if self._said else None
        end = next((index for index, event in enumerate(self._held) if event is first), len(self._held))
        taken, self._held = self._held[:end], self._held[end:]
        return taken

    def _interrupted(self) -> list[Event]:
        """This turn's answer is broken off; what an earlier interruption still held back is kept as it is."""
        kept = self._take_earlier()
        self._broken_off = Interruption([*map(words, self._spoken)], self._said) if self._said else None
        self._forget_answer()
        return kept

    def _interrupted_late(self, event: Event) -> list[Event]:
        """The last spoken answer is broken off by `event`, when all of it is kept; that waits now."""
        kept = self._take_earlier()
        self._broken_off = Interruption([*map(words, self._given)], self._given, over=True, correction=event)
        self._held.append(event)
        self._given = []
        return kept

    def _turn_over(self) -> list[Event]:
        if self.follows_voice:
            self._given = self._spoken
        self._forget_answer()
        if self.awaiting and self._broken_off is not None:
            self._broken_off.over = True
        else:
            self._broken_off = None
        self._speaking = False
        self._held += self._typed
        self._typed = []
        return [] if self.awaiting else self._take_earlier()

    def _forget_answer(self) -> None:
        if self.follows_voice:
            self._wordless = not self._spoken
        self.follows_voice = False
        self._spoken, self._said = [], []


def _is_reference(content: Content) -> bool:
    return any(part.file_data is not None for part in content.parts or ())


def _is_audio(event: Event) -> bool:
    parts = event.content.parts or [] if event.content is not None else []
    blobs = [part.inline_data for part in parts if part.inline_data is not None]
    return any((blob.mime_type or "audio/").startswith("audio/") for blob in blobs)
