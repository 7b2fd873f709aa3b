"""Example sentences with slots, and how well an utterance fits one.

`"set a timer for {amount} {unit}s"` is a pattern; `[please]` marks words that may be left out. The fit is an
alignment: words that are missing or too many cost something, function words little. Pure; knows no tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from fullduplex.models.cascade.slots import Slot, singular
from fullduplex.models.cascade.text import FILLERS, STOP_WORDS, Token, words_of, written

_QUOTED = re.compile(r"[\"“]([^\"“”\n]{2,120})[\"”]")
_PIECE = re.compile(r"\{(\w+)\}(\w*)|([^{}]+)")
_MAX_VARIANTS = 16
_SLOT_WEIGHT = 0.6
_MISSING_SLOT = 0.5

STOP_WEIGHT = 0.3
"""Weight of a function word; a word that means something weighs 1."""


@dataclass(frozen=True)
class Pattern:
    """A sentence as a row of words and slots.

    `given` are values that the sentence stands for as a whole, `endings` letters that people say behind a slot's value.
    """

    elements: tuple[str | Slot, ...]
    given: tuple[tuple[str, Any], ...] = ()
    endings: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """Its literal words."""
        return [element for element in self.elements if isinstance(element, str)]

    @property
    def slots(self) -> list[Slot]:
        """Its slots."""
        return [element for element in self.elements if isinstance(element, Slot)]

    def weight(self) -> float:
        """How much there is to fit."""
        return sum(_SLOT_WEIGHT if isinstance(element, Slot) else word_weight(element) for element in self.elements)

    def example(self) -> str:
        """The sentence with a sample value in each slot, to show to people."""
        words = [
            element.example + self.endings.get(element.name, "") if isinstance(element, Slot) else element
            for element in self.elements
        ]
        return written(" ".join(words))


@dataclass(frozen=True)
class Fit:
    """How an utterance fits a pattern: `score` is the cost per weight (0 = word for word), `values` what slots hold."""

    score: float
    values: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def word_weight(word: str) -> float:
    """How much a word of a pattern matters."""
    return STOP_WEIGHT if word in STOP_WORDS else 1.0


def _extra_cost(word: str) -> float:
    """What a word of the utterance costs that the pattern does not have."""
    if word in FILLERS:
        return 0.04
    return 0.25 if word in STOP_WORDS else 1.0


def quoted_examples(description: str) -> list[str]:
    """The sentences in double quotes in a tool's description."""
    return [match.strip() for match in _QUOTED.findall(description)]


def _variants(sentence: str) -> Iterable[str]:
    """The sentence with and without each of its `[optional]` parts."""
    parts = re.split(r"\[([^\[\]]*)\]", sentence)
    choices = [(part,) if index % 2 == 0 else (part, "") for index, part in enumerate(parts)]
    for count, variant in enumerate(product(*choices)):
        if count >= _MAX_VARIANTS:
            return
        yield "".join(variant)


def parse_pattern(sentence: str, slot_of: Callable[[str], Slot | None]) -> list[Pattern]:
    """The patterns of one example sentence.

    Args:
        sentence: Words, `{name}` for a slot (letters right after it may be left out: `{unit}s`), `[words]` optional.
        slot_of: Gives the slot of that name; a sentence with a name that it does not know is no pattern.
    """
    patterns: list[Pattern] = []
    for variant in _variants(sentence):
        elements: list[str | Slot] = []
        endings: dict[str, str] = {}
        for name, ending, words in _PIECE.findall(variant):
            if not name:
                elements += words_of(words)
                continue
            slot = slot_of(name)
            if slot is None:
                return []
            elements.append(slot)
            endings[name] = ending
        if any(isinstance(element, str) or type(element) is not Slot for element in elements):
            patterns.append(Pattern(tuple(elements), endings=endings))
    return patterns


_Cell = tuple[float, tuple[tuple[str, Any], ...], tuple[str, ...]]


def fit(pattern: Pattern, tokens: Sequence[Token], text: str, limit: float = 1.0) -> Fit | None:
    """The cheapest alignment of the utterance with the pattern, or None when it costs more than `limit` per weight."""
    weight = pattern.weight()
    budget = limit * weight
    row: dict[int, _Cell] = {0: (0.0, (), ())}
    for element in (*pattern.elements, None):
        _spread_extras(row, tokens, budget)
        if element is None:
            break
        following: dict[int, _Cell] = {}
        for position, (cost, values, missing) in row.items():
            for end, step, value, absent in _steps(element, tokens, position, text):
                total = cost + step
                if total <= budget and (end not in following or total < following[end][0]):
                    following[end] = (total, values + value, missing + absent)
        row = following
    best = row.get(len(tokens))
    return Fit(best[0] / weight, dict(pattern.given + best[1]), best[2]) if best is not None else None


def _spread_extras(row: dict[int, _Cell], tokens: Sequence[Token], budget: float) -> None:
    """Lets words of the utterance be passed over, each at its cost."""
    for position in range(len(tokens)):
        if position not in row:
            continue
        cost, values, missing = row[position]
        total = cost + _extra_cost(tokens[position].word)
        if total <= budget and (position + 1 not in row or total < row[position + 1][0]):
            row[position + 1] = (total, values, missing)


_Step = tuple[int, float, tuple[tuple[str, Any], ...], tuple[str, ...]]


def _steps(element: str | Slot, tokens: Sequence[Token], position: int, text: str) -> Iterable[_Step]:
    """The ways past one element of a pattern from one place in the utterance."""
    if isinstance(element, Slot):
        if position < len(tokens):
            for fill in element.match(tokens, position, text):
                yield fill.end, fill.cost, ((element.name, fill.value),), ()
        yield position, _MISSING_SLOT, (), ((element.name,) if element.required else ())
        return
    yield position, word_weight(element), (), ()
    if position < len(tokens):
        word = tokens[position].word
        if word == element:
            yield position + 1, 0.0, (), ()
        elif singular(word) == singular(element):
            yield position + 1, 0.05, (), ()
