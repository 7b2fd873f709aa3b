"""Scripts: an ordered list of turns, each a list of steps, and the cursor that tells how far the story has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from .conversation import Conversation, UserTurn
from .steps import Quota, Refuse, Step

Trigger = Literal["user", "text", "voice", "tool_response", "now"]
Scope = Literal["server", "session"]

TurnFunction: TypeAlias = Callable[[UserTurn, Conversation], Sequence["Item"]]
"""Makes the steps of a turn (or the rest of them) from the user's turn and the conversation so far."""

Item: TypeAlias = Step | TurnFunction


@dataclass(frozen=True)
class Turn:
    """One turn of the model.

    `on`: what it answers: `user` (typed or spoken), only `text` or `voice`, a `tool_response` that nobody waits for, or
    nothing: `now` plays `after` seconds after the turn before it (or the setup). `complete=False` leaves out the
    generationComplete, turnComplete and resumption update that otherwise end a turn. `auto_transcript=False` keeps the
    mock from transcribing a voice turn (a `transcript("in", …)` among the steps does so too).
    """

    steps: Sequence[Item] | TurnFunction
    on: Trigger = "user"
    after: float = 0.0
    complete: bool = True
    auto_transcript: bool = True

    def answers(self, kind: str) -> bool:
        """Whether this turn is one for a user turn of this kind."""
        return self.on == kind or (self.on == "user" and kind in ("text", "voice"))

    def items(self, turn: UserTurn, talk: Conversation) -> list[Item]:
        """Its steps for this input."""
        return list(self.steps(turn, talk) if callable(self.steps) else self.steps)

    @property
    def connect_fault(self) -> Refuse | Quota | None:
        """The fault at connect that this turn is about, if it is one of those."""
        if callable(self.steps) or not self.steps:
            return None
        first = self.steps[0]
        return first if isinstance(first, (Refuse, Quota)) else None


def unprompted(*steps: Item, after: float = 0.0) -> Turn:
    """A turn that the model begins by itself, `after` seconds after the one before it."""
    return Turn(list(steps), on="now", after=after)


@dataclass
class Cursor:
    """How far a story has been told. Shared by all connections it is told to."""

    turns: Sequence[Turn]
    position: int = 0

    def peek(self) -> Turn | None:
        """The next turn, or None at the end."""
        return self.turns[self.position] if self.position < len(self.turns) else None

    def take_for(self, kind: str) -> Turn | None:
        """The next turn if it answers input of this kind; the cursor then moves on."""
        turn = self.peek()
        if turn is None or turn.connect_fault or not turn.answers(kind):
            return None
        self.position += 1
        return turn

    def take(self, expected: Turn) -> bool:
        """Moves on if `expected` is still the next turn."""
        if self.peek() is not expected:
            return False
        self.position += 1
        return True

    def take_connect_fault(self) -> Refuse | Quota | None:
        """The fault that the connection which comes now shall meet, if the story has one here."""
        turn = self.peek()
        fault = turn.connect_fault if turn else None
        if fault is not None:
            self.position += 1
        return fault


@dataclass
class Script:
    """A story: turns as `Turn`, as a list of steps, or as a function of the input.

    `scope` `server`: told once, over all connections in the order they need turns. `session`: each new session hears
    it from the top (a resumed one goes on); faults at connect are then only read at its beginning.
    """

    turns: Sequence[Turn | Sequence[Item] | TurnFunction] = field(default_factory=list)
    scope: Scope = "server"

    def __post_init__(self) -> None:
        turns = [turn if isinstance(turn, Turn) else Turn(turn) for turn in self.turns]
        for turn in turns:
            if not callable(turn.steps) and len(turn.steps) > 1 and any(isinstance(s, Refuse) for s in turn.steps):
                raise ValueError("refuse() answers a handshake, so it stands alone in its turn")
        self.turns = turns

    def cursor(self) -> Cursor:
        """A cursor at the beginning."""
        return Cursor([turn for turn in self.turns if isinstance(turn, Turn)])

    @classmethod
    def from_json(cls, data: str | bytes) -> Script:
        """Reads `{"scope": "server", "turns": [[step, …], {"on": "voice", "steps": [step, …]}]}`.

        A step is an object with its `type`: `{"type": "say", "text": "Hello"}`. Raises msgspec.ValidationError with
        the place of the mistake.
        """
        document = msgspec.json.decode(data, type=_ScriptFile)
        turns = [
            Turn(turn) if isinstance(turn, list) else Turn(turn.steps, turn.on, turn.after, turn.complete)
            for turn in document.turns
        ]
        return cls(turns, document.scope)

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """`from_json` on the file at `path`."""
        return cls.from_json(Path(path).read_bytes())


class _TurnFile(msgspec.Struct, forbid_unknown_fields=True):
    steps: list[Step]
    on: Trigger = "user"
    after: float = 0.0
    complete: bool = True


class _ScriptFile(msgspec.Struct, forbid_unknown_fields=True):
    turns: list[_TurnFile | list[Step]]
    scope: Scope = "server"
