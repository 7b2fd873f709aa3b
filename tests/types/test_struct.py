"""Base64 and the pydantic-shaped methods of `Message`."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.errors import InvalidInput
from fullduplex.events import Event
from fullduplex.sessions import ListSessionsResponse
from fullduplex.types import Blob, Content, FunctionCall, FunctionResponse, Part, Transcription
from fullduplex.types.binary import decode_base64, encode_base64
from fullduplex.types.struct import Message, coerce_list, decoder, encode_json, plain

ALPHABET = set(string.ascii_letters + string.digits + "+/-_=")


@given(st.binary(max_size=300))
def test_base64_goes_out_urlsafe_and_padded(data: bytes) -> None:
    assert encode_base64(data) == base64.urlsafe_b64encode(data).decode()


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_base64_comes_in_in_both_alphabets_padded_or_not(data: bytes, urlsafe: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()
    assert decode_base64(text if padded else text.rstrip("=")) == data


@given(st.text(max_size=40).filter(lambda text: not set(text) <= ALPHABET))
def test_junk_is_no_base64(junk: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_base64(junk)
    assert caught.value.code == "invalid_base64"


@pytest.mark.parametrize("text", ["A", "AAAAA", "AA=A", "=AAA", "A*AA", "AAAA\n", " AAAA", "AAAA====", "AB==CD=="])
def test_misplaced_padding_and_impossible_lengths_are_junk(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_base64(text)


def test_both_ways_to_json_write_the_same_bytes() -> None:
    blob = Blob(data=b"\xff\xef\xbf", mime_type="audio/pcm")
    wire = blob.model_dump_json(by_alias=True, exclude_none=True)
    assert json.loads(wire) == {"data": "_--_", "mimeType": "audio/pcm"}
    assert json.loads(wire) == blob.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert encode_json(blob) == wire.encode()
    assert Blob.model_validate_json(wire) == blob == decoder(Blob).decode(wire)


def test_model_dump_keeps_bytes_and_python_names() -> None:
    part = Part.from_bytes(data=b"ab", mime_type="image/jpeg")
    assert part.model_dump(exclude_none=True) == {"inline_data": {"data": b"ab", "mime_type": "image/jpeg"}}
    assert part.model_dump()["text"] is None
    assert part.model_dump(by_alias=True, exclude_none=True) == {
        "inlineData": {"data": b"ab", "mimeType": "image/jpeg"}
    }


def test_json_may_keep_nulls_and_be_indented() -> None:
    text = FunctionCall(name="f").model_dump_json(indent=2)
    assert json.loads(text)["args"] is None
    assert "\n  " in text


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ({"role"}, {"parts": [{"text": "a"}, {"text": "b"}]}),
        ({"parts": {0}}, {"parts": [{"text": "b"}], "role": "model"}),
        ({"parts": {"__all__": {"text"}}}, {"parts": [{}, {}], "role": "model"}),
        ({"parts": True}, {"role": "model"}),
        ({"parts": {1: ...}, "role": True}, {"parts": [{"text": "a"}]}),
    ],
)
def test_exclude_as_pydantic_has_it(exclude: object, left: object) -> None:
    content = Content(parts=[Part(text="a"), Part(text="b")], role="model")
    assert content.model_dump(exclude_none=True, exclude=exclude) == left
    assert json.loads(content.model_dump_json(by_alias=True, exclude_none=True, exclude=exclude)) == left


def test_defaults_that_are_not_none_are_always_written() -> None:
    assert json.loads(Event(id="1", timestamp=0.0).model_dump_json(by_alias=True, exclude_none=True))["author"] == ""
    assert ListSessionsResponse().model_dump_json(by_alias=True, exclude_none=True) == '{"sessions":[]}'


@pytest.mark.parametrize("text", ["null", "true", "12", "1.5", ""])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert Part.model_validate_json(json.dumps({"text": text})).text == text


def test_validate_takes_both_spellings_and_instances_and_drops_the_unknown() -> None:
    wanted = Part(inline_data=Blob(data=b"a", mime_type="m"))
    assert Part.model_validate({"inlineData": {"data": b"a", "mimeType": "m", "new": 1}, "other": 2}) == wanted
    assert Part.model_validate({"inline_data": {"data": "YQ", "mime_type": "m"}}) == wanted
    assert Part.model_validate(wanted) is wanted
    assert Content.model_validate({"parts": [wanted, {"text": "x"}]}).parts == [wanted, Part(text="x")]


@pytest.mark.parametrize(
    "value", [None, 5, "text", ["a"], {"parts": "x"}, {"parts": [1]}, {"parts": {"text": "x"}}, {"role": 7}]
)
def test_validate_refuses_other_shapes(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        Content.model_validate(value)
    assert caught.value.code == "invalid_message"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", ["", "{", b"\xff", '{"parts":[{"text":"\\ud800"}]}', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        Content.model_validate_json(text)
    assert caught.value.code == "invalid_json"


def test_copies_share_or_share_nothing() -> None:
    event = Event(content=Content(parts=[Part(text="a")]))
    event.actions.state_delta["k"] = [1]
    shallow, deep = event.model_copy(update={"author": "b"}), event.model_copy(deep=True)
    assert shallow.author == "b"
    assert shallow.content is event.content
    assert deep == event
    deep.actions.state_delta["k"].append(2)
    assert deep.content is not None
    assert deep.content.parts is not None
    deep.content.parts[0].text = "z"
    assert event.actions.state_delta == {"k": [1]}
    assert event.content is not None
    assert event.content.text == "a"


def test_messages_compare_copy_and_pickle() -> None:
    event = Event(content=Content(parts=[Part.from_bytes(data=b"\x00\xff", mime_type="audio/pcm")]))
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event


def test_lists_that_need_no_reading_are_passed_on() -> None:
    parts = [Part(text="a")]
    assert coerce_list(Part, parts) is parts
    assert coerce_list(Part, ({"text": "a"},)) == parts


def test_json_schema_speaks_the_wire_form() -> None:
    schema = Content.model_json_schema()
    assert set(schema["properties"]) == {"parts", "role"}
    assert "inlineData" in schema["$defs"]["Part"]["properties"]
    data = schema["$defs"]["Blob"]["properties"]["data"]
    assert {"type": "string", "contentEncoding": "base64"} in data["anyOf"]


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
argument_dicts = st.dictionaries(texts, json_values, max_size=3)
parts = st.one_of(
    st.builds(Part, text=texts, thought=st.none() | st.booleans()),
    st.builds(Part, inline_data=st.builds(Blob, data=st.binary(max_size=40), mime_type=texts)),
    st.builds(Part, function_call=st.builds(FunctionCall, id=texts, name=texts, args=argument_dicts)),
    st.builds(Part, function_response=st.builds(FunctionResponse, id=texts, name=texts, response=argument_dicts)),
)
events = st.builds(
    Event,
    content=st.none() | st.builds(Content, parts=st.lists(parts, max_size=3), role=st.none() | texts),
    partial=st.none() | st.booleans(),
    output_transcription=st.none() | st.builds(Transcription, text=texts, finished=st.booleans()),
    long_running_tool_ids=st.none() | st.sets(texts, max_size=2),
    custom_metadata=st.none() | argument_dicts,
    author=texts,
    id=texts,
    timestamp=st.floats(0, 2e9),
)


def in_order(wire: dict[str, object]) -> object:
    """JSON has no sets: their order is nobody's."""
    for name in ("longRunningToolIds", "long_running_tool_ids"):
        if wire.get(name):
            wire[name] = sorted(wire[name])
    return json.loads(json.dumps(wire))


