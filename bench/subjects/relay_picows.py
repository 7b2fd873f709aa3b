"""Subject: frames passed on unread, both ways, with picows on uvloop: the floor that the others are measured from."""

from __future__ import annotations

import asyncio

import gateway
import picows

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class Side(picows.WSListener):
    """One of the two connections of a call; `other` is the opposite one's transport. Keeps frames until it is there."""

    def __init__(self) -> None:
        self.transport: picows.WSTransport | None = None
        self.other: Side | None = None
        self.waiting: list[bytes] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif self.other is not None and self.other.transport is not None:
            self.other.transport.send(frame.msg_type, frame.get_payload_as_memoryview())
        else:
            self.waiting.append(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.send_close()
            self.other.transport.disconnect()


class Client(Side):
    """The client's side: it opens the other."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.task: asyncio.Task[None] | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        super().on_ws_connected(transport)
        self.task = asyncio.create_task(self.open())

    async def open(self) -> None:
        """Connects to the mock and hands on what came meanwhile."""
        upstream, side = await picows.ws_connect(Side, self.url)
        if self.transport is None:
            upstream.disconnect()
            return
        self.other, side.other = side, self
        for payload in self.waiting:
            upstream.send(picows.WSMsgType.TEXT, payload)


async def serve(mock: str) -> int:
    url = mock.replace("http", "ws", 1) + PATH
    server = await picows.ws_create_server(lambda _: Client(url), "127.0.0.1", 0, backlog=4096)
    return int(server.sockets[0].getsockname()[1])


if __name__ == "__main__":
    gateway.main(serve, ["picows", "uvloop"])
