"""Messages up and down, without a socket."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fullduplex.errors import InvalidInput, ModelError
from fullduplex.models.gemini.capabilities import capabilities_of
from fullduplex.models.gemini.setup import Backend
from fullduplex.models.gemini.wire import Decoder, Encoder, _frame_for
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part, UserContent
from fullduplex.types.live import ActivityEnd, ActivityStart, AudioStreamEnd, LiveServerMessage

SECOND = "gemini-live-2.5-flash"
THIRD = "gemini-3.1-flash-live-preview"
PCM = "audio/pcm;rate=16000"
ODD_BYTES = bytes(range(256)) + b"\xff\xfe\xfb"  # in the standard alphabet they have + and /


def encoder(model: str = SECOND, backend: Backend = "gemini") -> Encoder:
    return Encoder(capabilities_of(model), backend)


def sent(raw: bytes | tuple[bytes, bytes, bytes] | None) -> dict[str, Any]:
    assert raw is not None
    if isinstance(raw, tuple):
        head, data, tail = raw
        raw = head + base64.urlsafe_b64encode(data) + tail
    message: dict[str, Any] = json.loads(raw)
    return message


class Reader:
    """A decoder whose warnings are kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._decoder = Decoder(lambda text, *values: self.warnings.append(text % values))

    def read(self, message: Any) -> LiveServerMessage | None:
        return self._decoder.read(message if isinstance(message, bytes) else json.dumps(message).encode())


# -- up: live input -----------------------------------------------------------------------------------------------


@pytest.mark.spec(76)
@pytest.mark.parametrize("mime", [PCM, "image/jpeg", "video/mp4"])
def test_second_generation_takes_media_chunks(mime: str) -> None:
    message = sent(encoder().realtime(Blob(data=ODD_BYTES, mime_type=mime)))
    chunk = {"mimeType": mime, "data": base64.urlsafe_b64encode(ODD_BYTES).decode()}
    assert message == {"realtimeInput": {"mediaChunks": [chunk]}}


@pytest.mark.spec(76, 80)
@pytest.mark.parametrize(
    ("mime", "field"), [(PCM, "audio"), ("Audio/PCM", "audio"), ("image/jpeg", "video"), ("video/mp4", "video")]
)
def test_third_generation_has_fields_for_audio_and_video(mime: str, field: str) -> None:
    message = sent(encoder(THIRD).realtime(Blob(data=ODD_BYTES, mime_type=mime)))
    blob = {"mimeType": mime, "data": base64.urlsafe_b64encode(ODD_BYTES).decode()}
    assert message == {"realtimeInput": {field: blob}}


@pytest.mark.spec(76)
@pytest.mark.parametrize("model", [SECOND, THIRD])
def test_other_types_are_dropped_with_one_warning(model: str, caplog: pytest.LogCaptureFixture) -> None:
    one = encoder(model)
    assert one.realtime(Blob(data=b"x", mime_type="text/plain")) is None
    assert one.realtime(Blob(data=b"x", mime_type="text/plain")) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_mime_type_cannot_break_the_frame() -> None:
    mime = 'audio/pcm"}]}, "x": "\\'
    message = sent(encoder().realtime(Blob(data=b"x", mime_type=mime)))
    assert message["realtimeInput"]["mediaChunks"][0]["mimeType"] == mime


def test_many_mime_types_are_not_all_remembered() -> None:
    one = encoder()
    for number in range(500):
        sent(one.realtime(Blob(data=b"x", mime_type=f"audio/{number}")))
    assert _frame_for.cache_info().currsize <= 32


def test_blobs_that_say_nothing() -> None:
    assert encoder().realtime(Blob(data=b"", mime_type=PCM)) is None
    with pytest.raises(InvalidInput) as no_data:
        encoder().realtime(Blob(mime_type=PCM))
    assert no_data.value.field == "blob.data"
    with pytest.raises(InvalidInput) as no_type:
        encoder().realtime(Blob(data=b"x"))
    assert no_type.value.field == "blob.mimeType"


@pytest.mark.spec(79)
def test_signals() -> None:
    assert sent(encoder().signal(ActivityStart())) == {"realtimeInput": {"activityStart": {}}}
    assert sent(encoder().signal(ActivityEnd())) == {"realtimeInput": {"activityEnd": {}}}
    assert sent(encoder().signal(AudioStreamEnd())) == {"realtimeInput": {"audioStreamEnd": True}}


# -- up: content --------------------------------------------------------------------------------------------------


def text(words: str, role: str | None = "user") -> Content:
    return Content(role=role, parts=[Part(text=words)])


def test_typed_text() -> None:
    turns = [{"role": "user", "parts": [{"text": 'hi "you"'}]}]
    assert sent(encoder().content(text('hi "you"'), turn_complete=True)) == {
        "clientContent": {"turns": turns, "turnComplete": True}
    }
    assert sent(encoder().content(text('hi "you"'), turn_complete=False)) == {
        "clientContent": {"turns": turns, "turnComplete": False}
    }