@given(events, st.booleans(), st.booleans())
def test_an_event_survives_json_in_every_form(event: Event, by_alias: bool, exclude_none: bool) -> None:
    text = event.model_dump_json(by_alias=by_alias, exclude_none=exclude_none)
    assert Event.model_validate_json(text) == event
    dumped = event.model_dump(mode="json", by_alias=by_alias, exclude_none=exclude_none)
    assert in_order(json.loads(text)) == in_order(dumped)


def test_a_message_of_ones_own_gets_all_of_it() -> None:
    class Note(Message):
        some_text: str | None = None

    note = Note.model_validate({"someText": "a"})
    assert note.model_dump_json(by_alias=True, exclude_none=True) == '{"someText":"a"}'


def test_plain_makes_json_values_of_anything_that_has_them() -> None:
    value = {"part": Part.from_bytes(data=b"\xff\xef", mime_type="m"), "set": {1}}
    assert plain(value) == {"part": {"inlineData": {"data": "_-8=", "mimeType": "m"}}, "set": [1]}
    with pytest.raises(InvalidInput) as caught:
        plain({"x": object()})
    assert caught.value.code == "not_json"


def test_a_message_answers_as_a_dataclass_would() -> None:
    part = Part(function_call=FunctionCall(name="f", args={"a": [1]}))
    assert [field.name for field in dataclasses.fields(FunctionCall)] == list(FunctionCall.__struct_fields__)
    assert dataclasses.asdict(part)["function_call"]["args"] == {"a": [1]}
    assert dataclasses.replace(part, text="x") == Part(function_call=part.function_call, text="x")
