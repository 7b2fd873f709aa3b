"""One speaks at a time: who has the floor, who waits, and what an interruption drops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.floor import Floor, Kind

SPEECH, END, CUT, OTHER = Kind.SPEECH, Kind.END, Kind.INTERRUPTION, Kind.OTHER


class Talk:
    """A floor that is spoken to in short: `a1` is the first piece of a's speech."""

    def __init__(self, **options: float) -> None:
        self.floor: Floor[str] = Floor(**options)
        self.heard: list[str] = []

    def __call__(self, *items: str, seconds: float = 1.0) -> list[str]:
        """What passes of these: `a.` ends a's turn, `a!` interrupts it, `a?` is something else."""
        before = len(self.heard)
        for item in items:
            kind = {".": END, "!": CUT, "?": OTHER}.get(item[1:], SPEECH)
            for said in self.floor.take(item[0], item, kind, seconds if kind is SPEECH else 0.0):
                self.heard.append(f"({said.item})" if said.quiet else said.item)
        return self.heard[before:]


def test_the_first_that_speaks_is_heard_at_once_and_the_second_after_it() -> None:
    talk = Talk()
    assert talk("a1", "b1", "a2", "b2", "b.") == ["a1", "a2"]
    assert talk.floor.holder == "a"
    assert talk("a.") == ["a.", "b1", "b2", "b."]
    assert talk.floor.holder is None


def test_who_is_not_at_its_end_yet_has_the_floor_next() -> None:
    talk = Talk()
    talk("a1", "b1")
    assert talk("a.") == ["a.", "b1"]
    assert talk("a2", "b2") == ["b2"]
    assert talk("b.") == ["b.", "a2"]


def test_those_that_wait_follow_in_the_order_in_which_they_began() -> None:
    talk = Talk()
    talk("a1", "c1", "b1", "c.", "b.", "b2")
    assert talk("a.") == ["a.", "c1", "c.", "b1", "b.", "b2"]
    assert talk.floor.holder == "b"


def test_what_is_no_speech_waits_only_behind_its_own_speakers_speech() -> None:
    talk = Talk()
    assert talk("a1", "b?", "b1", "b?", "c?") == ["a1", "b?", "c?"]
    assert talk("a.") == ["a.", "b1", "b?"]


def test_the_end_of_a_turn_in_which_nothing_was_said_waits_too() -> None:
    talk = Talk()
    assert talk("a1", "b?", "b.") == ["a1", "b?"]
    assert talk("a.") == ["a.", "b."]
    assert talk("c1") == ["c1"]


def test_an_interruption_drops_all_speech_that_waits_and_the_rest_of_it() -> None:
    talk = Talk()
    talk("a1", "b1", "b?", "c1", "c.")
    assert talk("a!") == ["a!", "b?", "c."]
    assert talk("b2", "b.") == ["b."]
    assert talk("b3", "c2") == ["b3"]


def test_a_user_who_wants_silence_is_not_told_what_waits() -> None:
    talk = Talk()
    talk("a1", "b1", "b?")
    assert [said.item for said in talk.floor.hush()] == ["b?"]
    assert talk("a2", "b2", "c1") == ["c1"]
    assert talk("a.", "b.", "c.", "a3") == ["c.", "a.", "b.", "a3"]


def test_an_interruption_of_what_nobody_heard_concerns_nobody() -> None:
    talk = Talk()
    assert talk("a1", "b1", "b!", "b2") == ["a1", "(b!)"]
    assert talk("c!") == ["(c!)"]
    assert talk.floor.holder == "a"
    assert talk("a.") == ["a."]
    assert talk("b.", "b3") == ["b.", "b3"]


def test_an_interruption_when_nobody_speaks_is_told() -> None:
    assert Talk()("a!") == ["a!"]


def test_who_leaves_makes_room() -> None:
    talk = Talk()
    talk("a1", "b1", "c1")
    assert [said.item for said in talk.floor.leave("b")] == []
    assert [said.item for said in talk.floor.leave("a")] == ["c1"]
    assert talk.floor.holder == "c"


def test_who_waits_too_long_loses_the_rest_of_its_turn() -> None:
    talk = Talk(max_s=2.5)
    talk("a1", "b1", "b2", "b3", "b4", "b.")
    assert talk.floor.dropped == 1
    assert talk("a.") == ["a.", "b1", "b2", "b."]
    assert talk("b5") == ["b5"]


@pytest.mark.spec(136)
@given(st.lists(st.sampled_from([f"{who}{what}" for who in "abc" for what in "1.?!"]), max_size=60))
def test_turns_are_never_mixed_and_everybody_stays_in_order(items: list[str]) -> None:
    talk = Talk()
    speaker = None
    for item in talk(*items):
        if item[1:] == "1":
            assert speaker in (None, item[0]), f"{item} in the middle of {speaker}'s turn"
            speaker = item[0]
        elif item[1:] in (".", "!"):
            speaker = None if speaker == item[0] else speaker
    for who in "abc":
        told = [item.strip("()") for item in talk.heard if item.strip("()")[0] == who]
        own = iter(item for item in items if item[0] == who)
        assert all(item in own for item in told), "in their own order"