def test_typed_text_to_the_third_generation() -> None:
    third = encoder(THIRD)
    assert sent(third.content(text('hi "you"'), turn_complete=True)) == {"realtimeInput": {"text": 'hi "you"'}}
    assert "clientContent" in sent(third.content(text("hi"), turn_complete=False))
    two = Content(role="user", parts=[Part(text="a"), Part(text="b")])
    assert "clientContent" in sent(third.content(two, turn_complete=True))
    picture = Content(role="user", parts=[Part.from_bytes(data=b"x", mime_type="image/png")])
    assert "clientContent" in sent(third.content(picture, turn_complete=True))


def test_inline_media_in_content() -> None:
    picture = Content(role="user", parts=[Part.from_bytes(data=ODD_BYTES, mime_type="image/png")])
    part = sent(encoder().content(picture, turn_complete=True))["clientContent"]["turns"][0]["parts"][0]
    assert part == {"inlineData": {"mimeType": "image/png", "data": base64.urlsafe_b64encode(ODD_BYTES).decode()}}


@pytest.mark.parametrize("content", [text("hi", role=None), UserContent(parts=[Part(text="hi")]), text("hi")])
def test_the_role_is_always_written(content: Content) -> None:
    assert sent(encoder().content(content, turn_complete=True))["clientContent"]["turns"][0]["role"] == "user"


@pytest.mark.spec(77)
@pytest.mark.parametrize("model", [SECOND, THIRD])
def test_content_of_function_responses_is_a_tool_response(model: str) -> None:
    answers = [FunctionResponse(id=f"fc-{i}", name="f", response={"result": i}) for i in (1, 2)]
    content = Content(role="user", parts=[Part(function_response=answer) for answer in answers])
    assert sent(encoder(model).content(content, turn_complete=True)) == {
        "toolResponse": {
            "functionResponses": [
                {"id": "fc-1", "name": "f", "response": {"result": 1}},
                {"id": "fc-2", "name": "f", "response": {"result": 2}},
            ]
        }
    }


def test_tool_response_with_scheduling() -> None:
    answer = FunctionResponse(id="fc", name="f", response={}, scheduling="WHEN_IDLE", will_continue=True)
    assert sent(encoder().tool_response([answer]))["toolResponse"]["functionResponses"] == [
        {"id": "fc", "name": "f", "response": {}, "scheduling": "WHEN_IDLE", "willContinue": True}
    ]
    assert sent(encoder(backend="vertex").tool_response([answer]))["toolResponse"]["functionResponses"] == [
        {"id": "fc", "name": "f", "response": {}, "scheduling": "WHEN_IDLE"}
    ]


def test_the_gemini_api_matches_answers_by_id() -> None:
    answer = FunctionResponse(name="f", response={"result": 1})
    with pytest.raises(InvalidInput, match="id"):
        encoder().tool_response([answer])
    assert sent(encoder(backend="vertex").tool_response([answer]))


def test_a_result_without_a_json_form() -> None:
    answer = FunctionResponse(id="fc", name="f", response={"result": object()})
    with pytest.raises(InvalidInput) as caught:
        encoder().tool_response([answer])
    assert caught.value.code == "not_json"


@pytest.mark.parametrize("content", [Content(role="user"), Content(role="user", parts=[])])
def test_content_without_parts(content: Content) -> None:
    with pytest.raises(InvalidInput):
        encoder().content(content, turn_complete=True)


def test_users_call_no_functions() -> None:
    content = Content(role="user", parts=[Part(function_call=FunctionCall(name="f"))])
    with pytest.raises(InvalidInput, match="function calls"):
        encoder().content(content, turn_complete=True)


@pytest.mark.spec(122)
@pytest.mark.parametrize(("last", "answered"), [("user", True), ("model", False)])
def test_history_is_answered_if_it_is_asked_for(last: str, answered: bool) -> None:
    contents = [text("a", role="user"), text("b", role="model"), text("c", role=last)]
    (only,) = encoder().history(contents, turn_complete=answered)
    message = sent(only)["clientContent"]
    assert message["turnComplete"] is answered
    assert [turn["parts"][0]["text"] for turn in message["turns"]] == ["a", "b", "c"]
    third = encoder(THIRD).history(contents, turn_complete=answered)
    assert sent(third[0]) == {"clientContent": message}
    assert [sent(raw) for raw in third[1:]] == ([{"realtimeInput": {"text": "."}}] if answered else [])


# -- down ---------------------------------------------------------------------------------------------------------


def test_audio_in_either_alphabet() -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        data = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": encode(ODD_BYTES).decode()}}
        message = Reader().read({"serverContent": {"modelTurn": {"role": "model", "parts": [data]}}})
        assert message is not None
        assert message.server_content is not None
        assert message.server_content.model_turn is not None
        (part,) = message.server_content.model_turn.parts or []
        assert part.inline_data is not None
        assert part.inline_data.data == ODD_BYTES


