"""Content and its parts: the factories, and what constructors take."""

from __future__ import annotations

import pytest

from fullduplex import types
from fullduplex.errors import InvalidInput
from fullduplex.types import Blob, Content, FileData, FunctionCall, FunctionResponse, Part, UserContent


def test_the_factories() -> None:
    assert Part.from_text(text="hi") == Part(text="hi")
    assert Part.from_bytes(data=b"a", mime_type="image/png") == Part(inline_data=Blob(data=b"a", mime_type="image/png"))
    assert Part.from_uri(file_uri="gs://b/f", mime_type="m") == Part(
        file_data=FileData(file_uri="gs://b/f", mime_type="m")
    )
    assert Part.from_function_call(name="f", args={"a": 1}) == Part(function_call=FunctionCall(name="f", args={"a": 1}))
    assert Part.from_function_response(name="f", response={"r": 1}) == Part(
        function_response=FunctionResponse(name="f", response={"r": 1})
    )


def test_text_leaves_thoughts_out() -> None:
    content = Content(parts=[Part(text="a"), Part(text="hidden", thought=True), Part(text="b")])
    assert content.text == "ab"
    assert Content().text == ""


def test_user_content_takes_strings_and_says_who_speaks() -> None:
    assert UserContent(parts="hi").parts == [Part(text="hi")]
    assert UserContent(parts=["a", Part(text="b")]).parts == [Part(text="a"), Part(text="b")]
    assert UserContent(parts="hi").model_dump_json(by_alias=True, exclude_none=True) == (
        '{"parts":[{"text":"hi"}],"role":"user"}'
    )


def test_any_bytes_are_media_and_nothing_else_is() -> None:
    assert Blob(data=bytearray(b"ab")).data == b"ab" == Blob(data=memoryview(b"ab")).data
    for wrong in ("AAAA", 5, [1]):
        with pytest.raises(InvalidInput) as caught:
            Blob(data=wrong)
        assert caught.value.field == "data"


def test_dicts_stand_for_what_they_describe() -> None:
    content = Content(parts=[{"function_call": {"name": "f", "args": {"a": 1}}}, {"inlineData": {"data": "YQ=="}}])
    assert content.parts == [
        Part(function_call=FunctionCall(name="f", args={"a": 1})),
        Part(inline_data=Blob(data=b"a")),
    ]


def test_a_content_of_one_string_is_refused_with_a_reason() -> None:
    with pytest.raises(InvalidInput, match="Part cannot be read from str"):
        types.Content(parts=["hi"])
