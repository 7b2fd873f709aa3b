"""Calls over HTTP: again when the server is busy, an error of our tree when it fails, connections kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from fullduplex.errors import ModelError
from fullduplex.mock_live import drop, malformed, quota, refuse, say, stall
from fullduplex.mock_live.http import MockText, Turn, error
from fullduplex.models.gemini.generate import GeminiText
from fullduplex.models.http import HttpClient
from fullduplex.models.openai.chat import OpenAiText
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel
from tests.models.text.backends import user


class Waits:
    """A sleep that only takes notes."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture(params=["gemini", "openai"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model_of(api: str, mock: MockText, client: HttpClient) -> TextModel:
    if api == "gemini":
        return GeminiText("gemini-2.5-flash", api_key="s3cret", base_url=mock.url, client=client)
    return OpenAiText("gpt", api_key="s3cret", base_url=mock.openai_url, client=client)


async def ask(model: TextModel, *, stream: bool = True) -> AsyncIterator[LlmResponse]:
    async for response in model.generate(LlmRequest(contents=[user("Hello")]), stream=stream):
        yield response


async def failure(model: TextModel, *, stream: bool, seen: list[str] | None = None) -> ModelError:
    """The error that a request ends with; `seen` gets the text that came before it."""
    try:
        async for response in ask(model, stream=stream):
            if seen is not None and response.content is not None:
                seen.append(response.content.text)
    except ModelError as caught:
        return caught
    raise AssertionError("no error")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_busy_server_is_asked_again(api: str, stream: bool) -> None:
    waits = Waits()
    turns: list[Turn] = [[quota()], [error(503, "busy")], [say("Here I am.")]]
    async with MockText(turns) as mock:
        model = model_of(api, mock, HttpClient(sleep=waits))
        *_, last = [response async for response in ask(model, stream=stream)]
        await model.close()
        assert len(mock.requests) == 3
        assert mock.connections == 1
    assert last.content is not None
    assert last.content.text == "Here I am."
    assert waits.seconds == [1.0, 2.0]


@pytest.mark.parametrize("stream", [False, True])
async def test_three_times_and_no_more(api: str, stream: bool) -> None:
    waits = Waits()
    async with MockText([[quota()]] * 5) as mock:
        model = model_of(api, mock, HttpClient(sleep=waits))
        caught = await failure(model, stream=stream)
        await model.close()
        assert len(mock.requests) == 4
    assert (caught.code, caught.recoverable) == ("quota_exceeded", True)
    assert waits.seconds == [1.0, 2.0, 4.0]


async def test_other_refusals_are_told_at_once(api: str) -> None:
    for step, code in (
        (error(500, "the key s3cret broke it"), "unavailable"),
        (error(404, "no"), "model_unavailable"),
        (refuse(418, "teapot"), "model_error"),
    ):
        waits = Waits()
        async with MockText([[step]]) as mock:
            model = model_of(api, mock, HttpClient(sleep=waits))
            caught = await failure(model, stream=True)
            await model.close()
        assert caught.code == code
        assert "s3cret" not in str(caught)
        assert waits.seconds == []


async def test_a_stream_that_breaks_off_is_an_error_after_its_words(api: str) -> None:
    waits, seen = Waits(), list[str]()
    async with MockText([[say("One two"), drop()]]) as mock:
        model = model_of(api, mock, HttpClient(sleep=waits))
        caught = await failure(model, stream=True, seen=seen)
        await model.close()
        assert len(mock.requests) == 1
    assert (caught.code, caught.recoverable) == ("connection_lost", True)
    assert seen == ["One ", "two"]


async def test_an_error_in_the_middle_of_a_stream(api: str) -> None:
    seen: list[str] = []
    async with MockText([[say("One"), error(503, "busy")]]) as mock:
        model = model_of(api, mock, HttpClient(sleep=Waits()))
        caught = await failure(model, stream=True, seen=seen)
        await model.close()
        assert len(mock.requests) == 1
    assert (caught.code, caught.recoverable) == ("unavailable", True)
    assert seen == ["One"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_nobody_can_read_is_an_error(api: str, stream: bool) -> None:
    async with MockText([[malformed("{nonsense")]]) as mock:
        model = model_of(api, mock, HttpClient())
        caught = await failure(model, stream=stream)
        await model.close()
    assert caught.code == "model_error"
    assert "cannot be read" in str(caught)


@pytest.mark.parametrize("before", [[], [say("One ")]])
async def test_a_server_that_falls_silent(api: str, before: list[object]) -> None:
    async with MockText([[*before, stall()]]) as mock:  # type: ignore[list-item]
        model = model_of(api, mock, HttpClient(timeout=0.1))
        caught = await failure(model, stream=True)
        await model.close()
    assert (caught.code, caught.recoverable) == ("timeout", True)


async def test_a_server_that_is_not_there(api: str) -> None:
    async with MockText() as mock:
        model = model_of(api, mock, HttpClient())
    caught = await failure(model, stream=False)
    await model.close()
    assert (caught.code, caught.recoverable) == ("unreachable", True)


@pytest.mark.parametrize("stream", [False, True])
async def test_connections_are_kept_for_the_next_request(api: str, stream: bool) -> None:
    async with MockText() as mock:
        model = model_of(api, mock, HttpClient())
        for _ in range(3):
            _ = [response async for response in ask(model, stream=stream)]
        await model.close()
        assert mock.connections == 1


async def test_the_first_requests_may_come_together(api: str) -> None:
    async with MockText() as mock:
        model = model_of(api, mock, HttpClient())
        await asyncio.gather(*(anext(ask(model, stream=False)) for _ in range(5)))
        await model.close()
        assert len(mock.requests) == 5


async def test_leaving_a_stream_ends_it_at_the_server_too(api: str) -> None:
    gone = asyncio.Event()
    events = {
        "gemini": '{"candidates":[{"content":{"parts":[{"text":"One"}]}}]}',
        "openai": '{"choices":[{"delta":{"content":"One"}}]}',
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {events[api]}\n\n".encode())
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        place = _Elsewhere(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        model = model_of(api, place, HttpClient())  # type: ignore[arg-type]
        stream = model.generate(LlmRequest(contents=[user("Hello")]), stream=True)
        assert (await anext(stream)).partial
        await stream.aclose()
        async with asyncio.timeout(5):
            await gone.wait()
        await model.close()


async def test_cancelling_a_request_that_waits_is_quick_and_clean(api: str) -> None:
    async with MockText([[stall()]]) as mock:
        model = model_of(api, mock, HttpClient())
        task = asyncio.create_task(failure(model, stream=False))
        await mock.wait_for_requests(1)
        task.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await task
        await model.close()


def test_one_model_serves_several_loops_one_after_the_other(api: str) -> None:
    model = model_of(api, _Elsewhere("http://127.0.0.1:9"), HttpClient())  # type: ignore[arg-type]

    async def once() -> str:
        caught = await failure(model, stream=False)
        await model.close()
        return caught.code

    assert [asyncio.run(once()) for _ in range(2)] == ["unreachable"] * 2


class _Elsewhere:
    """A place that is no mock."""

    def __init__(self, url: str) -> None:
        self.url = self.openai_url = url


def test_resolving_a_text_model_loads_no_http_library() -> None:
    code = (
        "import sys; from fullduplex.models import resolve_text as r; r('gemini-x'); r('openai/x'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "h11", "google.auth", "fullduplex.models.cascade"} & set(loaded)
