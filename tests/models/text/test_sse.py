"""Server-sent events, cut in any way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.errors import ModelError
from fullduplex.models import sse
from fullduplex.models.sse import SseReader


def read(*received: bytes) -> list[bytes]:
    reader = SseReader()
    events = [event for piece in received for event in reader.feed(piece)]
    return [*events, *filter(None, [reader.end()])]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_comments_and_other_fields(end: bytes) -> None:
    lines = [
        b": keep-alive",
        b"event: message",
        b"data: one",
        b"",
        b"id: 7",
        b"",
        b"data:two",
        b"data:  three",
        b"",
        b"",
    ]
    assert read(end.join(lines)) == [b"one", b"two\n three"]


def test_the_last_event_counts_without_an_empty_line_behind_it() -> None:
    assert read(b"data: one\n\ndata: two") == [b"one", b"two"]
    assert read(b"data: one\r\n\r\ndata: two\r") == [b"one", b"two"]


def test_the_line_separators_of_unicode_are_text() -> None:
    text = "a\u2028b\u0085c\u000bd".encode()
    assert read(b"data: " + text + b"\n\n") == [text]


@given(st.lists(st.integers(0, 60)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int], end: bytes) -> None:
    stream = end.join([b'data: {"a":1}', b"", b": x", b"data: b", b"data: c", b"", b"data: d", b"", b""])
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[one:other] for one, other in pairwise(places)]
    assert read(*pieces) == [b'{"a":1}', b"b\nc", b"d"]


@pytest.mark.parametrize("piece", [b"x" * 40, b"data: x\n" * 40])
def test_an_event_without_end_is_refused(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MOST_BYTES", 100)
    reader = SseReader()
    with pytest.raises(ModelError, match="more than 100 bytes"):
        _ = [list(reader.feed(piece)) for _ in range(10)]
