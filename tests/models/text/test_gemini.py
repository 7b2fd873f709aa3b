"""Gemini's text model: what goes up, where to, and what is read of what comes down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from fullduplex.errors import InvalidConfig, InvalidInput, ModelError
from fullduplex.mock_live import grounding, say, tool_call, usage
from fullduplex.mock_live.http import MockText, Turn, block, finish
from fullduplex.models.gemini.generate import GeminiText
from fullduplex.models.gemini.generate_wire import OWN_ID, Decoder, encode
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import Blob, Content, FunctionCall, FunctionResponse, Part, Tool, UserContent
from tests.models.text.backends import GET_TIME, user

MODEL = "gemini-2.5-flash"


class Credentials:
    """A login that has its token."""

    valid = True
    token = "s3cret"
    quota_project_id = "payer"

    def refresh(self, request: Any) -> None:
        raise AssertionError


def body_of(request: LlmRequest, backend: Any = "gemini") -> dict[str, Any]:
    written: dict[str, Any] = json.loads(encode(request, backend=backend))
    return written


async def ask(model: GeminiText, request: LlmRequest, *, stream: bool = False) -> list[LlmResponse]:
    try:
        return [response async for response in model.generate(request, stream=stream)]
    finally:
        await model.close()


# -- what goes up -------------------------------------------------------------------------------------------------


def test_a_whole_request() -> None:
    class Answer(BaseModel):
        time: str

    request = LlmRequest(
        contents=[user("Hi"), Content(role="model", parts=[Part(text="Hello")]), UserContent(parts="Time?")],  # type: ignore[arg-type]
        system_instruction="Be brief.",
        tools=[Tool(function_declarations=[GET_TIME]), Tool(google_search={})],
        config=GenerateContentConfig(
            temperature=0.5,
            max_output_tokens=10,
            thinking_config={"thinking_budget": 0},
            safety_settings=[{"category": "HARM", "threshold": "OFF"}],
            stop_sequences=["x"],
            tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_time"]}},
        ),
        output_schema=Answer,
    )
    body = body_of(request)
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello"}]},
        {"role": "user", "parts": [{"text": "Time?"}]},
    ]
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "get_time"
    assert body["tools"][1] == {"googleSearch": {}}
    assert body["safetySettings"] == [{"category": "HARM", "threshold": "OFF"}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_time"]}}
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "maxOutputTokens": 10,
        "thinkingConfig": {"thinkingBudget": 0},
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseJsonSchema": Answer.model_json_schema(),
    }


def test_settings_of_the_sdk_are_taken_in_either_spelling() -> None:
    sdk = pytest.importorskip("google.genai.types")
    config = sdk.GenerateContentConfig(
        temperature=0.1, response_modalities=["TEXT"], tool_config={"function_calling_config": {"mode": "NONE"}}
    )
    body = body_of(LlmRequest(contents=[user("x")], config=GenerateContentConfig.model_validate(config)))
    assert body["generationConfig"] == {"temperature": 0.1, "responseModalities": ["TEXT"]}
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
    camel = GenerateContentConfig(stopSequences=["x"], responseSchema={"type": "STRING"})
    assert body_of(LlmRequest(contents=[user("x")], config=camel))["generationConfig"] == {
        "stopSequences": ["x"],
        "responseSchema": {"type": "STRING"},
    }


def test_labels_are_for_vertex_alone() -> None:
    request = LlmRequest(contents=[user("x")], config=GenerateContentConfig(labels={"my_team": "a"}))
    assert body_of(request, "vertex")["labels"] == {"my_team": "a"}
    with pytest.raises(InvalidConfig, match="labels"):
        body_of(request)


def test_ids_that_we_gave_are_kept_from_the_backend_and_others_are_not() -> None:
    ids = [f"{OWN_ID}1", "theirs"]
    parts = [Part(function_call=FunctionCall(id=one, name="f", args={})) for one in ids]
    answers = [Part(function_response=FunctionResponse(id=one, name="f", response={})) for one in ids]
    contents = [Content(role="model", parts=parts), Content(role="user", parts=answers)]
    called, answered = body_of(LlmRequest(contents=contents))["contents"]
    assert [part["functionCall"].get("id") for part in called["parts"]] == [None, "theirs"]
    assert [part["functionResponse"].get("id") for part in answered["parts"]] == [None, "theirs"]
    assert parts[0].function_call is not None
    assert parts[0].function_call.id == f"{OWN_ID}1"


def test_media_and_signatures() -> None:
    parts = [
        Part(inline_data=Blob(data=b"\xff\xfe", mime_type="image/png")),
        Part(text="x", thought_signature=b"\xff"),
    ]
    (content,) = body_of(LlmRequest(contents=[Content(role="user", parts=parts)]))["contents"]
    assert content["parts"] == [
        {"inlineData": {"data": "__4=", "mimeType": "image/png"}},
        {"text": "x", "thoughtSignature": "_w=="},
    ]


def test_what_json_cannot_hold_is_refused() -> None:
    part = Part(function_response=FunctionResponse(name="f", response={"x": object()}))
    with pytest.raises(InvalidInput) as caught:
        encode(LlmRequest(contents=[Content(role="user", parts=[part])]), backend="gemini")
    assert caught.value.code == "not_json"


# -- where to -----------------------------------------------------------------------------------------------------


async def test_the_gemini_api(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MockText() as mock:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        monkeypatch.setenv("GOOGLE_API_KEY", "k")
        await ask(GeminiText(MODEL), LlmRequest(contents=[user("x")]))
        await ask(
            GeminiText(MODEL, api_version="v1"), LlmRequest(model="models/gemini-x", contents=[user("x")]), stream=True
        )
        once, streamed = mock.requests
    assert once.path == f"/v1beta/models/{MODEL}:generateContent"
    assert once.headers["x-goog-api-key"] == "k"
    assert once.headers["content-type"] == "application/json"
    assert streamed.path == "/v1/models/gemini-x:streamGenerateContent"
    assert streamed.query == {"alt": "sse"}


async def test_vertex_with_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MockText(keys=["s3cret"]) as mock:
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", mock.url)
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "TRUE")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "l")
        await ask(GeminiText(MODEL, credentials=Credentials()), LlmRequest(contents=[user("x")]))
        (request,) = mock.requests
    assert request.path == f"/v1beta1/projects/p/locations/l/publishers/google/models/{MODEL}:generateContent"
    assert request.api == "vertex"
    assert request.headers["x-goog-user-project"] == "payer"


async def test_no_key() -> None:
    with pytest.raises(InvalidConfig) as caught:
        await ask(GeminiText(MODEL), LlmRequest(contents=[user("x")]))
    assert caught.value.code == "no_credentials"
    assert "k3y" not in repr(GeminiText(MODEL, api_key="k3y"))


# -- what comes down ----------------------------------------------------------------------------------------------


async def answered(*turns: Turn, stream: bool) -> list[LlmResponse]:
    async with MockText(turns) as mock:
        return await ask(
            GeminiText(MODEL, api_key="k", base_url=mock.url), LlmRequest(contents=[user("x")]), stream=stream
        )


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_text_calls_usage_and_grounding(stream: bool) -> None:
    steps: Sequence[Any] = [
        say("Let me see.", thought="Hm, a clock."),
        grounding({"webSearchQueries": ["time"]}),
        usage(3, 4, thoughts=2),
        tool_call("get_time", {"city": "Tokyo"}),
    ]
    *pieces, last = await answered(steps, stream=stream)
    assert last.content is not None
    thought, said, called = last.content.parts or []
    assert (thought.text, thought.thought, said.text, said.thought) == ("Hm, a clock.", True, "Let me see.", None)
    assert called.function_call is not None
    assert (called.function_call.id or "").startswith(OWN_ID)
    assert last.usage_metadata is not None
    assert (last.usage_metadata.total_token_count, last.usage_metadata.thoughts_token_count) == (9, 2)
    assert last.grounding_metadata == {"webSearchQueries": ["time"]}
    assert last.model_version == MODEL
    assert bool(pieces) is stream
    assert [bool(piece.content and (piece.content.parts or [])[0].thought) for piece in pieces[:3]] == [
        True
    ] * 3 * stream


@pytest.mark.parametrize("stream", [False, True])
async def test_a_blocked_prompt_is_an_answer_with_a_code(stream: bool) -> None:
    (response,) = await answered([block("SAFETY")], stream=stream)
    assert (response.content, response.error_code, response.finish_reason) == (None, "SAFETY", "SAFETY")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_short(stream: bool) -> None:
    *_, last = await answered([say("As I was"), finish("MAX_TOKENS")], stream=stream)
    assert last.content is not None
    assert (last.content.text, last.error_code) == ("As I was", "MAX_TOKENS")


def test_what_is_unknown_is_skipped_and_what_is_broken_is_an_error() -> None:
    decoder = Decoder()
    raw = b'{"candidates":[{"content":{"parts":[{"text":"a","new":1},{"newKind":{}}]},"newField":[]}],"more":{}}'
    response = decoder.read(raw)
    assert response.content is not None
    assert response.content.text == "a"
    for broken in (
        b"[",
        b'{"candidates": 3}',
        b"\xff",
        b'{"candidates":[{"content":{"parts":[{"inlineData":{"data":"%"}}]}}]}',
    ):
        with pytest.raises(ModelError, match="cannot be read"):
            decoder.read(broken)
    assert decoder.read(b'{"futureMessage": 1}') == LlmResponse()
    with pytest.raises(ModelError) as caught:
        decoder.read(b'{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}')
    assert caught.value.code == "quota_exceeded"
