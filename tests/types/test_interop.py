"""Objects of google.genai.types are taken wherever ours are."""

from __future__ import annotations

import pytest

from fullduplex.agents.live_request_queue import LiveRequest, LiveRequestQueue
from fullduplex.events import Event
from fullduplex.types import (
    AutomaticActivityDetection,
    Blob,
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FunctionCall,
    FunctionDeclaration,
    FunctionResponse,
    LiveServerMessage,
    Modality,
    Part,
    RealtimeInputConfig,
    SpeechConfig,
    StartSensitivity,
)
from tests.needs import needs

needs_genai = pytest.mark.usefixtures("genai")


@pytest.fixture(scope="module")
def genai():
    needs("google.genai")
    from google.genai import types

    return types


def test_content_with_every_kind_of_part(genai) -> None:
    theirs = genai.Content(
        role="model",
        parts=[
            genai.Part(text="x", thought=True),
            genai.Part.from_bytes(data=b"\xff\xef", mime_type="image/jpeg"),
            genai.Part(function_call=genai.FunctionCall(id="1", name="f", args={"a": 1})),
            genai.Part(
                function_response=genai.FunctionResponse(id="1", name="f", response={"r": 1}, scheduling="SILENT")
            ),
            genai.Part(file_data=genai.FileData(file_uri="gs://x", mime_type="m")),
            genai.Part(executable_code=genai.ExecutableCode(code="1", language="PYTHON")),
            genai.Part(code_execution_result=genai.CodeExecutionResult(outcome="OUTCOME_OK", output="1")),
            genai.Part(text="y", video_metadata=genai.VideoMetadata(fps=2)),
        ],
    )
    ours = Content.model_validate(theirs)
    assert ours.parts is not None
    assert ours.parts[0] == Part(text="x", thought=True)
    assert ours.parts[1].inline_data == Blob(data=b"\xff\xef", mime_type="image/jpeg")
    assert ours.parts[2].function_call == FunctionCall(id="1", name="f", args={"a": 1})
    assert ours.parts[3].function_response == FunctionResponse(id="1", name="f", response={"r": 1}, scheduling="SILENT")
    assert ours.parts[5].executable_code == ExecutableCode(code="1", language="PYTHON")
    assert ours.parts[6].code_execution_result == CodeExecutionResult(outcome="OUTCOME_OK", output="1")
    assert ours.parts[7].video_metadata == {"fps": 2.0}
    assert ours.model_dump(mode="json", by_alias=True, exclude_none=True) == theirs.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )


def test_enums_become_plain_strings(genai) -> None:
    ours = FunctionResponse.model_validate(genai.FunctionResponse(name="f", scheduling="WHEN_IDLE"))
    assert type(ours.scheduling) is str


def test_their_objects_inside_ours(genai) -> None:
    assert Content(parts=[genai.Part(text="x")]).parts == [Part(text="x")]
    assert Part(inline_data=genai.Blob(data=b"a", mime_type="m")).inline_data == Blob(data=b"a", mime_type="m")
    assert Part(function_call=genai.FunctionCall(name="f")).function_call == FunctionCall(name="f")
    assert Part(executable_code=genai.ExecutableCode(code="1")).executable_code == ExecutableCode(code="1")
    assert Event(content=genai.Content(parts=[genai.Part(text="x")])).content == Content(parts=[Part(text="x")])


def test_a_declaration_with_a_schema(genai) -> None:
    schema = genai.Schema(type="OBJECT", properties={"a": genai.Schema(type="STRING")})
    ours = FunctionDeclaration.model_validate(genai.FunctionDeclaration(name="f", parameters=schema))
    assert ours.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "name": "f",
        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
    }


async def test_the_queue_takes_their_objects(genai) -> None:
    queue = LiveRequestQueue()
    queue.send_content(genai.Content(role="user", parts=[genai.Part(text="hi")]))
    queue.send_realtime(genai.Blob(data=b"\x00\x00", mime_type="audio/pcm;rate=16000"))
    both = LiveRequest(
        blob=genai.Blob(data=b"a", mime_type="image/jpeg"), content=genai.Content(parts=[genai.Part(text="x")])
    )
    assert (await queue.get()).content == Content(role="user", parts=[Part(text="hi")])
    assert (await queue.get()).blob == Blob(data=b"\x00\x00", mime_type="audio/pcm;rate=16000")
    assert (both.blob, both.content) == (Blob(data=b"a", mime_type="image/jpeg"), Content(parts=[Part(text="x")]))


def test_settings(genai) -> None:
    theirs = genai.SpeechConfig(
        language_code="en-US",
        voice_config=genai.VoiceConfig(prebuilt_voice_config=genai.PrebuiltVoiceConfig(voice_name="Kore")),
    )
    ours = SpeechConfig.model_validate(theirs)
    assert ours.voice_config is not None
    assert ours.voice_config.prebuilt_voice_config is not None
    assert ours.voice_config.prebuilt_voice_config.voice_name == "Kore"
    detection = genai.AutomaticActivityDetection(disabled=True, start_of_speech_sensitivity="START_SENSITIVITY_HIGH")
    realtime = RealtimeInputConfig(automatic_activity_detection=detection)
    assert realtime.automatic_activity_detection == AutomaticActivityDetection(
        disabled=True, start_of_speech_sensitivity=StartSensitivity.START_SENSITIVITY_HIGH
    )
    assert Modality(genai.Modality.AUDIO) is Modality.AUDIO


def test_a_server_message(genai) -> None:
    theirs = genai.LiveServerMessage(
        server_content=genai.LiveServerContent(
            model_turn=genai.Content(parts=[genai.Part.from_bytes(data=b"\x01\x02", mime_type="audio/pcm;rate=24000")]),
            turn_complete=True,
        ),
        usage_metadata=genai.UsageMetadata(prompt_token_count=1, response_token_count=2, total_token_count=3),
    )
    ours = LiveServerMessage.model_validate(theirs)
    assert ours.server_content is not None
    assert ours.server_content.turn_complete is True
    assert ours.server_content.model_turn is not None
    assert ours.server_content.model_turn.parts == [
        Part(inline_data=Blob(data=b"\x01\x02", mime_type="audio/pcm;rate=24000"))
    ]
    assert ours.usage_metadata is not None
    assert ours.usage_metadata.response_token_count == 2
