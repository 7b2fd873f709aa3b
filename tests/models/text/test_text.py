"""The words of text turns themselves."""

from __future__ import annotations

import pytest

from fullduplex.models.text import LlmRequest, LlmResponse
from fullduplex.types.content import Content, Part, Tool


def test_requests_share_nothing() -> None:
    one, other = LlmRequest(), LlmRequest()
    one.contents.append(Content())
    one.config.temperature = 0.5
    assert (other.contents, other.config.temperature) == ([], None)


def test_a_response_is_written_like_an_event_and_takes_the_sdks_content() -> None:
    response = LlmResponse(content=Content(role="model", parts=[Part(text="Hi")]), partial=True, finish_reason="STOP")
    assert response.model_dump(by_alias=True, exclude_none=True) == {
        "content": {"parts": [{"text": "Hi"}], "role": "model"},
        "partial": True,
        "finishReason": "STOP",
    }
    types = pytest.importorskip("google.genai.types")
    taken = LlmResponse(content=types.Content(role="model", parts=[types.Part(text="Hi")]))
    assert taken.content == response.content


def test_a_request_takes_the_sdks_objects() -> None:
    types = pytest.importorskip("google.genai.types")
    request = LlmRequest(
        contents=[types.Content(role="user", parts=[types.Part(text="Hi")])],
        tools=[types.Tool(google_search=types.GoogleSearch())],
    )
    assert request.contents == [Content(role="user", parts=[Part(text="Hi")])]
    assert request.tools == [Tool(google_search={})]
