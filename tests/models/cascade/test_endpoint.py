"""Start and end of a turn, frame by frame, by hand."""

from __future__ import annotations

import pytest

from fullduplex.models.cascade.endpoint import Edge, Endpointer, EndpointSettings

FRAME = 0.032


def play(endpointer: Endpointer, verdicts: str, start: int = 0) -> list[tuple[int, Edge]]:
    """Feeds `x` (speech) and `.` (silence); the frames at which something changed."""
    edges = [(i, endpointer.feed(char == "x", (i + 1) * FRAME)) for i, char in enumerate(verdicts, start)]
    return [(i, edge) for i, edge in edges if edge is not Edge.NONE]


def test_two_frames_begin_a_turn_and_silence_ends_it() -> None:
    endpointer = Endpointer(EndpointSettings(start=0.064, silence=0.4), FRAME)
    assert play(endpointer, ".x.xx" + "." * 13) == [(4, Edge.STARTED), (17, Edge.ENDED)]
    assert endpointer.started_at == pytest.approx(3 * FRAME)


def test_a_short_pause_does_not_end_it() -> None:
    endpointer = Endpointer(EndpointSettings(silence=0.4), FRAME)
    assert play(endpointer, "xx" + "." * 12 + "x" + "." * 12) == [(1, Edge.STARTED)]
    assert endpointer.in_speech


def test_a_turn_that_never_pauses_is_ended() -> None:
    endpointer = Endpointer(EndpointSettings(max_turn=0.32), FRAME)
    assert play(endpointer, "x" * 10) == [(1, Edge.STARTED), (9, Edge.ENDED)]


def test_clicks_do_not_begin_a_turn() -> None:
    assert play(Endpointer(EndpointSettings(), FRAME), "x.x.x.x.") == []


def test_after_a_turn_the_next_one_begins() -> None:
    endpointer = Endpointer(EndpointSettings(silence=0.064), FRAME)
    assert [edge for _, edge in play(endpointer, "xx..xx..")] == [Edge.STARTED, Edge.ENDED] * 2


def test_reset_forgets_the_turn() -> None:
    endpointer = Endpointer(EndpointSettings(silence=0.064), FRAME)
    play(endpointer, "xx")
    endpointer.reset()
    assert play(endpointer, "....", 2) == []
