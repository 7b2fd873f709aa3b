"""The model's audio without parsing: what is taken for it, and what is left to the parser."""

from __future__ import annotations

import json
from typing import Any

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex.models.gemini.chunks import ChunkReader
from fullduplex.models.gemini.wire import Decoder
from fullduplex.types import Blob
from fullduplex.types.live import LiveServerAudio, LiveServerMessage

PCM = bytes(range(256)) * 8
PIECES = [b"", b"a", b"\xfb\xff" * 100, PCM, PCM[:1921], bytes(1920)]


def written(pcm: bytes, mime: str = "audio/pcm;rate=24000", role: str | None = "model", **more: Any) -> bytes:
    data = pybase64.b64encode(pcm).decode()
    turn: dict[str, Any] = {"parts": [{"inlineData": {"mimeType": mime, "data": data}}]}
    if role is not None:
        turn["role"] = role
    return json.dumps({"serverContent": {"modelTurn": turn}, **more}, separators=(",", ":")).encode()


def taught(*examples: bytes) -> ChunkReader:
    reader = ChunkReader()
    for raw in examples:
        message = Decoder().read(raw)
        assert message is not None
        reader.learn(raw, message)
    return reader


@pytest.mark.parametrize("pcm", PIECES)
@pytest.mark.parametrize("role", ["model", None])
def test_another_chunk_is_read_as_the_parser_reads_it(pcm: bytes, role: str | None) -> None:
    raw = written(pcm, role=role)
    chunk = taught(written(PCM, role=role)).read(raw)
    parsed = Decoder().read(raw)
    assert type(chunk) is LiveServerAudio
    assert parsed is not None
    assert chunk.server_content == parsed.server_content
    assert chunk.model_dump_json() == parsed.model_dump_json()


def test_nothing_is_read_before_something_was_learnt() -> None:
    assert ChunkReader().read(written(PCM)) is None
    assert ChunkReader().read(b"") is None


NO_EXAMPLES = [
    written(PCM, usageMetadata={"totalTokenCount": 3}),
    b'{"serverContent":{"turnComplete":true}}',
    b'{"serverContent":{"modelTurn":{"parts":[{"text":"Hi"}],"role":"model"}}}',
    written(PCM).replace(b'"role"', b'"parts_":[],"role"').replace(b"}]", b'},{"text":"and words"}]'),
    written(PCM).replace(b"}]", b',"thought":true}]'),
    written(PCM).replace(b'"mimeType"', b'"displayName":"a","mimeType"'),
    written(b"short"),
    written(b"\xfb\xff" * 100).replace(b"+", b"-").replace(b"/", b"_"),
]


@pytest.mark.parametrize("example", NO_EXAMPLES)
def test_what_holds_more_than_plain_audio_is_no_example(example: bytes) -> None:
    reader = taught(example)
    assert reader.read(example) is None
    assert reader.read(written(PCM)) is None


def test_audio_that_stands_in_the_message_twice_is_no_example() -> None:
    raw = written(PCM).replace(b'{"serverContent"', b'{"echo":"' + pybase64.b64encode(PCM) + b'","serverContent"')
    assert taught(raw).read(raw) is None


OTHERS = [
    written(PCM, mime="audio/pcm;rate=16000"),
    written(PCM, role="user"),
    written(PCM)[:-1],
    b"",
    b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"',
    written(PCM).replace(b'"data":"', b'"data":"!'),
    written(PCM).replace(b'"data":"', b'"data":"AAAA","x":"'),
]


@pytest.mark.parametrize("raw", OTHERS)
def test_what_is_like_it_and_is_not_it_is_left_to_the_parser(raw: bytes) -> None:
    assert taught(written(PCM)).read(raw) is None


def test_a_form_that_changes_is_learnt_anew() -> None:
    other = written(PCM, mime="audio/pcm;rate=16000")
    reader = taught(written(PCM), other)
    chunk = reader.read(other)
    assert chunk is not None
    assert chunk.model_dump()["server_content"]["model_turn"]["parts"][0]["inline_data"]["mime_type"].endswith("16000")


def test_a_backend_that_never_repeats_itself_is_not_learnt_from_for_ever() -> None:
    reader = ChunkReader()
    for number in range(100):
        raw = written(PCM, mime=f"audio/pcm;rate={number}")
        message = Decoder().read(raw)
        assert message is not None
        reader.learn(raw, message)
    assert reader.read(raw) is None


@given(st.lists(st.tuples(st.binary(max_size=200), st.sampled_from(["model", "user", None]), st.booleans())))
def test_a_connection_reads_every_message_as_if_it_were_the_first(pieces: list[tuple[bytes, str | None, bool]]) -> None:
    decoder = Decoder()
    for pcm, role, spaced in pieces:
        raw = written(pcm, role=role)
        if spaced:
            raw = json.dumps(json.loads(raw)).encode()
        message, first = decoder.chunks.read(raw) or decoder.read(raw), Decoder().read(raw)
        assert message is not None
        assert first is not None
        assert message.server_content == first.server_content


def test_an_audio_message_is_its_chunk_and_nothing_else() -> None:
    message = LiveServerAudio.of(Blob(data=b"\1\2", mime_type="audio/pcm"), "model")
    assert LiveServerMessage.model_validate_json(message.model_dump_json(by_alias=True, exclude_none=True)) == (
        LiveServerMessage(server_content=message.server_content)
    )
