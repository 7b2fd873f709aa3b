"""What happens in one trial, drawn from its seed: who speaks when, how the model answers, and what breaks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Mode = Literal["index", "handle", "none"]
"""How the model resumes: by handles with an index of what they cover, by handles alone, or not at all."""
FaultKind = Literal["go_away", "cut", "close", "blackhole", "stall", "forget", "hand_over"]
"""`forget` is a cut after which the server knows no handle any more; `hand_over` a transfer that nobody asked for."""

MODES: tuple[Mode, ...] = ("index", "handle", "none")
MODELS = ("gemini-2.5-flash-native-audio-preview-12-2025", "gemini-3.1-flash-live-preview")
SLICE_S = 0.02
AN_UTTERANCE = 1000
"""Utterance number k has the slices from `k * AN_UTTERANCE` on."""
SILENCE_S = 0.5
"""After so much silence the model takes an utterance for finished."""


@dataclass(frozen=True)
class Act:
    """The user speaks (`slices` long) or types (no slices), `at` seconds after the start."""

    number: int
    at: float
    slices: int

    @property
    def label(self) -> str:
        """What the model calls this turn when it answers it."""
        return f"u{self.number}" if self.slices else f"n{self.number}"

    @property
    def ends(self) -> float:
        """When it is over."""
        return self.at + self.slices * SLICE_S


@dataclass(frozen=True)
class Fault:
    """`kind` at `at`; `seconds` is what is left after a goAway, or how long nothing arrives; `code` is the close's."""

    kind: FaultKind
    at: float
    seconds: float = 0.0
    code: int = 1006

    @property
    def warned(self) -> bool:
        """Whether the server said before that it would go."""
        return self.kind == "go_away"

    @property
    def ends(self) -> float:
        """When the network is well again, or the connection gone."""
        return self.at + self.seconds


@dataclass(frozen=True)
class Answering:
    """How the model answers a turn: so long, and with a tool that takes `tool_s` if that is not None."""

    audio_ms: int
    preface: bool
    tool_s: float | None


@dataclass(frozen=True)
class Plan:
    """One trial."""

    seed: int
    mode: Mode
    model: str
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]

    @property
    def ends(self) -> float:
        """When the last of it has happened."""
        return max([act.ends for act in self.acts] + [fault.ends for fault in self.faults])

    def answering(self, label: str) -> Answering:
        """How the turn with this label is answered: the same each time it is asked."""
        chance = random.Random(f"{self.seed} {label}")
        tool = chance.uniform(0.0, 2.0) if chance.random() < 0.35 else None
        return Answering(chance.randrange(600, 3000, 20), chance.random() < 0.5, tool)


def make(seed: int, *, kinds: tuple[FaultKind, ...] | None = None, turns: int | None = None, most: float = 1.0) -> Plan:
    """The plan of this seed. `most` shortens the longest times; `kinds` are the faults that may come."""
    chance = random.Random(seed)
    mode = MODES[seed % len(MODES)]
    acts = _acts(chance, turns or chance.randint(3, 5), most)
    faults = _faults(chance, acts, kinds or ("go_away", "cut", "close", "blackhole", "stall"), most)
    return Plan(seed, mode, chance.choice(MODELS), acts, faults)


def _acts(chance: random.Random, count: int, most: float) -> tuple[Act, ...]:
    acts: list[Act] = []
    at = chance.uniform(0.3, 1.0)
    for number in range(1, count + 1):
        act = Act(number, round(at, 3), 0 if chance.random() < 0.25 else chance.randint(15, int(15 + 60 * most)))
        acts.append(act)
        # Typing into one's own unfinished sentence is another matter: the pause is longer than the model's patience.
        at = act.ends + SILENCE_S + chance.uniform(0.4, 0.4 + 4.0 * most)
    return tuple(acts)


def _faults(
    chance: random.Random, acts: tuple[Act, ...], kinds: tuple[FaultKind, ...], most: float
) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    for _ in range(chance.randint(1, 3)):
        fault = _fault(chance, chance.choice(kinds), chance.choice(acts), acts[-1].ends, most)
        if all(
            fault.at > other.at + 2.5 + _lost(other) or other.at > fault.at + 2.5 + _lost(fault) for other in faults
        ):
            faults.append(fault)
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _lost(fault: Fault) -> float:
    return 0.0 if fault.warned else fault.seconds


def _fault(chance: random.Random, kind: FaultKind, act: Act, end: float, most: float) -> Fault:
    where = chance.random()
    if where < 0.4:
        at = chance.uniform(act.at, act.ends + 0.1)
    elif where < 0.75:
        at = act.ends + chance.uniform(0.3, 3.0)
    else:
        at = chance.uniform(0.3, end + 2.0)
    at = round(at, 3)
    if kind == "go_away":
        return Fault(kind, at, round(chance.uniform(1.0, 1.0 + 9.0 * most), 2))
    if kind == "close":
        return Fault(kind, at, code=chance.choice((1011, 1001)))
    if kind in ("cut", "forget"):
        return Fault(kind, at)
    return Fault(kind, at, round(chance.uniform(0.2, 0.2 + 4.7 * most), 2))
