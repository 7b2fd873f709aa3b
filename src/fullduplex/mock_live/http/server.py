"""The server that tests hold: accepts connections, finds the API that a request speaks, and has its answer played."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from . import gemini, openai
from .api import Api, Refused
from .exchange import Exchange
from .line import HttpLine, Request
from .player import Dropped, Player
from .script import Story, Turn


class MockText:
    """A mock of both text APIs, as an async context manager. See the package's docstring for how to use it.

    `keys`: the keys and tokens that are let in; None lets any in (Gemini's API wants one at least, OpenAI's none).
    `models`: the names that exist; None means all. `strict`: refuse what the real services refuse.

    An exception in a function of the script is answered with HTTP 500, kept in `errors`, and raised when the context
    is left.
    """

    def __init__(
        self,
        turns: Iterable[Turn] = (),
        *,
        keys: Collection[str] | None = None,
        models: Collection[str] | None = None,
        strict: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.requests: list[Exchange] = []
        self.errors: list[Exception] = []
        self.connections = 0
        self._story = Story(turns)
        self._keys = keys
        self._models = models
        self._strict = strict
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Condition()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("MockText is not running: enter it with `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL for GOOGLE_GEMINI_BASE_URL or GOOGLE_VERTEX_BASE_URL."""
        return f"http://{self._address[0]}:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL for OPENAI_BASE_URL."""
        return f"{self.url}/v1"

    async def wait_for_requests(self, count: int, timeout: float = 5.0) -> None:
        """Returns when so many requests have come; raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout), self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)

    async def __aenter__(self) -> MockText:
        self._server = await asyncio.start_server(self._accept, *self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()
        if self.errors and error is None:
            raise self.errors[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._serve(HttpLine(reader, writer))
        finally:
            self._serving.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _serve(self, line: HttpLine) -> None:
        while (request := await line.request()) is not None:
            try:
                await self._answer(request, line)
            except Refused as refused:
                await line.send(refused.status, msgspec.json.encode(refused.body))
            except Dropped:
                line.abort()
                return
            except ConnectionError:
                raise
            except Exception as error:  # the boundary to functions of the test's own: scripts
                self.errors.append(error)
                await line.send(500, b'{"error":{"message":"The script failed."}}')
            if not line.reusable:
                return

    async def _answer(self, request: Request, line: HttpLine) -> None:
        exchange = self._read(request)
        exchange.number = len(self.requests) + 1
        self.requests.append(exchange)
        async with self._asked:
            self._asked.notify_all()
        api: Api = openai.OpenAiApi(exchange) if exchange.api == "openai" else gemini.GeminiApi(exchange)
        try:
            await Player(api, line).play(self._story.next(exchange))
        except Refused as refused:
            exchange.status = refused.status
            raise
        finally:
            exchange.status = exchange.status or line.status

    def _read(self, request: Request) -> Exchange:
        """The request as one API understands it; raises `Refused`."""
        parts = urlsplit(request.target)
        path = unquote(parts.path)
        api = next((api for api in (gemini, openai) if api.is_for(path)), None)
        if api is None or request.method != "POST":
            raise Refused(404, {"error": {"code": 404, "message": f"{request.method} {path} is not served here."}})
        exchange: Exchange = api.read(path, dict(parse_qsl(parts.query)), request.headers, _body(request), self._keys)
        if self._models is not None and exchange.model not in self._models:
            text = f"models/{exchange.model} is not found for this API version, or is not supported for this method."
            kind = openai.OpenAiApi if exchange.api == "openai" else gemini.GeminiApi
            raise Refused(404, kind(exchange).error(404, text))
        if self._strict:
            api.check(exchange)
        return exchange


def _body(request: Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        body = error
    if isinstance(body, dict):
        return body
    message = f"Invalid JSON payload received. {body if isinstance(body, Exception) else 'It is no object.'}"
    raise Refused(400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})
