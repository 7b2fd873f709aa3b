"""The sentences that a router understands, written out: what the recogniser's language model is made of.

Every pattern gives about the same number of sentences, whether its slots hold two values or two hundred, so that no
tool is deaf for being small. Deterministic: the same tools give the same text, so that models can be kept by content.
"""

from __future__ import annotations

from collections.abc import Iterator

from fullduplex.models.cascade.patterns import Pattern, parse_pattern
from fullduplex.models.cascade.router import FOLLOW_UP, Router
from fullduplex.models.cascade.slots import Slot

_PER_PATTERN = 60
_PER_SMALL_TALK = 12
_MOST = 400
_STEPS = (1, 37, 61, 89, 113)
_SHORT = {"what is": "what's", "how is": "how's", "it is": "it's"}


def sentences(router: Router) -> list[str]:
    """All sample sentences of a router's tools and small talk, in lower case."""
    out: list[str] = []
    for entry in router.tools.values():
        for pattern in entry.patterns:
            out += _written_out(pattern, _PER_PATTERN)
        out += _follow_ups(list(entry.slots.values()))
    for patterns in router.talk.values():
        for pattern in patterns:
            out += _written_out(pattern, _PER_SMALL_TALK)
    return out


def _follow_ups(slots: list[Slot]) -> Iterator[str]:
    for slot in slots:
        if not slot.samples():
            continue
        for sentence in FOLLOW_UP[:2]:
            for pattern in parse_pattern(sentence, lambda _, slot=slot: slot):  # type: ignore[misc]
                yield from _written_out(pattern, _PER_PATTERN // 6)


def _written_out(pattern: Pattern, count: int) -> Iterator[str]:
    """The pattern with values in its slots, each value at least once; some with "please", some contracted."""
    samples = {slot.name: slot.samples() for slot in pattern.slots}
    for number in range(min(_MOST, max([count, *map(len, samples.values())]))):
        words = []
        for element in pattern.elements:
            if isinstance(element, str):
                words.append(element)
            elif values := samples[element.name]:
                step = _STEPS[list(samples).index(element.name) % len(_STEPS)]
                ending = pattern.endings.get(element.name, "") if number % 4 else ""
                words.append(values[number * step % len(values)] + ending)
        sentence = " ".join(words)
        if number % 3 == 1:
            for full, short in _SHORT.items():
                sentence = sentence.replace(full, short, 1)
        if number % 8 == 5:
            sentence = f"{sentence} please" if number % 16 == 5 else f"please {sentence}"
        yield sentence
