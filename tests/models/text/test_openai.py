"""The model behind OpenAI's API: what goes up, where to, and what is read of what comes down."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from fullduplex.errors import InvalidConfig, InvalidInput, ModelError
from fullduplex.mock_live import call, raw, say, tool_calls, usage
from fullduplex.mock_live.http import MockText, finish
from fullduplex.models.http import Call, HttpClient, Reply
from fullduplex.models.openai import OpenAiText
from fullduplex.models.openai.messages import write_messages
from fullduplex.models.openai.options import write_options
from fullduplex.models.openai.reading import Reader
from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.config import GenerateContentConfig
from fullduplex.types.content import (
    Blob,
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FileData,
    FunctionCall,
    FunctionResponse,
    Part,
    Tool,
)
from tests.models.text.backends import GET_TIME, user


async def ask(model: OpenAiText, request: LlmRequest, *, stream: bool = False) -> list[LlmResponse]:
    try:
        return [response async for response in model.generate(request, stream=stream)]
    finally:
        await model.close()


def of_model(*parts: Part) -> Content:
    return Content(role="model", parts=list(parts))


def of_user(*parts: Part) -> Content:
    return Content(role="user", parts=list(parts))


def called(name: str, id: str | None = None, **args: Any) -> Part:
    return Part(function_call=FunctionCall(id=id, name=name, args=args))


def result(name: str, id: str | None = None, **response: Any) -> Part:
    return Part(function_response=FunctionResponse(id=id, name=name, response=response))


# -- messages -----------------------------------------------------------------------------------------------------


def test_a_conversation() -> None:
    contents = [
        user("Time?"),
        of_model(Part(text="Hm", thought=True), Part(text="Let me see."), called("get_time", "c1", city="Tokyo")),
        of_user(result("get_time", "c1", time="12:34")),
        of_model(Part(text="It is 12:34.")),
        of_model(Part(text="Only a thought.", thought=True)),
    ]
    function = {"name": "get_time", "arguments": '{"city":"Tokyo"}'}
    assert write_messages("Be brief.", contents) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Time?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"time":"12:34"}'},
        {"role": "assistant", "content": "It is 12:34."},
    ]


def test_calls_without_ids_get_some_and_their_answers_find_them() -> None:
    contents = [
        of_model(called("f"), called("g"), called("f")),
        of_user(result("f", n=1), result("f", n=2), result("g", n=3), Part(text="And?")),
    ]
    first, *answers, question = write_messages("", contents)
    ids = [one["id"] for one in first["tool_calls"]]
    assert len(set(ids)) == 3
    assert [(answer["tool_call_id"], answer["content"]) for answer in answers] == [
        (ids[0], '{"n":1}'),
        (ids[2], '{"n":2}'),
        (ids[1], '{"n":3}'),
    ]
    assert question == {"role": "user", "content": "And?"}
    with pytest.raises(InvalidInput, match="to no call"):
        write_messages("", [of_user(result("f"))])


def test_media() -> None:
    parts = [
        Part(text="Look"),
        Part(inline_data=Blob(data=b"\xff\xfe", mime_type="image/png")),
        Part(file_data=FileData(file_uri="https://example.com/a.png")),
        Part(inline_data=Blob(data=b"RIFF", mime_type="audio/wav")),
    ]
    (message,) = write_messages("", [of_user(*parts)])
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,//4="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (Part(inline_data=Blob(data=b"x", mime_type="audio/pcm;rate=16000")), "unsupported_mime_type"),
        (Part(inline_data=Blob(data=b"x")), "unsupported_mime_type"),
        (Part(file_data=FileData(file_uri="gs://bucket/a.png", mime_type="image/png")), "unsupported_mime_type"),
        (called("f"), "invalid_content"),
        (result("f", "c1", x=object()), "not_json"),
    ],
)
def test_what_the_api_cannot_take_is_refused(part: Part, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        write_messages("", [of_user(part)])
    assert caught.value.code == code


def test_code_that_gemini_ran_is_told_as_text() -> None:
    code = Part(executable_code=ExecutableCode(code="print(1)", language="PYTHON"))
    output = Part(code_execution_result=CodeExecutionResult(output="1"))
    (message,) = write_messages("", [of_model(code, output)])
    assert message["content"] == "\n```python\nprint(1)\n```\n\n```\n1\n```\n"


# -- options ------------------------------------------------------------------------------------------------------


def test_tools_and_settings() -> None:
    config = GenerateContentConfig(
        temperature=0.5, top_p=0.9, top_k=3, max_output_tokens=10, seed=7, stop_sequences=["x"], presence_penalty=1.0
    )
    request = LlmRequest(tools=[Tool(function_declarations=[GET_TIME])], config=config)
    body, unknown = write_options(request, limit_name="max_tokens")
    (tool,) = body.pop("tools")
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": ["string", "null"]}},
    }
    assert tool["function"]["description"] == GET_TIME.description
    assert body == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 10,
        "seed": 7,
        "stop": ["x"],
        "presence_penalty": 1.0,
    }
    assert unknown == ["top_k"]
    with pytest.raises(InvalidConfig, match="google_search"):
        write_options(LlmRequest(tools=[Tool(google_search={})]), limit_name="max_tokens")


def test_the_form_of_the_answer() -> None:
    class Answer(BaseModel):
        time: str

    for request in (
        LlmRequest(output_schema=Answer),
        LlmRequest(config=GenerateContentConfig(response_schema=Answer)),
        LlmRequest(config=GenerateContentConfig(responseJsonSchema=Answer.model_json_schema())),
    ):
        body, unknown = write_options(request, limit_name="max_tokens")
        described = body["response_format"]["json_schema"]
        assert described["strict"] is True
        assert described["schema"]["required"] == ["time"]
        assert unknown == []
    plain = LlmRequest(config=GenerateContentConfig(response_mime_type="application/json"))
    assert write_options(plain, limit_name="x")[0] == {"response_format": {"type": "json_object"}}


async def test_a_setting_that_is_not_sent_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    request = LlmRequest(contents=[user("x")], config=GenerateContentConfig(top_k=3))
    async with MockText() as mock:
        model = OpenAiText("gpt", base_url=mock.openai_url)
        with caplog.at_level(logging.WARNING):
            await ask(model, request)
            await ask(model, request)
    assert [record.getMessage() for record in caplog.records] == ["chat completions do not know top_k: not sent"]


# -- where to -----------------------------------------------------------------------------------------------------


async def test_the_environment_says_where_and_as_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MockText(keys=["k"]) as mock:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{mock.openai_url}/")
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        await ask(OpenAiText("openai/openai/gpt-oss"), LlmRequest(contents=[user("x")]))
        await ask(OpenAiText("gpt"), LlmRequest(model="openai/other", contents=[user("x")]), stream=True)
        once, streamed = mock.requests
    assert once.path == "/v1/chat/completions"
    assert (once.model, streamed.model) == ("openai/gpt-oss", "other")
    assert "stream" not in once.body
    assert streamed.body["stream_options"] == {"include_usage": True}


async def test_a_server_of_ones_own_needs_no_key_and_openai_does() -> None:
    async with MockText() as mock:
        await ask(OpenAiText("llama", base_url=mock.openai_url), LlmRequest(contents=[user("x")]))
        assert "authorization" not in mock.requests[0].headers
    with pytest.raises(InvalidConfig) as caught:
        await ask(OpenAiText("gpt"), LlmRequest(contents=[user("x")]))
    assert caught.value.code == "no_credentials"
    assert "k3y" not in repr(OpenAiText("gpt", api_key="k3y"))


class Recorder(HttpClient):
    """Keeps the call and makes none."""

    call: Call

    @asynccontextmanager
    async def post(self, call: Call) -> AsyncIterator[Reply]:
        self.call = call
        raise ModelError("not sent")
        yield


@pytest.mark.parametrize(
    ("base", "limit"),
    [(None, "max_completion_tokens"), ("http://localhost:11434/v1", "max_tokens")],
)
async def test_openai_and_the_others_name_the_limit_of_tokens_differently(base: str | None, limit: str) -> None:
    recorder = Recorder()
    request = LlmRequest(contents=[user("x")], config=GenerateContentConfig(max_output_tokens=10))
    with pytest.raises(ModelError, match="not sent"):
        await ask(OpenAiText("gpt", api_key="k", base_url=base, client=recorder), request)
    assert json.loads(recorder.call.body)[limit] == 10
    assert recorder.call.url == f"{base or 'https://api.openai.com/v1'}/chat/completions"
    assert "Bearer" not in repr(recorder.call)


@pytest.mark.parametrize(
    "url", ["localhost:11434/v1", "http://localhost:114340/v1", "ftp://host/v1", "http://", "http://host/v1?key=1"]
)
async def test_a_base_url_that_is_none(url: str) -> None:
    with pytest.raises(InvalidConfig, match="cannot be a base URL"):
        await ask(OpenAiText("gpt", base_url=url), LlmRequest(contents=[user("x")]))


# -- what comes down ----------------------------------------------------------------------------------------------


async def answered(*steps: Any, stream: bool) -> list[LlmResponse]:
    async with MockText([steps]) as mock:
        model = OpenAiText("gpt", base_url=mock.openai_url)
        return await ask(model, LlmRequest(contents=[user("x")]), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_text_calls_and_usage(stream: bool) -> None:
    calls = tool_calls([call("f", {"text": 'quote " and { brace'}), call("g", {"n": 1}, "own")])
    *pieces, last = await answered(
        say("Let me see.", thought="Hm, hm."), usage(3, 4, thoughts=2, cached=1), calls, stream=stream
    )
    assert last.content is not None
    thought, said, first, second = last.content.parts or []
    assert (thought.text, thought.thought, said.text) == ("Hm, hm.", True, "Let me see.")
    assert first.function_call is not None
    assert second.function_call is not None
    assert (first.function_call.name, first.function_call.args) == ("f", {"text": 'quote " and { brace'})
    assert (second.function_call.id, second.function_call.args) == ("own", {"n": 1})
    counts = last.usage_metadata
    assert counts is not None
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (3, 4, 2)
    assert (counts.total_token_count, counts.cached_content_token_count) == (9, 1)
    assert (last.finish_reason, last.model_version) == ("STOP", "gpt")
    assert bool(pieces) is stream


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
async def test_an_answer_that_was_cut_short(stream: bool, reason: str) -> None:
    *_, last = await answered(say("As I was"), finish(reason), stream=stream)
    assert last.content is not None
    assert (last.content.text, last.finish_reason, last.error_code) == ("As I was", reason, reason)


async def test_an_error_that_a_server_sends_with_a_status_of_success() -> None:
    with pytest.raises(ModelError) as caught:
        await answered(raw({"error": {"message": "m", "type": "server_error"}}), stream=False)
    assert caught.value.recoverable


def deltas(*pieces: list[dict[str, Any]]) -> list[FunctionCall] | LlmResponse:
    """The calls that these pieces of `tool_calls` make, or the response that tells why there are none."""
    ids = iter(range(100))
    reader = Reader(lambda: f"new-{next(ids)}")
    for piece in pieces:
        reader.read(msgspec.json.encode({"choices": [{"delta": {"tool_calls": piece}}]}))
    response = reader.calls()
    if response.error_message:
        return response
    return [
        part.function_call
        for part in (response.content.parts if response.content else None) or []
        if part.function_call
    ]


def piece(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = ""
) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def test_calls_in_pieces_that_come_mixed() -> None:
    found = deltas(
        [piece(0, "a", "f"), piece(1, "b", "g")],
        [piece(1, arguments='{"y"'), piece(0, arguments='{"x":')],
        [piece(0, arguments="1}"), piece(1, arguments=":2}")],
    )
    assert found == [FunctionCall(id="a", name="f", args={"x": 1}), FunctionCall(id="b", name="g", args={"y": 2})]


def test_whole_calls_that_all_have_the_same_index_or_none() -> None:
    expected = [FunctionCall(id="a", name="f", args={"x": 1}), FunctionCall(id="b", name="f", args={"x": 2})]
    assert deltas([piece(0, "a", "f", '{"x":1}')], [piece(0, "b", "f", '{"x":2}')]) == expected
    assert deltas([piece(None, "a", "f", '{"x":1}'), piece(None, "b", "f", '{"x":2}')]) == expected
    without = deltas([piece(None, None, "f", {"x": 1})], [piece(None, None, "f", '{"x":'), piece(None, arguments="2}")])
    assert without == [
        FunctionCall(id="new-0", name="f", args={"x": 1}),
        FunctionCall(id="new-1", name="f", args={"x": 2}),
    ]


def test_arguments_that_are_left_out_or_are_none() -> None:
    assert deltas([piece(0, "a", "f", None)]) == [FunctionCall(id="a", name="f", args={})]


@pytest.mark.parametrize("arguments", ['{"x":', "[1]", "nonsense"])
def test_arguments_that_are_no_object_are_told_as_an_error_of_the_answer(arguments: str) -> None:
    response = deltas([piece(0, "a", "f", arguments)])
    assert isinstance(response, LlmResponse)
    assert response.finish_reason == "MALFORMED_FUNCTION_CALL"
    assert "f" in (response.error_message or "")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_by_either_name(name: str) -> None:
    response = Reader().read(json.dumps({"choices": [{"delta": {name: "Hm"}}]}).encode())
    assert response.content == of_model(Part(text="Hm", thought=True))


def test_a_refusal_is_text_that_ends_for_safety() -> None:
    response = Reader().read(
        b'{"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]}'
    )
    assert response.content == of_model(Part(text="No."))
    assert response.finish_reason == "SAFETY"


@pytest.mark.parametrize("raw_message", [b"{", b'{"choices": 3}', b"\xff"])
def test_what_nobody_can_read(raw_message: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        Reader().read(raw_message)
