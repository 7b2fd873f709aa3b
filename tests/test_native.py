"""The compiled help does what Python does, to the byte, and nothing that only it could do."""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import pickle
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex import native
from fullduplex.events import Event, EventActions
from fullduplex.events.event import voice_event
from fullduplex.models.gemini import chunks
from fullduplex.types import Blob, Content, Part
from fullduplex.types.binary import Base64, framed_base64
from fullduplex.types.live import LiveServerAudio
from fullduplex.types.struct import Message, encode_json
from tests.needs import needs

compiled = pytest.mark.usefixtures("native_module")
START, END = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"', b'"}}],"role":"model"}}}'
MIME = "audio/pcm;rate=24000"


@pytest.fixture
def native_module() -> None:
    needs("fullduplex._native")
    if not native.AVAILABLE:
        pytest.skip("FULLDUPLEX_PURE is set")


texts = st.text(max_size=12) | st.sampled_from(["model", MIME, 'a"b', "a\\b", "tab\t", "\x7f", "é", "\u2028", "😀", ""])
days = st.integers(2**52, 2**53 - 1).map(lambda units: units / 2**22)  # every number that a time of our days can be
times = (
    days
    | days.map(lambda day: round(day, 3))
    | st.floats()
    | st.sampled_from([0.0, -1.0, 1764336727.123456, 1e15, 1e16, 1e-3, 1e-5, 1.0, math.nan, math.inf])
)
pcm = st.binary(max_size=100) | st.integers(0, 2000).map(os.urandom)


def in_python(event: Event) -> str:
    return encode_json(event).decode()


def voice(data: bytes = b"\1\2", **fields: Any) -> Event:
    said = Content(parts=[Part(inline_data=Blob(data=data, mime_type=MIME))], role="model")
    return Event(**{"author": "ada", "invocation_id": "run", "id": "one", "timestamp": 1.5, "content": said, **fields})


# -- base64 --------------------


def test_bytes_of_every_length_are_written_as_the_standard_library_writes_them() -> None:
    for length in range(200):
        data = os.urandom(length)
        frame = bytearray(os.urandom(length))
        assert framed_base64(frame, 3, b"<", data, b">") is frame
        assert frame[3:] == b"<" + base64.urlsafe_b64encode(data) + b">"


@compiled
def test_text_of_every_length_is_read_as_it_was_written() -> None:
    read = chunks._reader(START, END, MIME, "model")
    for length in range(200):
        data = os.urandom(length)
        message = read(START + base64.b64encode(data) + END)
        assert message is not None
        assert data_of(message) == data
        assert type(data_of(message)) is Base64


def data_of(message: LiveServerAudio) -> bytes:
    assert message.server_content is not None
    assert message.server_content.model_turn is not None
    (part,) = message.server_content.model_turn.parts or []
    assert part.inline_data is not None
    assert part.inline_data.data is not None
    return part.inline_data.data


def python_reader(monkeypatch: pytest.MonkeyPatch) -> chunks.Reader:
    monkeypatch.setattr(native, "AVAILABLE", False)
    reader = chunks._reader.__wrapped__(START, END, MIME, "model")
    monkeypatch.undo()
    return reader


@compiled
def test_every_letter_at_every_place_is_judged_as_python_judges_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow = chunks._reader(START, END, MIME, "model"), python_reader(monkeypatch)
    whole = base64.b64encode(bytes(range(45)))
    for place in (0, 1, 15, 16, 30, 47, 56, 57, 58, 59):
        for letter in range(256):
            raw = START + whole[:place] + bytes([letter]) + whole[place + 1 :] + END
            assert fast(raw) == slow(raw), (place, letter)


