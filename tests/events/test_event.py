"""The JSON of events, field for field, and what an event says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fullduplex.events import Event, EventActions
from fullduplex.types import (
    Blob,
    CodeExecutionResult,
    Content,
    FileData,
    FunctionCall,
    FunctionResponse,
    LiveServerGoAway,
    Part,
    Transcription,
    UsageMetadata,
)

ALWAYS: dict[str, Any] = {
    "invocationId": "e-1",
    "author": "a",
    "actions": {"stateDelta": {}, "artifactDelta": {}, "requestedAuthConfigs": {}, "requestedToolConfirmations": {}},
    "nodeInfo": {"path": ""},
    "id": "i",
    "timestamp": 1.5,
}


def event(**fields: Any) -> Event:
    return Event(**{"invocation_id": "e-1", "author": "a", "id": "i", "timestamp": 1.5, **fields})


def said(*parts: Part, role: str = "model") -> Content:
    return Content(parts=list(parts), role=role)


FILE = "artifact://app/u/s/_adk_live/adk_live_audio_storage_input_audio_17.pcm#0"

GOLDEN: dict[str, tuple[Event, dict[str, Any]]] = {
    "nothing": (event(), {}),
    "partial text": (
        event(content=said(Part(text="Hi")), partial=True),
        {"content": {"parts": [{"text": "Hi"}], "role": "model"}, "partial": True},
    ),
    "audio": (
        event(content=said(Part(inline_data=Blob(data=b"\xff\xfe\xfd\x00", mime_type="audio/pcm;rate=24000")))),
        {
            "content": {
                "parts": [{"inlineData": {"data": "__79AA==", "mimeType": "audio/pcm;rate=24000"}}],
                "role": "model",
            }
        },
    ),
    "transcription": (
        event(input_transcription=Transcription(text="x", finished=True), partial=False, author="user"),
        {"inputTranscription": {"text": "x", "finished": True}, "partial": False, "author": "user"},
    ),
    "turn end": (event(turn_complete=True), {"turnComplete": True}),
    "usage": (
        event(usage_metadata=UsageMetadata(candidates_token_count=2, prompt_token_count=1, total_token_count=3)),
        {"usageMetadata": {"candidatesTokenCount": 2, "promptTokenCount": 1, "totalTokenCount": 3}},
    ),
    "tool call": (
        event(
            content=said(Part(function_call=FunctionCall(id="c1", args={"a": 1}, name="f"))),
            long_running_tool_ids=set(),
        ),
        {
            "content": {"parts": [{"functionCall": {"id": "c1", "args": {"a": 1}, "name": "f"}}], "role": "model"},
            "longRunningToolIds": [],
        },
    ),
    "tool result": (
        event(
            content=said(
                Part(function_response=FunctionResponse(id="c1", name="f", response={"result": 1})), role="user"
            )
        ),
        {
            "content": {
                "parts": [{"functionResponse": {"id": "c1", "name": "f", "response": {"result": 1}}}],
                "role": "user",
            }
        },
    ),
    "file audio": (
        event(
            content=said(Part(file_data=FileData(file_uri=FILE, mime_type="audio/pcm;rate=16000")), role="user"),
            author="user",
        ),
        {
            "content": {
                "parts": [{"fileData": {"fileUri": FILE, "mimeType": "audio/pcm;rate=16000"}}],
                "role": "user",
            },
            "author": "user",
        },
    ),
    "actions": (
        event(
            actions=EventActions(state_delta={"k": None}, artifact_delta={"f": 0}, transfer_to_agent="b", escalate=True)
        ),
        {
            "actions": {
                **ALWAYS["actions"],
                "stateDelta": {"k": None},
                "artifactDelta": {"f": 0},
                "transferToAgent": "b",
                "escalate": True,
            }
        },
    ),
    "go away": (event(go_away=LiveServerGoAway(time_left="10s")), {"goAway": {"timeLeft": "10s"}}),
    "interrupted, and not": (
        event(content=said(Part(text="x")), partial=False, interrupted=False),
        {"content": {"parts": [{"text": "x"}], "role": "model"}, "partial": False, "interrupted": False},
    ),
    "an error": (
        event(error_code="model_error", error_message="no", recoverable=True),
        {"errorCode": "model_error", "errorMessage": "no", "recoverable": True},
    ),
}


@pytest.mark.spec(44)
@pytest.mark.parametrize("name", GOLDEN)
def test_json_is_as_specified(name: str) -> None:
    ours, expected = GOLDEN[name]
    text = ours.model_dump_json(exclude_none=True, by_alias=True)
    assert json.loads(text) == {**ALWAYS, **expected}
    assert ours.model_dump(mode="json", exclude_none=True, by_alias=True) == json.loads(text)
    assert Event.model_validate_json(text) == ours


@pytest.mark.spec(45)
@pytest.mark.parametrize("name", GOLDEN)
def test_exclude_none_leaves_no_null_but_in_a_state(name: str) -> None:
    wire = json.loads(GOLDEN[name][0].model_dump_json(exclude_none=True, by_alias=True))
    wire["actions"].pop("stateDelta")  # a key that is set to None is a change, and stays
    assert "null" not in json.dumps(wire)


@pytest.mark.spec(45)
def test_without_exclude_none_unset_fields_are_null() -> None:
    wire = json.loads(event().model_dump_json(by_alias=True))
    assert {"turnComplete": None, "interrupted": None, "partial": None}.items() <= wire.items()


CALL = Part(function_call=FunctionCall(id="c", name="f"))
ANSWER = Part(function_response=FunctionResponse(id="c", name="f", response={}))
CODE_RESULT = Part(code_execution_result=CodeExecutionResult(output="1"))


@pytest.mark.spec(46)
@pytest.mark.parametrize(
    ("ours", "calls", "answers", "final"),
    [
        (event(), 0, 0, True),
        (event(turn_complete=True), 0, 0, True),
        (event(content=said(Part(text="x"))), 0, 0, True),
        (event(content=said(Part(text="x")), partial=False), 0, 0, True),
        (event(content=said(Part(text="x")), partial=True), 0, 0, False),
        (event(content=said(CALL)), 1, 0, False),
        (event(content=said(Part(text="x"), CALL, CALL)), 2, 0, False),
        (event(content=said(ANSWER, role="user")), 0, 1, False),
        (event(content=said(CALL), long_running_tool_ids={"c"}), 1, 0, True),
        (event(content=said(CALL), long_running_tool_ids=set()), 1, 0, False),
        (event(content=said(ANSWER), actions=EventActions(skip_summarization=True)), 0, 1, True),
        (event(content=said(Part(text="x"), CODE_RESULT)), 0, 0, False),
        (event(content=said(CODE_RESULT, Part(text="x"))), 0, 0, True),
        (event(content=Content()), 0, 0, True),
    ],
)
def test_calls_answers_and_finality(ours: Event, calls: int, answers: int, final: bool) -> None:
    assert len(ours.get_function_calls()) == calls
    assert len(ours.get_function_responses()) == answers
    assert ours.is_final_response() is final


def test_ids_are_fresh_and_the_clock_is_the_default() -> None:
    first, second = Event(), Event()
    assert first.id != second.id
    assert len(first.id) == 36
    assert isinstance(first.timestamp, float)
    assert first.actions is not second.actions


def test_content_and_actions_may_be_given_as_dicts() -> None:
    ours = Event(content={"parts": [{"text": "x"}]}, actions={"stateDelta": {"k": 1}})
    assert ours.content == Content(parts=[Part(text="x")])
    assert ours.actions == EventActions(state_delta={"k": 1})
