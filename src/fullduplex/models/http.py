"""Requests to a model's HTTP API: one client with kept connections, retries, and errors of our tree.

It knows nothing of what is asked. The library (httpx) is loaded with the first request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fullduplex.errors import ModelError
from fullduplex.models import http_failures
from fullduplex.models.sse import SseReader
from fullduplex.per_loop import PerLoop

if TYPE_CHECKING:
    import httpx

RETRIES = 3
RETRIED = frozenset({429, 503})
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Call:
    """A POST of JSON; `secrets` are what must not stand in an error's text."""

    url: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return urlsplit(self.url).netloc


class Reply:
    """A successful answer whose body is still to be read."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def body(self) -> bytes:
        """All of it."""
        return await self._response.aread()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event as it arrives."""
        reader = SseReader()
        async for received in self._response.aiter_bytes():
            for event in reader.feed(received):
                yield event
        if (last := reader.end()) is not None:
            yield last


class HttpClient:
    """Sends calls. `timeout`: seconds without a byte from the server after which a call has failed.

    A server that is busy (429, 503) is asked again after 1, 2 and 4 s; `sleep` waits for that.
    """

    def __init__(self, *, timeout: float = 300.0, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._timeout = timeout
        self._sleep = sleep
        self._certificates: ssl.SSLContext | None = None
        self._clients = PerLoop(self._new_client, lambda client: client.aclose())

    @asynccontextmanager
    async def post(self, call: Call) -> AsyncIterator[Reply]:
        """The server's answer; its connection is given back at the end.

        Raises `ModelError`, also for what goes wrong while the body is read: codes of `http_failures`, and `timeout`,
        `unreachable` and `connection_lost`.
        """
        client = await self._ready()
        with _failures(call.place):
            response = await self._ask(client, call)
            try:
                yield Reply(response)
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Closes the connections that the running loop has opened."""
        await self._clients.close()

    async def _ask(self, client: httpx.AsyncClient, call: Call) -> httpx.Response:
        retries = 0
        while True:
            request = client.build_request("POST", call.url, headers=list(call.headers), content=call.body)
            response = await client.send(request, stream=True)
            if response.is_success:
                return response
            try:
                body = (await response.aread()).decode("utf-8", "replace")
            finally:
                await response.aclose()
            error = http_failures.from_status(response.status_code, body, secrets=call.secrets)
            if response.status_code not in RETRIED or not error.recoverable or retries == RETRIES:
                raise error
            await self._sleep(2.0**retries)
            retries += 1

    async def _ready(self) -> httpx.AsyncClient:
        if self._certificates is None:  # off the loop, because loading the library and reading all roots takes a while
            self._certificates = await asyncio.to_thread(_load)
        return await self._clients.here()

    def _new_client(self) -> httpx.AsyncClient:
        import httpx

        assert self._certificates is not None
        timeout = httpx.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT_S, self._timeout), pool=None)
        return httpx.AsyncClient(timeout=timeout, verify=self._certificates)


def _load() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


@contextmanager
def _failures(place: str) -> Iterator[None]:
    """Turns the library's errors into ours."""
    import httpx

    try:
        yield
    except httpx.TimeoutException:
        raise ModelError(f"{place} did not answer in time.", code="timeout", recoverable=True) from None
    except httpx.ConnectError as error:
        if untrusted := _certificate_error(error):
            text = f"The certificate of {place} is not trusted ({untrusted}); SSL_CERT_FILE can name another."
            raise ModelError(text, code="unreachable") from None
        raise ModelError(f"{place} cannot be reached: {error}", code="unreachable", recoverable=True) from None
    except httpx.TransportError as error:
        text = f"The connection to {place} broke off before the answer was complete: {error}"
        raise ModelError(text, code="connection_lost", recoverable=True) from None
    except httpx.DecodingError as error:
        raise ModelError(f"The answer of {place} cannot be read: {error}") from None


def _certificate_error(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