def test_everything_that_the_wire_has() -> None:
    reader = Reader()
    messages: list[Any] = [
        {"setupComplete": {"sessionId": "s"}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "t", "thought": True}]}}},
        {"serverContent": {"inputTranscription": {"text": "t", "finished": True, "languageCode": "de"}}},
        {"serverContent": {"outputTranscription": {"text": "t"}, "interimInputTranscription": {"text": "i"}}},
        {"serverContent": {"interrupted": True, "generationComplete": True, "waitingForInput": True}},
        {"serverContent": {"turnComplete": True, "turnCompleteReason": "SAFETY", "interactionStatus": "IDLE"}},
        {"serverContent": {"groundingMetadata": {"a": 1}, "urlContextMetadata": {"b": 2}}},
        {"toolCall": {"functionCalls": [{"id": "fc", "name": "f", "args": {"city": "Paris"}}]}},
        {"toolCallCancellation": {"ids": ["fc"]}},
        {"goAway": {"timeLeft": "10s"}},
        {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": "12"}},
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
    ]
    for message in messages:
        read = reader.read(message)
        assert read is not None
        assert json.loads(read.model_dump_json(by_alias=True, exclude_none=True)) == message
    assert not reader.warnings


def test_voice_activity_is_called_type_on_the_wire() -> None:
    message = Reader().read({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.2s"}})
    assert message is not None
    assert message.voice_activity is not None
    assert message.voice_activity.voice_activity_type == "ACTIVITY_START"
    assert message.voice_activity.audio_offset == "1.2s"


@pytest.mark.parametrize("name", ["responseTokenCount", "candidatesTokenCount"])
def test_usage_under_both_names(name: str) -> None:
    details = name.replace("TokenCount", "TokensDetails")
    counted = [{"modality": "AUDIO", "tokenCount": 7}]
    message = Reader().read(
        {"usageMetadata": {name: 7, details: counted, "promptTokenCount": 3, "totalTokenCount": 10}}
    )
    assert message is not None
    usage = message.usage_metadata
    assert usage is not None
    assert (usage.candidates_token_count, usage.response_token_count) == (7, 7)
    assert usage.candidates_tokens_details == usage.response_tokens_details
    assert usage.candidates_tokens_details is not None
    assert usage.candidates_tokens_details[0].token_count == 7
    assert (usage.prompt_token_count, usage.total_token_count) == (3, 10)


@pytest.mark.spec(69)
def test_unknown_messages_are_told_of_once_and_skipped() -> None:
    reader = Reader()
    assert reader.read({"futureThing": {"x": 1}}) is None
    assert reader.read({"futureThing": {"x": 2}}) is None
    assert reader.read({"otherThing": None}) is None
    assert reader.read({}) is None
    assert len(reader.warnings) == 3
    assert "futureThing" in reader.warnings[0]


@pytest.mark.spec(69)
def test_unknown_fields_are_ignored() -> None:
    reader = Reader()
    message = reader.read({"serverContent": {"turnComplete": True, "new": 1}, "newKind": {}})
    assert message is not None
    assert message.server_content is not None
    assert message.server_content.turn_complete
    assert not reader.warnings


def test_a_backend_that_invents_kinds_does_not_fill_the_log() -> None:
    reader = Reader()
    for number in range(500):
        reader.read({f"kind{number}": 1})
    assert len(reader.warnings) <= 64


@pytest.mark.spec(69)
@pytest.mark.parametrize("raw", [b"", b"{", b"no json", b"\xff\xfe", b"null", b"[]", b'"text"', b"12", b"[" * 100_000])
def test_what_is_no_message_is_skipped(raw: bytes) -> None:
    reader = Reader()
    assert reader.read(raw) is None
    assert len(reader.warnings) == 1


def test_of_a_message_with_an_odd_field_the_rest_is_kept() -> None:
    reader = Reader()
    message = reader.read(
        {
            "serverContent": {"turnComplete": True, "inputTranscription": "odd"},
            "goAway": {"timeLeft": {"seconds": 3}},
            "usageMetadata": {"responseTokenCount": 7},
        }
    )
    assert message is not None
    assert message.server_content is not None
    assert message.server_content.turn_complete
    assert message.server_content.input_transcription is None
    assert message.go_away is None
    assert message.usage_metadata is not None
    assert message.usage_metadata.candidates_token_count == 7
    assert any("goAway" in warning for warning in reader.warnings)


def test_audio_that_is_no_base64_is_skipped() -> None:
    reader = Reader()
    data = {"inlineData": {"mimeType": "audio/pcm", "data": "***"}}
    message = reader.read({"serverContent": {"modelTurn": {"parts": [data]}, "outputTranscription": {"text": "t"}}})
    assert message is not None
    assert message.server_content is not None
    assert message.server_content.model_turn is None
    assert message.server_content.output_transcription is not None
    assert reader.warnings


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, "quota_exceeded"),
        ({"code": 500, "message": "slow down"}, "unavailable"),
    ],
)
def test_error_messages(payload: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError, match="slow down") as caught:
        Reader().read(payload)
    assert caught.value.code == code
