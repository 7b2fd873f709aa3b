"""Transcripts of every style come to the same whole: no word lost, none doubled."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fullduplex.turns.transcripts import Transcript
from fullduplex.types import Transcription

words = st.lists(st.text("abcdeé世", min_size=1, max_size=6), min_size=1, max_size=12)


def pieces_of(spoken: list[str]) -> list[str]:
    """Words as a backend streams them: the space comes before the word."""
    return [spoken[0], *(f" {word}" for word in spoken[1:])]


def run(pieces: list[Transcription]) -> tuple[str, list[str]]:
    """The deltas joined, and the finished wholes."""
    side = Transcript()
    deltas, wholes = "", []
    for piece in [*pieces, None]:
        for transcription, finished in side.flush() if piece is None else side.feed(piece):
            assert transcription.finished is finished
            assert transcription.text
            if finished:
                wholes.append(transcription.text)
            else:
                deltas += transcription.text
    assert side.pending == ""
    return deltas, wholes


def cumulative(spoken: list[str]) -> list[str]:
    return list(accumulate(pieces_of(spoken)))


@given(words, st.sampled_from(["no end", "empty end", "end with the last", "end repeats all"]))
def test_deltas(spoken: list[str], end: str) -> None:
    whole = " ".join(spoken)
    pieces = [Transcription(text=text) for text in pieces_of(spoken)]
    if end == "empty end":
        pieces.append(Transcription(finished=True))
    elif end == "end with the last":
        pieces[-1].finished = True
    elif end == "end repeats all":
        pieces.append(Transcription(text=whole, finished=True))
    assert run(pieces) == (whole, [whole])


@given(words, st.sampled_from(["no end", "empty end", "end with the last", "end repeats all"]))
def test_cumulative_pieces(spoken: list[str], end: str) -> None:
    whole = " ".join(spoken)
    pieces = [Transcription(text=text) for text in cumulative(spoken)]
    if end == "empty end":
        pieces.append(Transcription(finished=True))
    elif end == "end with the last":
        pieces[-1].finished = True
    elif end == "end repeats all":
        pieces.append(Transcription(text=whole, finished=True))
    assert run(pieces) == (whole, [whole])


@given(words, st.data())
def test_cumulative_pieces_that_repeat_themselves(spoken: list[str], data: st.DataObject) -> None:
    assume(len(spoken) > 1)
    texts = cumulative(spoken)
    doubled = [text for text in texts[1:] for _ in range(data.draw(st.integers(1, 3)))]
    assert run([Transcription(text=text) for text in [texts[0], *doubled]])[1] == [" ".join(spoken)]


@given(st.lists(words, min_size=1, max_size=4), st.booleans())
def test_one_whole_for_each_utterance(utterances: list[list[str]], grows: bool) -> None:
    pieces = []
    for spoken in utterances:
        pieces += [Transcription(text=text) for text in (cumulative if grows else pieces_of)(spoken)]
        pieces.append(Transcription(finished=True))
    assert run(pieces)[1] == [" ".join(spoken) for spoken in utterances]


def test_a_backend_that_changes_its_mind_about_earlier_words() -> None:
    texts = ["what", "what thyme", "what time is", "what time is it"]
    deltas, wholes = run([Transcription(text=text) for text in texts])
    assert wholes == ["what time is it"]
    assert deltas.startswith("what thyme")


def test_a_coincidence_is_found_out_by_what_follows() -> None:
    # "no" and "not" look cumulative until " a" comes: then all three were pieces.
    assert run([Transcription(text=text) for text in ("no ", "no not", " a chance", " today")])[1] == [
        "no no not a chance today"
    ]
    assert run([Transcription(text=text) for text in ("1", "12", "345", "67")])[1] == ["11234567"]


def test_a_last_message_that_tells_all_again_with_capitals_and_stops() -> None:
    pieces = [
        Transcription(text="it is"),
        Transcription(text=" noon"),
        Transcription(text="It is noon.", finished=True),
    ]
    assert run(pieces) == ("it is noon", ["It is noon."])


def test_the_same_word_said_again_is_said_again() -> None:
    assert run([Transcription(text=text) for text in ("no", " no", " no")])[1] == ["no no no"]
    assert run([Transcription(text=text) for text in ("ha", "ha")])[1] == ["haha"]


@pytest.mark.parametrize("piece", [Transcription(), Transcription(text=""), Transcription(finished=True)])
def test_nothing_said_is_nothing_told(piece: Transcription) -> None:
    assert run([piece]) == ("", [])


def test_language_and_speaker_go_with_the_words() -> None:
    side = Transcript()
    (delta, _), (whole, _) = side.feed(Transcription(text="hi", finished=True, language_code="en", speaker_label="A"))
    assert (delta.language_code, whole.language_code, whole.speaker_label) == ("en", "en", "A")


# -- words that come again ------------------------------------------------------------------------------------------


def told(side: Transcript, *pieces: Transcription) -> list[tuple[str | None, bool]]:
    return [(one.transcription.text, one.finished) for piece in pieces for one in side.feed(piece)]


def test_words_that_come_again_are_told_only_where_they_go_beyond_what_was_told() -> None:
    side = Transcript()
    assert told(side, Transcription(text="what "), Transcription(text="ti")) == [("what ", False), ("ti", False)]
    side.begin_again()
    assert side.pending == ""
    assert told(side, Transcription(text="what "), Transcription(text="time")) == [("me", False)]
    assert told(side, Transcription(text=" is it", finished=True)) == [
        (" is it", False),
        ("what time is it", True),
    ]


def test_after_the_whole_was_told_the_next_words_are_new() -> None:
    side = Transcript()
    told(side, Transcription(text="hello"))
    side.begin_again()
    assert told(side, Transcription(text="hello", finished=True)) == [("hello", True)]
    assert told(side, Transcription(text="hello", finished=True)) == [("hello", False), ("hello", True)]


def test_beginning_again_with_nothing_told_changes_nothing() -> None:
    side = Transcript()
    side.begin_again()
    assert told(side, Transcription(text="hi", finished=True)) == [("hi", False), ("hi", True)]


@given(words, st.lists(st.integers(0, 12), max_size=4), st.booleans())
def test_however_often_they_begin_again_each_word_is_told_once(
    spoken: list[str], losses: list[int], grows: bool
) -> None:
    side = Transcript()
    pieces = [Transcription(text=text) for text in (cumulative if grows else pieces_of)(spoken)]
    deltas = ""
    for length in [*losses, len(pieces)]:
        side.begin_again()
        for piece in pieces[:length]:
            for one in side.feed(piece):
                assert not one.finished
                deltas += one.transcription.text or ""
    wholes = [one.transcription.text for one in side.flush()]
    assert deltas == " ".join(spoken)
    assert wholes == [" ".join(spoken)]
