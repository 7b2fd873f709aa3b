"""`LiveRequest` as JSON: snake_case of its own, camelCase inside, both read."""

from __future__ import annotations

import json

import pytest

from fullduplex.requests import LiveRequest
from fullduplex.types import ActivityEnd, ActivityStart, Blob, Content, Part

AUDIO = b"\xff\xef\xbe\x00"


@pytest.mark.spec(36)
@pytest.mark.parametrize("data", ["/+++AA==", "_---AA==", "/+++AA", "_---AA"])
def test_a_blob_comes_in_in_any_base64_and_goes_out_urlsafe_and_padded(data: str) -> None:
    request = LiveRequest.model_validate_json(json.dumps({"blob": {"data": data, "mime_type": "audio/pcm"}}))
    assert request.blob == Blob(data=b"\xff\xef\xbe\x00", mime_type="audio/pcm")
    text = request.model_dump_json(by_alias=True, exclude_none=True)
    assert json.loads(text)["blob"] == {"data": "_---AA==", "mimeType": "audio/pcm"}
    assert LiveRequest.model_validate_json(text) == request


@pytest.mark.spec(36)
def test_every_field_makes_the_round_trip() -> None:
    request = LiveRequest(
        content=Content(role="user", parts=[Part(text="hi"), Part.from_bytes(data=AUDIO, mime_type="image/png")]),
        blob=Blob(data=AUDIO, mime_type="audio/pcm"),
        activity_start=ActivityStart(),
        activity_end=ActivityEnd(),
        audio_stream_end=True,
        close=True,
        partial=True,
        state_delta={"k": [1, None]},
    )
    for by_alias in (True, False):
        assert LiveRequest.model_validate_json(request.model_dump_json(by_alias=by_alias)) == request
    wire = json.loads(request.model_dump_json(by_alias=True, exclude_none=True))
    assert set(wire) == {
        "content", "blob", "activity_start", "activity_end", "audio_stream_end", "close", "partial", "state_delta",
    }  # fmt: skip
    assert "inlineData" in wire["content"]["parts"][1]


@pytest.mark.spec(37)
def test_unknown_fields_are_ignored_and_both_spellings_are_read() -> None:
    request = LiveRequest.model_validate_json(
        '{"new":1,"activityStart":{},"audio_stream_end":true,'
        '"content":{"parts":[{"inlineData":{"mimeType":"m","data":"YQ==","new":2}},'
        '{"inline_data":{"mime_type":"n","data":"Yg=="}}],"extra":[]}}'
    )
    assert request.activity_start == ActivityStart()
    assert request.audio_stream_end
    assert request.content == Content(
        parts=[
            Part(inline_data=Blob(data=b"a", mime_type="m")),
            Part(inline_data=Blob(data=b"b", mime_type="n")),
        ]
    )


def test_the_flags_are_always_written_and_false_at_first() -> None:
    assert LiveRequest().model_dump_json(by_alias=True, exclude_none=True) == (
        '{"audio_stream_end":false,"close":false,"partial":false}'
    )