@given(st.text(alphabet="AZaz09+/-_=\n ", max_size=48).map(str.encode) | pcm.map(base64.b64encode))
def test_what_stands_in_the_place_of_audio_is_read_alike(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        slow = python_reader(patch)
    fast = chunks._reader(START, END, MIME, "model")
    for raw in (START + body + END, START + body + END[:-1], (START + body + END)[1:], body):
        assert fast(raw) == slow(raw)


# -- events --------------------


@given(pcm, texts, texts, texts, texts, texts, times)
def test_an_event_is_written_as_python_writes_it(
    data: bytes, mime_type: str, role: str, author: str, run: str, number: str, timestamp: float
) -> None:
    said = Content(parts=[Part(inline_data=Blob(data=data, mime_type=mime_type))], role=role)
    event = Event(author=author, invocation_id=run, id=number, timestamp=timestamp, content=said)
    assert event.model_dump_json(by_alias=True, exclude_none=True) == in_python(event)


ODD: list[dict[str, Any]] = [
    {"partial": False},
    {"turn_complete": True},
    {"branch": "a.b"},
    {"error_code": "x"},
    {"output": {"a": 1}},
    {"long_running_tool_ids": set()},
    {"custom_metadata": {}},
    {"actions": EventActions(state_delta={"a": 1})},
    {"actions": EventActions(escalate=True)},
    {"content": None},
    {"content": Content(parts=[], role="model")},
    {"content": Content(parts=[Part(text="hi")], role="model")},
    {"content": Content(parts=[Part(inline_data=Blob(data=b"a", mime_type=MIME))])},
    {"content": Content(parts=[Part(inline_data=Blob(data=b"a", mime_type=MIME, display_name="x"))], role="model")},
    {"content": Content(parts=[Part(inline_data=Blob(data=b"a", mime_type=MIME), thought=True)], role="model")},
    {"content": Content(parts=[Part(inline_data=Blob(mime_type=MIME))], role="model")},
    {"content": Content(parts=[Part(inline_data=Blob(data=b"a"))], role="model")},
    {"content": Content(parts=[Part(inline_data=Blob(data=b"a", mime_type=MIME))] * 2, role="model")},
]


@pytest.mark.parametrize("more", ODD)
def test_what_is_more_than_a_chunk_of_voice_is_written_whole(more: dict[str, Any]) -> None:
    event = voice(**more)
    assert event.model_dump_json(by_alias=True, exclude_none=True) == in_python(event)


def test_fields_that_somebody_filled_with_something_else_are_written_as_before() -> None:
    for field, value in (("timestamp", 7), ("id", b"x"), ("author", None), ("node_info", None), ("partial", "yes")):
        event = voice()
        setattr(event, field, value)
        assert event.model_dump_json(by_alias=True, exclude_none=True) == in_python(event)
    event = voice()
    assert event.content is not None
    assert event.content.parts is not None
    event.content.parts[0].inline_data.data = b"\xfb\xff"  # type: ignore[union-attr]  # plain bytes
    assert event.model_dump_json(by_alias=True, exclude_none=True) == in_python(event)


def test_a_class_made_of_events_is_written_as_itself() -> None:
    class Mine(Event):
        mood: str = "good"

    said = voice().content
    mine = Mine(author="ada", invocation_id="run", id="one", timestamp=1.5, content=said, mood="bad")
    assert json.loads(mine.model_dump_json(by_alias=True, exclude_none=True))["mood"] == "bad"


@given(pcm, texts, texts, texts, times.filter(lambda time: not math.isnan(time)), st.none() | texts)
def test_the_event_of_a_chunk_is_the_one_that_python_makes(
    data: bytes, author: str, run: str, number: str, timestamp: float, branch: str | None
) -> None:
    said = Content(parts=[Part(inline_data=Blob(data=data, mime_type=MIME))], role="model")
    made = voice_event(author, run, number, timestamp, said, branch)
    same = Event(author=author, invocation_id=run, id=number, timestamp=timestamp, content=said, branch=branch)
    assert type(made) is Event
    assert made == same
    assert made.content is said
    assert pickle.loads(pickle.dumps(made)) == same


def test_two_events_share_nothing_that_can_change() -> None:
    said = voice().content
    assert said is not None
    one, two = (voice_event("ada", "run", str(number), 1.5, said, None) for number in range(2))
    one.actions.state_delta["mood"] = "good"
    one.node_info.path = "a"
    one.custom_metadata = {"a": 1}
    assert two == Event(author="ada", invocation_id="run", id="1", timestamp=1.5, content=said)


# -- moulds, by themselves --------------------


@compiled
def test_what_cannot_be_an_example_is_refused() -> None:
    for example in (object(), 1, (1,), {"a": 1}, [object()], Event(output=3)):
        with pytest.raises((TypeError, AttributeError)):
            native.Mould(example)
    for holes in ([0, 0], [1, 2], [-1], [99], range(17)):
        with pytest.raises(ValueError, match="holes are numbered"):
            native.Mould([native.Hole(number) for number in holes])
    with pytest.raises(TypeError):
        native.Hole(0, int)  # type: ignore[arg-type]
    for unfit in ((), (b"a",), (b"a", "b"), (b"a", b"\xff"), (b"a", b"b", b"c")):
        with pytest.raises(ValueError, match="texts are ASCII"):
            native.Mould([native.Hole(0)], unfit)  # type: ignore[arg-type]


@compiled
def test_a_mould_says_how_it_is_used() -> None:
    mould = native.Mould([native.Hole(0), None, "a", True, {}])
    assert mould.make(5) == [5, None, "a", True, {}]
    for use in (mould.make, lambda: mould.make(1, 2), lambda: mould.read(b""), lambda: mould.write([])):
        with pytest.raises(TypeError):
            use()
    mould.__init__([1])  # type: ignore[misc]  # it stays as it was made
    assert mould.make(5)[0] == 5
    for unfit in ((bytearray(), 0, b"", "", b""), (b"", 0, b"", b"", b""), (bytearray(), 0, b"", b"")):
        with pytest.raises(TypeError):
            native.framed(*unfit)  # type: ignore[arg-type, call-arg]
    with pytest.raises(ValueError, match="room"):
        native.framed(bytearray(), -1, b"", b"", b"")


@compiled
def test_what_leads_back_to_itself_is_collected() -> None:
    class Inner(Message):
        other: Any = None

    class Outer(Message):
        inner: Inner | None = None

    example = Outer(inner=Inner())
    setattr(example.inner, "other", native.Hole(0))  # noqa: B010  (its type is another)
    made = native.Mould(example).make("nothing yet")
    mark = type("Mark", (), {})()
    gone = weakref.ref(mark)
    made.inner.other = [made, mark]
    del made, mark
    gc.collect()
    assert gone() is None


@compiled
def test_nothing_is_left_behind() -> None:
    read = chunks._reader(START, END, MIME, "model")
    raw, broken = START + base64.b64encode(bytes(1920)) + END, START + b"!" * 2560 + END
    kept = [None, MIME, "model", Base64, Event, Content, b""]

    def work() -> None:
        for _ in range(2000):
            message = read(raw)
            assert message is not None
            assert read(broken) is None
            event = voice_event("ada", "run", "one", 1.5, message.server_content.model_turn, None)  # type: ignore[union-attr, arg-type]
            assert event.model_dump_json(by_alias=True, exclude_none=True)
            event.partial = True
            assert event.model_dump_json(by_alias=True, exclude_none=True)

    work()
    before = [sys.getrefcount(one) for one in kept]
    work()
    assert all(abs(sys.getrefcount(one) - count) < 100 for one, count in zip(kept, before, strict=True))


@compiled
def test_a_msgspec_that_it_does_not_know_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native._fits()
    monkeypatch.setattr(native, "_Sample", dataclass(type("_Sample", (), {"__annotations__": dict.fromkeys("abc")})))
    assert not native._fits()


# -- without it --------------------


def test_everything_works_without_it() -> None:
    root = Path(__file__).parent
    pure = ["events", "types", "models/gemini/test_chunks.py", "models/gemini/test_wire.py", "turns/test_backlog.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *(str(root / one) for one in pure)],
        env={**os.environ, "FULLDUPLEX_PURE": "1"},
        cwd=root.parent,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
