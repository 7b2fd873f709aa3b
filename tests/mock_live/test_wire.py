"""The wire: protobuf JSON in all its spellings, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from fullduplex.mock_live.wire import Violation, camel, decode_bytes, parse


def test_snake_and_camel_may_be_mixed() -> None:
    message = {
        "setup": {
            "model": "models/x",
            "generation_config": {"responseModalities": ["AUDIO"], "speech_config": {"voiceConfig": {}}},
            "realtimeInputConfig": {
                "automatic_activity_detection": {"silenceDurationMs": 100, "prefix_padding_ms": 20}
            },
        }
    }
    assert parse(json.dumps(message)) == {
        "setup": {
            "model": "models/x",
            "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": {}}},
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 100, "prefixPaddingMs": 20}},
        }
    }


def test_the_users_own_json_is_left_alone() -> None:
    message = {"tool_response": {"functionResponses": [{"id": "1", "response": {"snake_case": {"in_here": None}}}]}}
    found = parse(json.dumps(message))
    assert found["toolResponse"]["functionResponses"][0]["response"] == {"snake_case": {"in_here": None}}


def test_null_counts_as_absent() -> None:
    assert parse('{"clientContent": {"turns": null, "turnComplete": true}}') == {
        "clientContent": {"turnComplete": True}
    }


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ("{}", "exactly one"),
        ('{"setup": {}, "clientContent": {}}', "exactly one"),
        ('{"helo": {}}', 'Unknown name "helo"'),
        ('{"setup": {"generation_config": {"colour": 1}}}', "Unknown name \"colour\" at 'setup.generationConfig'"),
        ('{"realtimeInput": {"audio": "abc"}}', "'realtimeInput.audio': expected an object"),
        ('{"clientContent": {"turns": {}}}', "expected a list"),
        ('{"clientContent": {"turnComplete": "yes"}}', "expected bool"),
        ('{"setup": {"generationConfig": {"seed": 1.5}}}', "expected int"),
    ],
)
def test_what_is_refused_with_1007(raw: str, reason: str) -> None:
    with pytest.raises(Violation) as caught:
        parse(raw)
    assert caught.value.code == 1007
    assert reason in caught.value.reason


def test_without_strictness_unknown_fields_are_dropped() -> None:
    assert parse('{"setup": {"model": "m", "colour": 1}}', strict=False) == {"setup": {"model": "m"}}


def test_long_integers_may_be_strings() -> None:
    message = '{"setup": {"contextWindowCompression": {"triggerTokens": "1000"}}}'
    assert parse(message)["setup"]["contextWindowCompression"] == {"triggerTokens": "1000"}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_both_base64_alphabets_padded_or_not(encode: object, padded: bool) -> None:
    assert callable(encode)
    data = bytes(range(256)) + b"\xfb\xff"
    text = encode(data).decode()
    assert decode_bytes(text if padded else text.rstrip("=")) == data


def test_broken_base64_is_refused() -> None:
    with pytest.raises(Violation, match="Base64"):
        decode_bytes("a*b")


def test_camel() -> None:
    assert [camel(name) for name in ("mime_type", "mimeType", "id")] == ["mimeType", "mimeType", "id"]
