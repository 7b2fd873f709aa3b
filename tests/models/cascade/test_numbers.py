"""Numbers in words."""

from __future__ import annotations

import pytest

from fullduplex.models.cascade.numbers import number_words, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("zero", 0),
        ("seventeen", 17),
        ("twenty five", 25),
        ("a hundred", 100),
        ("one hundred and five", 105),
        ("two hundred sixty one", 261),
        ("three thousand two hundred", 3200),
        ("a thousand and one", 1001),
        ("two million five", 2_000_005),
        ("minus twelve", -12),
        ("three point one four", 3.14),
        ("42", 42),
        ("2.5", 2.5),
    ],
)
def test_parse(text: str, value: float) -> None:
    words = text.split()
    assert parse_number(words) == (value, len(words))


@pytest.mark.parametrize(("text", "value", "used"), [("two twenty sided", 2, 1), ("five minutes", 5, 1)])
def test_parse_stops_where_the_number_ends(text: str, value: int, used: int) -> None:
    assert parse_number(text.split()) == (value, used)


@pytest.mark.parametrize("text", ["tokyo", "and five", "point five", ""])
def test_no_number(text: str) -> None:
    assert parse_number(text.split()) is None


@pytest.mark.parametrize("value", [*range(0, 1100, 7), 1001, 3200, 12_345, 2_000_005, -40])
def test_words_read_back(value: int) -> None:
    words = number_words(value).split()
    assert parse_number(words) == (value, len(words))
