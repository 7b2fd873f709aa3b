"""HTTP/1.1 over one TCP connection, as far as a mock needs it: requests in, responses out, whole or chunked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import h11


@dataclass(frozen=True)
class Request:
    """One request; `headers` has lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class HttpLine:
    """Reads requests one after the other and answers each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self.status = 0

    async def request(self) -> Request | None:
        """The next request; None when the client has gone or cannot be understood."""
        head: h11.Request | None = None
        body = bytearray()
        self.status = 0
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                return None
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
            else:
                return None

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Sends a whole response."""
        self._head(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        self._send(h11.Data(data=body))
        await self.end()

    async def begin(self) -> None:
        """Sends the head of a stream of events."""
        self._head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        """Sends a piece of the stream."""
        if data:
            self._send(h11.Data(data=data))
            await self._writer.drain()

    async def end(self) -> None:
        """Ends the response."""
        self._send(h11.EndOfMessage())
        await self._writer.drain()

    def abort(self) -> None:
        """Cuts the TCP connection."""
        self._writer.transport.abort()

    def _head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self._send(h11.Response(status_code=status, headers=headers))

    def _send(self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")
