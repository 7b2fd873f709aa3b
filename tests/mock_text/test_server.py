"""The mock itself: what it takes, what it refuses, what it remembers, and how it ends."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import fullduplex.mock_live.http as package
from fullduplex.mock_live import malformed, raw, refuse, say, stall, tool_call
from fullduplex.mock_live.http import MockText, block, error

GEMINI = "/v1beta/models/gemini-2.5-flash"
KEY = {"x-goog-api-key": "k"}
HELLO = {"contents": [{"parts": [{"text": "Hello"}]}]}
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as made:
        yield made


async def test_both_apis_share_one_story(client: httpx.AsyncClient) -> None:
    async with MockText([[say("One")], [say("Two")]]) as mock:
        first = await client.post(f"{mock.url}{GEMINI}:generateContent", json=HELLO, headers=KEY)
        second = await client.post(f"{mock.openai_url}/chat/completions", json=CHAT)
        assert [(request.number, request.api, request.text) for request in mock.requests] == [
            (1, "gemini", "Hello"),
            (2, "openai", "Hello"),
        ]
    assert first.json()["candidates"][0]["content"] == {"parts": [{"text": "One"}], "role": "model"}
    assert second.json()["choices"][0]["message"]["content"] == "Two"


async def test_the_frames_of_both_streams(client: httpx.AsyncClient) -> None:
    async with MockText([[say("One")], [say("One")]]) as mock:
        gemini = await client.post(f"{mock.url}{GEMINI}:streamGenerateContent?alt=sse", json=HELLO, headers=KEY)
        openai = await client.post(f"{mock.openai_url}/chat/completions", json={**CHAT, "stream": True})
    assert gemini.headers["content-type"] == openai.headers["content-type"] == "text/event-stream"
    assert gemini.text.count("data: ") == gemini.text.count("}\r\n\r\n") == 2
    assert openai.text.endswith("}\n\ndata: [DONE]\n\n")
    assert '"usage"' not in openai.text


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "words"),
    [
        ("/v1beta/models", KEY, HELLO, 404, "not served"),
        (f"{GEMINI}:countTokens", KEY, HELLO, 404, "not served"),
        (f"{GEMINI}:generateContent", {}, HELLO, 403, "unregistered callers"),
        (f"/v1/publishers/google{GEMINI[7:]}:generateContent", {}, HELLO, 401, "authentication credential"),
        (f"{GEMINI}:generateContent", KEY, {"contents": []}, 400, "contents is not specified"),
        (f"{GEMINI}:generateContent", KEY, {**HELLO, "generationConfig": {"heat": 1}}, 400, 'Unknown name "heat" at'),
        (f"{GEMINI}:generateContent", KEY, {**HELLO, "labels": {}}, 400, 'Unknown name "labels"'),
        (f"{GEMINI}:generateContent", KEY, {"contents": [{"parts": [{"thought": True}]}]}, 400, "one initialized"),
        (f"{GEMINI}:streamGenerateContent", KEY, HELLO, 400, "alt=sse"),
        (f"{GEMINI}:generateContent", KEY, [], 400, "no object"),
        ("/v1/chat/completions", {}, {"messages": []}, 400, "model parameter"),
        ("/v1/chat/completions", {}, {"model": "gpt"}, 400, "Missing required parameter"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, path: str, headers: dict[str, str], body: Any, status: int, words: str
) -> None:
    async with MockText([[say("Never.")]]) as mock:
        response = await client.post(mock.url + path, json=body, headers=headers)
        assert mock.requests == []
        follower = await client.post(f"{mock.openai_url}/chat/completions", json=CHAT)
    assert response.status_code == status
    assert words in response.json()["error"]["message"]
    assert follower.json()["choices"][0]["message"]["content"] == "Never."  # a refusal takes no turn


async def test_what_is_no_json_and_no_post(client: httpx.AsyncClient) -> None:
    async with MockText() as mock:
        assert (await client.post(f"{mock.url}{GEMINI}:generateContent", content=b"{")).status_code == 400
        assert (await client.get(f"{mock.openai_url}/chat/completions")).status_code == 404


async def test_a_lenient_mock_takes_unknown_names(client: httpx.AsyncClient) -> None:
    async with MockText(strict=False) as mock:
        body = {**HELLO, "novelty": 1}
        assert (await client.post(f"{mock.url}{GEMINI}:generateContent", json=body, headers=KEY)).status_code == 200


async def test_faults_that_are_no_api_errors(client: httpx.AsyncClient) -> None:
    async with MockText([[refuse(502, "<b>Bad</b>")], [raw({"odd": 1})], [malformed("{")]]) as mock:
        answers = [await client.post(f"{mock.openai_url}/chat/completions", json=CHAT) for _ in range(3)]
        assert [request.status for request in mock.requests] == [502, 200, 200]
    assert [answer.text for answer in answers] == ["<b>Bad</b>", '{"odd":1}', "{"]


async def test_a_blocked_prompt_in_a_stream(client: httpx.AsyncClient) -> None:
    async with MockText([[block()], [block()]]) as mock:
        gemini = await client.post(f"{mock.url}{GEMINI}:streamGenerateContent?alt=sse", json=HELLO, headers=KEY)
        openai = await client.post(f"{mock.openai_url}/chat/completions", json={**CHAT, "stream": True})
    assert '"blockReason":"PROHIBITED_CONTENT"' in gemini.text
    assert (openai.status_code, openai.json()["error"]["code"]) == (400, "invalid_prompt")


async def test_a_script_that_raises_is_heard_of(client: httpx.AsyncClient) -> None:
    def broken(request: Any) -> Any:
        raise ZeroDivisionError("in the script")

    mock = MockText([broken])
    await mock.__aenter__()
    response = await client.post(f"{mock.openai_url}/chat/completions", json=CHAT)
    assert response.status_code == 500
    with pytest.raises(ZeroDivisionError):
        await mock.__aexit__(None, None, None)


async def test_it_ends_while_an_answer_is_being_given(client: httpx.AsyncClient) -> None:
    async with MockText([[say("One "), stall()]]) as mock:
        async with client.stream("POST", f"{mock.openai_url}/chat/completions", json={**CHAT, "stream": True}):
            await mock.wait_for_requests(1)
    with pytest.raises(RuntimeError, match="not running"):
        _ = MockText().port


async def test_waiting_for_requests_that_do_not_come() -> None:
    async with MockText() as mock:
        with pytest.raises(TimeoutError):
            await mock.wait_for_requests(1, timeout=0.01)


async def test_an_error_after_words_that_were_not_streamed_is_a_status(client: httpx.AsyncClient) -> None:
    async with MockText([[say("One"), error(503)], [tool_call("f"), say("after")]]) as mock:
        answers = [await client.post(f"{mock.openai_url}/chat/completions", json=CHAT) for _ in range(3)]
    assert answers[0].status_code == 503
    assert answers[1].json()["choices"][0]["finish_reason"] == "tool_calls"
    assert answers[2].json()["choices"][0]["message"]["content"] == "after"


def test_it_is_not_built_of_what_it_tests() -> None:
    allowed = {"fullduplex.mock_live.steps", "fullduplex.mock_live.messages"}
    for file in Path(str(package.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fullduplex"):
                assert node.module in allowed, f"{file.name}: {node.module}"


def test_exports_are_sorted_and_exist() -> None:
    assert package.__all__ == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
