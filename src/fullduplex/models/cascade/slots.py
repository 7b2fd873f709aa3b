"""What a pattern's `{slot}` may hold: numbers, alternatives, places, free text, read from a parameter's schema.

A slot finds its value in an utterance (`match`) and lists sample phrases for the recogniser's language model
(`samples`). It never guesses: a value that was not said is not filled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fullduplex.models.cascade.numbers import number_words, parse_number
from fullduplex.models.cascade.places import PLACES
from fullduplex.models.cascade.text import Token, words_of

PLACE_SLOTS = frozenset({"city", "country", "place", "location", "town"})
"""Names of string parameters that are taken to hold a place, so that the recogniser learns the names of places."""

_MAX_FREE_WORDS = 12
_UNKNOWN_COST = 0.35
_FREE_WORD_COST = 0.02
_ARTICLE_COST = 0.5  # "an hour" is one hour, but "a timer" is not one of anything
_ROUND_NUMBERS = (*range(110, 200, 10), 125, 150, 250, *range(200, 1000, 100), *range(1000, 6000, 1000))
_SPOKEN_NUMBERS = (*range(101), *_ROUND_NUMBERS)
_TRUE = ("on", "yes", "true")
_FALSE = ("off", "no", "false")


@dataclass(frozen=True, slots=True)
class Fill:
    """A value found at a place in the utterance: words up to `end` (exclusive), and what it costs to believe it."""

    end: int
    value: Any
    cost: float = 0.0


def singular(word: str) -> str:
    """A crude stem, so that "minutes" and "minute" are the same word."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class Slot:
    """Free text: any words up to the next word of the pattern, as they were written."""

    def __init__(self, name: str, required: bool) -> None:
        self.name = name
        self.required = required

    def match(self, tokens: Sequence[Token], start: int, text: str) -> list[Fill]:
        """All values that may begin at `tokens[start]`, with the words each takes."""
        ends = range(start + 1, min(len(tokens), start + _MAX_FREE_WORDS) + 1)
        return [
            Fill(end, text[tokens[start].start : tokens[end - 1].end], _FREE_WORD_COST * (end - start)) for end in ends
        ]

    def samples(self) -> list[str]:
        """Phrases that people may say here; empty when nobody can know."""
        return []

    @property
    def example(self) -> str:
        """One phrase to show to people."""
        samples = self.samples()
        return samples[0] if samples else self.name.replace("_", " ")


class NumberSlot(Slot):
    """A number, in digits or in words. `named` are phrases of which the first that is a number is shown to people."""

    def __init__(self, name: str, required: bool, whole: bool, named: Sequence[str] = ()) -> None:
        super().__init__(name, required)
        self.whole = whole
        self._named = next((phrase for phrase in named if parse_number(words_of(phrase), 0)), "five")

    def match(self, tokens: Sequence[Token], start: int, text: str) -> list[Fill]:
        words = [token.word for token in tokens]
        found = parse_number(words, start)
        if found is None:
            if words[start] in {"a", "an"}:
                return [Fill(start + 1, 1 if self.whole else 1.0, _ARTICLE_COST)]
            return []
        value, end = found
        if self.whole and not isinstance(value, int):
            if not value.is_integer():
                return []
            value = int(value)
        return [Fill(end, value)]

    def samples(self) -> list[str]:
        return [number_words(value) for value in _SPOKEN_NUMBERS]

    @property
    def example(self) -> str:
        return self._named


class ChoiceSlot(Slot):
    """One of some phrases; `open` lets other words through at a cost, as free text."""

    def __init__(self, name: str, required: bool, choices: Mapping[str, Any], *, open_ended: bool = False) -> None:
        super().__init__(name, required)
        self.choices = dict(choices)
        self.open_ended = open_ended
        self._by_words = {tuple(singular(word) for word in words_of(phrase)): phrase for phrase in choices}
        self._longest = max((len(words) for words in self._by_words), default=0)

    def match(self, tokens: Sequence[Token], start: int, text: str) -> list[Fill]:
        found: list[Fill] = []
        for end in range(start + 1, min(len(tokens), start + self._longest) + 1):
            phrase = self._by_words.get(tuple(singular(token.word) for token in tokens[start:end]))
            if phrase is not None:
                found.append(Fill(end, self.choices[phrase]))
        if self.open_ended:
            known = {fill.end for fill in found}
            free = super().match(tokens, start, text)
            found += [Fill(f.end, f.value, f.cost + _UNKNOWN_COST) for f in free if f.end not in known]
        return found

    def samples(self) -> list[str]:
        return [" ".join(words_of(phrase)) for phrase in self.choices]

    @property
    def example(self) -> str:
        return next(iter(self.choices))


_PLACE_CHOICES = {"Tokyo": "Tokyo", **{name: name for name in PLACES}}
_SUCH_AS = re.compile(r"(?:such as|for example|e\.g\.)[:,]?\s+([^.;\n]+)", re.IGNORECASE)


def named_examples(description: str) -> list[str]:
    """The words after "such as" or "for example" in a parameter's description."""
    found = _SUCH_AS.search(description)
    if not found:
        return []
    parts = re.split(r",\s*(?:or\s+|and\s+)?|\s+or\s+|\s+and\s+", found.group(1))
    return [part.strip(" \"'`") for part in parts if part.strip(" \"'`")]


def slot_for(name: str, schema: Mapping[str, Any], *, required: bool, description: str = "") -> Slot | None:
    """The slot for one parameter of a function declaration; None when it cannot be said (lists, objects).

    Args:
        name: The parameter's name.
        schema: Its schema, types in capitals (Gemini's) or not (JSON Schema's).
        required: Whether a call without it is an error.
        description: What is written about it, where the schema itself has no description.
    """
    kind = str(schema.get("type", "STRING")).upper()
    enum = schema.get("enum")
    about = str(schema.get("description") or description)
    if enum:
        return ChoiceSlot(name, required, {str(item).replace("_", " "): item for item in enum})
    if kind in {"INTEGER", "NUMBER"}:
        return NumberSlot(name, required, kind == "INTEGER", named_examples(about))
    if kind == "BOOLEAN":
        return ChoiceSlot(name, required, {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)})
    if kind != "STRING":
        return None
    known = {phrase: phrase for phrase in named_examples(about)}
    if name in PLACE_SLOTS:
        known = {**_PLACE_CHOICES, **known}
    return ChoiceSlot(name, required, known, open_ended=True) if known else Slot(name, required)
