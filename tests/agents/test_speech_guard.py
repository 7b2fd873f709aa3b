"""What a speech guard is: its options, and the ready-made check."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fullduplex import Agent
from fullduplex.agents import SpeechGuard, banned_words


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("An apple a day.", True),
        ("A BOMB!", False),
        ("bombastic, a firebomb", True),
        ("the bomb", False),
        ("Get   lost, please", False),
        ("get it lost", True),
        ("C is fine", True),
        ("use c++", False),
        ("Straße", False),
        ("", True),
    ],
)
def test_banned_words_stand_alone_in_any_case(text: str, passes: bool) -> None:
    check = banned_words(["bomb", "get lost", "C++ ", "straße"])
    assert check(text) is passes


def test_one_banned_word_may_stand_by_itself() -> None:
    check = banned_words("damned")
    assert (check("you damned fool"), check("This is a fine day")) == (False, True)


def test_no_banned_words_ban_nothing_and_an_empty_one_is_refused() -> None:
    assert banned_words([])("anything")
    with pytest.raises(ValueError, match="must not be empty"):
        banned_words(["bomb", " "])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold_ms": -1}, "greater than or equal to 0"),
        ({"hold_ms": 500, "deadline_ms": 400}, "deadline_ms must not be below hold_ms"),
        ({"hold_ms": 0, "strict": True}, "strict needs hold_ms"),
        ({"hold_ms": float("inf")}, "finite"),
        ({"hold": 3}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SpeechGuard(check=banned_words([]), **options)


def test_an_agent_has_none_unless_it_is_given_one() -> None:
    assert Agent(name="guide").speech_guard is None
    guarded = Agent(name="guide", speech_guard=SpeechGuard(check=banned_words(["bomb"])))
    assert guarded.clone().speech_guard is guarded.speech_guard
