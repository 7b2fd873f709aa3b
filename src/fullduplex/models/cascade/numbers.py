"""English numbers, from words to values and back.

For the cascade's router (what "twenty five" means) and its language model (how 25 is said). Not a general
parser of quantities: no dates, no fractions, no money.
"""

from __future__ import annotations

from collections.abc import Sequence

_UNIT_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TEN_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
UNITS = {word: value for value, word in enumerate(_UNIT_NAMES.split())}
TENS = {word: value * 10 for value, word in enumerate(_TEN_NAMES.split(), 2)}
_SCALES = {"thousand": 1000, "million": 1_000_000}
_UNIT_WORDS = {value: word for word, value in UNITS.items()}
_TENS_WORDS = {value: word for word, value in TENS.items()}


def _below_hundred(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """Reads "five", "twenty" or "twenty five"; answers (value, end)."""
    if start >= len(words):
        return None
    word = words[start]
    if word in UNITS:
        return UNITS[word], start + 1
    if word not in TENS:
        return None
    if start + 1 < len(words) and 1 <= UNITS.get(words[start + 1], 0) <= 9:
        return TENS[word] + UNITS[words[start + 1]], start + 2
    return TENS[word], start + 1


def _skip_and(words: Sequence[str], start: int) -> int:
    return start + 1 if start < len(words) and words[start] == "and" else start


def _below_thousand(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """Reads "two hundred and five", "a hundred", "ninety nine"; answers (value, end)."""
    if start + 1 < len(words) and words[start] in {"a", "one"} and words[start + 1] == "hundred":
        head: tuple[int, int] | None = (1, start + 1)
    elif start < len(words) and words[start] == "hundred":
        head = (1, start)
    else:
        head = _below_hundred(words, start)
    if head is None:
        return None
    value, end = head
    if end < len(words) and words[end] == "hundred" and value < 100:
        value, end = value * 100, end + 1
        rest = _below_hundred(words, _skip_and(words, end))
        if rest is not None and rest[0] < 100:
            value, end = value + rest[0], rest[1]
    return value, end


def _whole(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """Reads a whole number, "three thousand two hundred" included."""
    if start + 1 < len(words) and words[start] == "a" and words[start + 1] in _SCALES:
        group: tuple[int, int] | None = (1, start + 1)
    else:
        group = _below_thousand(words, start)
    if group is None:
        return None
    total, (value, end) = 0, group
    ceiling = float("inf")
    while end < len(words) and words[end] in _SCALES and _SCALES[words[end]] < ceiling:
        ceiling = _SCALES[words[end]]
        total, value, end = total + value * _SCALES[words[end]], 0, end + 1
        rest = _below_thousand(words, _skip_and(words, end))
        if rest is None:
            break
        value, end = rest
    return total + value, end


def parse_number(words: Sequence[str], start: int = 0) -> tuple[int | float, int] | None:
    """Reads the longest number that begins at `words[start]`.

    Words are lower case. Understands digits ("42", "3.5"), number words ("a hundred and five", "three thousand"),
    "minus"/"negative" in front and "point" with digits behind.

    Returns:
        `(value, end)` with `end` the index after the last word used, or None when no number begins there.
    """
    if start >= len(words):
        return None
    if words[start] in {"minus", "negative", "-"}:
        inner = parse_number(words, start + 1)
        return (-inner[0], inner[1]) if inner is not None and inner[0] >= 0 else None
    first = words[start]
    if first[0].isdigit():
        try:
            return (float(first) if "." in first else int(first)), start + 1
        except ValueError:
            return None
    whole = _whole(words, start)
    if whole is None:
        return None
    value, end = whole
    digits = ""
    position = end + 1
    if end < len(words) and words[end] == "point":
        while position < len(words) and 0 <= UNITS.get(words[position], -1) <= 9:
            digits += str(UNITS[words[position]])
            position += 1
    return (float(f"{value}.{digits}"), position) if digits else (value, end)


def number_words(value: int) -> str:
    """Says a whole number: 125 is "one hundred and twenty five"; below zero begins with "minus"."""
    if value < 0:
        return f"minus {number_words(-value)}"
    if value < 20:
        return _UNIT_WORDS[value]
    if value < 100:
        tens = _TENS_WORDS[value - value % 10]
        return f"{tens} {_UNIT_WORDS[value % 10]}" if value % 10 else tens
    if value < 1000:
        head = f"{_UNIT_WORDS[value // 100]} hundred"
        return f"{head} and {number_words(value % 100)}" if value % 100 else head
    for name, size in (("million", 1_000_000), ("thousand", 1000)):
        if value >= size:
            head = f"{number_words(value // size)} {name}"
            rest = value % size
            if not rest:
                return head
            return f"{head} and {number_words(rest)}" if rest < 100 else f"{head} {number_words(rest)}"
    raise AssertionError("unreachable: every value is below or above a thousand")
