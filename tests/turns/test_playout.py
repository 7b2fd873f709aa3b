"""What was heard of an answer: how far its audio was played, and which of its words that makes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.turns.interruption import cut
from fullduplex.turns.playout import PATIENCE_S, PlayoutCursor
from fullduplex.types.live import Transcription
from fullduplex.types.playout import Heard, PlayoutReport

CHUNK = 0.04


def said(cursor: PlayoutCursor, text: str, words: list[dict[str, Any]] | None = None) -> None:
    cursor.said(Transcription(text=text, words=words), False)


def finished(cursor: PlayoutCursor, text: str, words: list[dict[str, Any]] | None = None) -> None:
    cursor.said(Transcription(text=text, words=words, finished=True), True)


def report(cursor: PlayoutCursor, ms: float, now: float, cleared: bool | None = None, response: str = "r1") -> bool:
    return cursor.report(PlayoutReport(response_id=response, played_ms=ms, cleared=cleared), now)


def spoken(*words: tuple[str, int], response: str = "r1", start: float = 0.0) -> PlayoutCursor:
    """An answer as Mock Live gives it: the chunk in which a word begins, the word, the rest of its chunks."""
    cursor = PlayoutCursor()
    now = start
    for word, chunks in words:
        for index in range(chunks):
            cursor.audio(response, CHUNK, now)
            if not index:
                said(cursor, word)
            now += CHUNK
    return cursor


def played(cursor: PlayoutCursor, ms: float, response: str = "r1") -> Heard:
    """What was heard when the player was cleared after `ms`."""
    report(cursor, 0, 100.0, response=response)
    cursor.interrupted(100.0)
    assert report(cursor, ms, 100.1, cleared=True, response=response)
    return cursor.heard(100.1)


# -- how far --------------------------------------------------------------------------------------------------------


def test_without_a_response_nothing_was_heard() -> None:
    cursor = PlayoutCursor()
    assert cursor.heard(0.0) == Heard()
    said(cursor, "only text")
    cursor.interrupted(1.0)
    assert (cursor.heard(1.0), cursor.awaits_player, cursor.deadline) == (Heard(), False, None)


def test_without_a_player_the_audio_plays_from_its_arrival_in_real_time() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 1.0, 10.0)
    cursor.audio("r1", 1.0, 10.1)
    assert cursor.heard(10.5) == Heard(response_id="r1", played_ms=500.0, estimated=True)
    assert cursor.heard(13.0).played_ms == 2000.0
    cursor.audio("r1", 1.0, 15.0)  # after a gap
    assert cursor.heard(15.25).played_ms == 2250.0


def test_the_agent_speaks_from_its_first_audio_to_the_end_of_the_turn() -> None:
    cursor = PlayoutCursor()
    for end in (cursor.turn_complete, cursor.interrupted):
        assert not cursor.speaking
        cursor.audio("r1", 1.0, 0.0)
        assert cursor.speaking
        end(0.5)
    assert not cursor.speaking


def test_a_report_goes_before_the_estimate_and_is_carried_on_for_a_quarter_of_a_second() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    assert cursor.heard(0.4).estimated
    report(cursor, 100, 0.4)
    assert cursor.heard(0.4) == Heard(response_id="r1", played_ms=100.0)
    assert cursor.heard(0.5).played_ms == 200.0
    assert cursor.heard(9.0).played_ms == 350.0


@pytest.mark.parametrize("standing", [0.0, 500.0])
def test_a_player_that_stands_still_is_not_carried_on(standing: float) -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, standing, 0.5)
    report(cursor, standing, 0.6)
    assert cursor.heard(0.7).played_ms == standing


def test_what_is_carried_on_never_passes_what_was_sent() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 0.5, 0.0)
    report(cursor, 400, 0.5)
    assert cursor.heard(0.7).played_ms == 500.0


@pytest.mark.parametrize(
    ("ms", "response", "expected"),
    [
        (900.0, "r1", 500.0),
        (-5.0, "r1", 300.0),
        (100.0, "r1", 300.0),
        (math.nan, "r1", 300.0),
        (math.inf, "r1", 300.0),
        (450.0, "elsewhere", 300.0),
    ],
)
def test_a_report_that_cannot_be_is_clamped_or_ignored(ms: float, response: str, expected: float) -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 0.5, 0.0)
    report(cursor, 300, 0.3)
    assert report(cursor, ms, 0.3, response=response) is False
    assert cursor.heard(0.3).played_ms == expected
    assert cursor.heard(0.4).played_ms == min(expected + 100, 500), "the player goes on"


def test_a_report_that_was_long_on_its_way_does_not_take_back_what_was_told() -> None:
    cursor = spoken(("One ", 10), ("two", 10))
    report(cursor, 200, 1.0)
    assert cursor.heard(1.25) == Heard(response_id="r1", text="One", played_ms=450.0)
    report(cursor, 250, 1.25)
    assert cursor.heard(1.25).played_ms == 450.0
    cursor.interrupted(1.3)
    assert report(cursor, 260, 1.4, cleared=True)
    assert cursor.heard(1.4).played_ms == 260.0, "a clear is exact"


# -- interruptions --------------------------------------------------------------------------------------------------


def test_without_a_player_the_estimate_is_final_at_the_interruption() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    cursor.interrupted(0.5)
    assert not cursor.awaits_player
    assert cursor.heard(3.0) == Heard(response_id="r1", played_ms=500.0, estimated=True)
    assert report(cursor, 100, 0.6, cleared=True) is False
    assert cursor.heard(3.0).played_ms == 500.0


def test_the_player_says_where_it_was_cleared() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4)
    cursor.interrupted(0.5)
    assert (cursor.awaits_player, cursor.deadline) == (True, 0.5 + PATIENCE_S)
    assert cursor.heard(0.6).played_ms == 400.0
    assert report(cursor, 350, 0.6) is False
    assert report(cursor, 370, 0.7, cleared=True) is True
    assert (cursor.awaits_player, cursor.deadline) == (False, None)
    assert cursor.heard(9.0) == Heard(response_id="r1", played_ms=370.0)
    assert report(cursor, 900, 0.8, cleared=True) is False
    assert cursor.heard(9.0).played_ms == 370.0


def test_a_player_that_says_nothing_is_waited_for_until_the_deadline() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4)
    cursor.interrupted(0.5)
    assert cursor.heard(0.5 + PATIENCE_S).played_ms == 400.0
    assert not cursor.awaits_player
    assert report(cursor, 350, 1.1, cleared=True) is False
    assert cursor.heard(1.1).played_ms == 400.0


def test_a_report_itself_may_come_after_the_deadline() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4)
    cursor.interrupted(0.5)
    assert report(cursor, 310, 2.0, cleared=True) is False
    assert cursor.heard(2.0).played_ms == 400.0


def test_a_player_that_was_cleared_before_the_interruption_is_not_waited_for() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4, cleared=True)
    cursor.audio("r1", 2.0, 0.5)
    cursor.interrupted(0.6)
    assert not cursor.awaits_player
    assert cursor.heard(0.6).played_ms == 300.0


def test_a_player_that_reported_once_is_waited_for_in_every_response() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 0.1, 0.0)
    report(cursor, 100, 0.2)
    cursor.turn_complete(0.3)
    cursor.audio("r2", 1.0, 5.0)
    cursor.interrupted(5.2)
    assert cursor.awaits_player
    assert cursor.heard(5.2) == Heard(response_id="r2", played_ms=200.0, estimated=True)
    assert report(cursor, 120, 5.3, cleared=True, response="r2")
    assert cursor.heard(5.3) == Heard(response_id="r2", played_ms=120.0)


def test_an_interruption_that_is_said_twice_and_the_end_of_its_turn_change_nothing() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4)
    cursor.interrupted(0.5)
    cursor.interrupted(0.6)
    cursor.turn_complete(0.6)
    cursor.interrupted(0.7)
    assert cursor.deadline == 0.5 + PATIENCE_S
    assert report(cursor, 320, 0.7, cleared=True)
    assert cursor.heard(0.8).played_ms == 320.0


def test_the_next_answer_may_begin_while_the_player_is_waited_for() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    report(cursor, 300, 0.4)
    cursor.interrupted(0.5)
    cursor.turn_complete(0.5)
    cursor.audio("r2", 1.0, 0.6)
    assert report(cursor, 370, 0.7, cleared=True)
    assert cursor.heard(0.7) == Heard(response_id="r1", played_ms=370.0)
    assert report(cursor, 50, 0.7, response="r2") is False
    cursor.turn_complete(0.8)
    assert cursor.heard(0.8).response_id == "r2"


def test_an_answer_that_still_plays_after_its_turn_can_be_interrupted() -> None:
    cursor = spoken(("One ", 25), ("two", 25))
    cursor.turn_complete(0.5)
    report(cursor, 600, 0.6)
    cursor.interrupted(0.6)
    assert report(cursor, 610, 0.7, cleared=True)
    assert cursor.heard(0.7) == Heard(response_id="r1", text="One", played_ms=610.0)


def test_an_answer_still_plays_from_the_end_of_its_turn_until_it_was_played_or_broken_off() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    assert cursor.still_plays(0.1) is None, "it has not ended"
    cursor.turn_complete(0.1)
    assert (cursor.still_plays(0.1), cursor.still_plays(1.9)) == ("r1", "r1")
    assert cursor.still_plays(1.97) is None
    report(cursor, 1000, 2.0, cleared=True)
    assert cursor.still_plays(9.0) == "r1", "the rest was thrown away"
    cursor.interrupted(9.0)
    assert cursor.still_plays(9.0) is None
    assert not cursor.awaits_player


def test_an_answer_plays_no_longer_when_the_next_one_begins() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 2.0, 0.0)
    cursor.turn_complete(0.1)
    cursor.audio("r2", 2.0, 0.2)
    assert cursor.still_plays(0.2) is None


def test_a_text_answer_after_a_spoken_one_was_not_heard() -> None:
    cursor = spoken(("One", 1))
    cursor.turn_complete(1.0)
    assert cursor.heard(2.0).text == "One"
    cursor.interrupted(3.0)
    assert cursor.heard(3.0) == Heard()


def test_an_answer_waits_in_the_player_until_the_one_before_it_was_played() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 1.0, 0.0)
    cursor.turn_complete(0.1)
    cursor.audio("r2", 1.0, 0.2)
    assert cursor.heard(0.9).played_ms == 0.0
    assert cursor.heard(1.5) == Heard(response_id="r2", played_ms=500.0, estimated=True)


def test_an_interruption_empties_the_player() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 9.0, 0.0)
    cursor.interrupted(0.1)
    cursor.audio("r2", 1.0, 0.2)
    assert cursor.heard(0.5).played_ms == 300.0


# -- which words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, ""), (190, ""), (210, "One"), (500, "One"), (590, "One"), (610, "One two,"), (1190, "One two,  three")],
)
def test_a_word_counts_when_more_than_half_of_it_was_heard(ms: float, text: str) -> None:
    cursor = spoken(("One ", 10), ("two,  ", 10), ("three ", 10), ("four", 10))
    assert played(cursor, ms).text == text


def test_an_answer_that_was_played_to_its_end_was_heard_to_its_last_word() -> None:
    cursor = spoken(("One ", 10), ("two", 1))
    cursor.turn_complete(0.4)
    report(cursor, 440, 0.5)
    assert cursor.heard(0.5).text == "One two"


def test_the_last_word_of_an_answer_that_was_broken_off_is_not_over_with_its_audio() -> None:
    cursor = spoken(("One ", 10), ("extraordinarily", 3))
    assert played(cursor, 520).text == "One"


@pytest.mark.parametrize(("ms", "text"), [(590, "One"), (610, "One two")])
def test_words_that_come_before_their_audio_begin_in_the_chunk_that_follows(ms: float, text: str) -> None:
    cursor = PlayoutCursor()
    for word in ("One ", "two ", "three"):
        said(cursor, word)
        for _ in range(10):
            cursor.audio("r1", CHUNK, 0.0)
    assert played(cursor, ms).text == text


def test_the_space_may_stand_before_a_word() -> None:
    cursor = spoken(("One", 10), (" two", 10), (" three", 10))
    assert played(cursor, 610).text == "One two"


@pytest.mark.parametrize(("ms", "text"), [(230, "One"), (250, "One two"), (430, "One two"), (450, "One two three")])
def test_several_words_in_one_piece_share_its_time_by_their_length(ms: float, text: str) -> None:
    cursor = spoken(("One two three four ", 19), ("five", 10))  # 40 ms a character
    assert played(cursor, ms).text == text


@pytest.mark.parametrize("end", [False, True])
def test_text_that_comes_before_all_audio_is_spread_over_it(end: bool) -> None:
    cursor = PlayoutCursor()
    said(cursor, "aaaa bbbb ")
    said(cursor, "cccc dddd ")
    if end:
        finished(cursor, "aaaa bbbb cccc dddd ")
    for _ in range(100):
        cursor.audio("r1", CHUNK, 0.0)
    cursor.turn_complete(0.0)
    report(cursor, 1600, 0.1)
    assert cursor.heard(0.1).text == "aaaa bbbb"


def test_before_the_whole_audio_has_come_a_speaking_rate_is_assumed() -> None:
    cursor = PlayoutCursor()
    said(cursor, "word " * 60)  # 20 s at 15 characters a second
    cursor.audio("r1", 4.0, 0.0)
    assert played(cursor, 4000).text == ("word " * 12).rstrip()


def test_a_whole_segment_that_differs_from_its_pieces_is_right() -> None:
    cursor = spoken(("won ", 10), ("to ", 10), ("free ", 10))
    finished(cursor, "One two three ")
    assert played(cursor, 610).text == "One two"


def test_segments_stand_apart_by_a_space() -> None:
    cursor = spoken(("One.", 10))
    finished(cursor, "One.")
    for word in ("Two", " three"):
        for index in range(10):
            cursor.audio("r1", CHUNK, 0.0)
            if not index:
                said(cursor, word)
    assert played(cursor, 750).text == "One. Two"


def test_a_script_without_spaces_is_cut_between_its_characters() -> None:
    assert played(spoken(("今日は。晴れ", 6), ("です。", 10)), 100).text == "今日"


def test_an_answer_without_transcript_has_no_text() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 1.0, 0.0)
    assert played(cursor, 500) == Heard(response_id="r1", played_ms=500.0)


def test_the_whole_transcript_may_come_after_the_turn() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 4.0, 0.0)
    cursor.turn_complete(0.1)
    finished(cursor, "aaaa bbbb cccc dddd")
    assert cursor.heard(2.0).text == "aaaa bbbb"
    cursor.audio("r2", 1.0, 10.0)
    assert cursor.heard(10.5).text is None


def test_words_after_an_answer_that_had_its_own_are_those_of_the_next() -> None:
    cursor = spoken(("One ", 10))
    cursor.turn_complete(0.4)
    said(cursor, "Two ")
    assert cursor.heard(1.0).text == "One"
    cursor.audio("r2", 1.0, 2.0)
    cursor.turn_complete(2.0)
    assert cursor.heard(4.0) == Heard(response_id="r2", text="Two", played_ms=1000.0, estimated=True)


def test_words_that_come_after_an_interruption_were_not_heard() -> None:
    cursor = spoken(("One ", 10), ("two ", 10))
    cursor.interrupted(5.0)
    said(cursor, "three")
    assert cursor.heard(5.2).text == "One two"
    cursor.audio("r2", 1.0, 6.0)
    assert cursor.heard(6.5) == Heard(response_id="r2", played_ms=500.0, estimated=True)


def test_words_of_a_turn_without_audio_are_not_those_of_the_next_answer() -> None:
    cursor = PlayoutCursor()
    said(cursor, "silent")
    cursor.turn_complete(0.0)
    cursor.audio("r1", 1.0, 1.0)
    assert cursor.heard(3.0).text is None


def test_the_times_of_the_last_words_may_lie_beyond_the_audio() -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 1.0, 0.0)
    said(cursor, "One two", timed(("One", "0s", "0.5s"), ("two", "0.9s", "2s")))
    cursor.turn_complete(0.0)
    assert [cursor.heard(now).text for now in (0.99, 1.0)] == ["One", "One two"]


def timed(*words: tuple[str, str, str], style: tuple[str, str, str] = ("word", "startOffset", "endOffset")) -> list:
    return [dict(zip(style, word, strict=True)) for word in words]


@pytest.mark.parametrize(
    "style", [("word", "startOffset", "endOffset"), ("text", "start_offset", "end_offset"), ("word", "start", "end")]
)
@pytest.mark.parametrize(("ms", "text"), [(80, ""), (130, "One,"), (1050, "One,"), (1150, "One, two")])
def test_a_backends_own_word_times_go_before(style: tuple[str, str, str], ms: float, text: str) -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", 4.0, 0.0)
    said(
        cursor,
        "One, two three",
        timed(("One", "0s", "0.2s"), ("two", "1.0s", "1.2s"), ("three", "2s", "3s"), style=style),
    )
    assert played(cursor, ms).text == text


def test_word_times_may_come_with_the_whole_or_with_all_words_so_far() -> None:
    times = timed(("One", "0s", "0.2s"), ("two", "3.0s", "3.2s"))
    for whole in (False, True):
        cursor = PlayoutCursor()
        cursor.audio("r1", 4.0, 0.0)
        said(cursor, "One ")
        (finished if whole else said)(cursor, "One two" if whole else "two", times)
        assert played(cursor, 3120).text == "One two"


@pytest.mark.parametrize(
    "words",
    [
        timed(("Other", "0s", "9s"), ("words", "9s", "9s")),
        timed(("One", "0.3s", "0.4s"), ("two", "0.1s", "0.2s")),
        timed(("One", "300s", "301s"), ("two", "302s", "303s")),
        timed(("One", "soon", "later"), ("two", "nan", "2s")),
        [{"word": 5, "startOffset": []}, {}],
        timed(("One", "9s", "9s")),
    ],
)
def test_unusable_word_times_are_not_used(words: list[dict[str, Any]]) -> None:
    cursor = PlayoutCursor()
    cursor.audio("r1", CHUNK, 0.0)
    said(cursor, "One two ", words)
    for _ in range(9):
        cursor.audio("r1", CHUNK, 0.0)
    cursor.audio("r1", CHUNK, 0.0)
    said(cursor, "three")
    assert played(cursor, 250).text == "One"


# -- in general -----------------------------------------------------------------------------------------------------

answers = st.lists(st.tuples(st.text("ab", min_size=1, max_size=9), st.integers(1, 25)), min_size=1, max_size=12)


@given(answers, st.data())
def test_the_last_word_heard_is_exact_but_for_cuts_at_the_very_edge(answer: list[tuple[str, int]], data) -> None:
    words = [(f"{word}{number} ", chunks) for number, (word, chunks) in enumerate(answer)]
    cursor = spoken(*words)
    if data.draw(st.booleans()):
        cursor.turn_complete(99.0)
        words_known = words
    else:
        words_known = words[:-1]  # nobody knows how long the last one would have been
    ends = [sum(chunks for _, chunks in words[: index + 1]) * 40 for index in range(len(words))]
    middles = [end - chunks * 20 for end, (_, chunks) in zip(ends, words, strict=True)]
    position = data.draw(st.integers(0, ends[len(words_known) - 1] if words_known else 0))
    report(cursor, 0, 100.0)
    report(cursor, position, 100.1, cleared=True)
    told = cursor.heard(100.1).text or ""
    exact = [
        "".join(word for (word, _), middle in zip(words_known, middles, strict=False) if middle < position + slack)
        for slack in (-30, 0, 30)
    ]
    assert told in {text.rstrip() for text in exact}
    if all(abs(position - middle) > 1 for middle in middles):
        assert told == exact[1].rstrip()


steps = st.lists(
    st.tuples(
        st.sampled_from(["audio", "words", "segment", "report", "look"]),
        st.floats(0.0, 0.5),
        st.floats(-100.0, 5000.0),
    ),
    max_size=60,
)


@given(steps, st.booleans())
def test_what_is_heard_only_grows_and_never_passes_what_was_sent(script, with_player: bool) -> None:
    cursor = PlayoutCursor()
    now, sent, text, segment = 0.0, 0.0, "", ""
    cursor.audio("r1", 0.0, now)
    if with_player:
        report(cursor, 0, now)
    before = Heard(played_ms=0.0)
    for number, (step, seconds, ms) in enumerate(script):
        now += seconds
        if step == "audio":
            sent += seconds
            cursor.audio("r1", seconds, now)
        elif step == "words":
            segment += f"w{number} "
            said(cursor, f"w{number} ")
        elif step == "segment" and segment:
            finished(cursor, segment)
            text, segment = text + segment, ""
        elif step == "report" and with_player:
            report(cursor, ms, now)
        heard = cursor.heard(now)
        assert before.played_ms - 0.01 <= heard.played_ms <= sent * 1000 + 0.01
        assert (text + segment).startswith(heard.text or "")
        assert (heard.text or "").startswith(before.text or "")
        assert heard.estimated is (None if with_player else True)
        before = heard


@given(st.lists(st.tuples(st.sampled_from("atifrchsw"), st.floats(0, 0.4), st.integers(0, 4)), max_size=60))
def test_no_order_of_calls_breaks_it(script) -> None:
    cursor = PlayoutCursor()
    now = 0.0
    for step, seconds, number in script:
        now += seconds
        match step:
            case "a":
                cursor.audio(f"r{number}", seconds, now)
            case "t":
                cursor.turn_complete(now)
            case "i":
                cursor.interrupted(now)
            case "f":
                finished(cursor, "so be it")
            case "w":
                said(cursor, "so ")
            case "r" | "c":
                awaited = cursor.awaits_player and now < (cursor.deadline or 0.0)
                settled = report(cursor, seconds * 1000, now, cleared=step == "c", response=f"r{number}")
                assert not settled or (awaited and step == "c" and not cursor.awaits_player)
            case _:
                heard = cursor.heard(now)
                assert (heard.response_id is None) == (heard.played_ms is None)
        assert cursor.awaits_player == (cursor.deadline is not None)
    cursor.heard(now + 1)
    assert not cursor.awaits_player


# -- cutting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "parts"),
    [
        ("", ["", ""]),
        ("One", ["One", ""]),
        ("One two.", ["One two.", ""]),
        ("One two. Three", ["One two.", "Three"]),
        ("One two. Three  four.", ["One two.", "Three  four. "]),
    ],
)
def test_texts_are_cut_at_the_last_word_heard(heard: str, parts: list[str]) -> None:
    assert cut(["One two.", "Three  four. "], heard) == parts


@given(st.lists(st.text(" \nab", min_size=1), max_size=5), st.integers(0, 40))
def test_a_cut_is_a_prefix_of_all(texts: list[str], length: int) -> None:
    heard = " ".join(texts)[:length].rstrip()
    parts = cut(texts, heard)
    assert all(text.startswith(part) for text, part in zip(texts, parts, strict=True))
    assert "".join("".join(parts).split()) == "".join(heard.split())
