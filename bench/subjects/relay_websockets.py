"""Subject: messages passed on unread in both directions, the websockets package on uvloop, without compression."""

from __future__ import annotations

import asyncio

import gateway
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosed

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def pump(source: Connection, sink: Connection) -> None:
    """Passes on text as the bytes that it came as, until either side closes."""
    try:
        while True:
            await sink.send(await source.recv(decode=False), text=True)
    except ConnectionClosed:
        await sink.close()


async def serve(mock: str) -> int:
    url = mock.replace("http", "ws", 1) + PATH

    async def relay(client: ServerConnection) -> None:
        async with connect(url, compression=None, max_size=None) as upstream:
            await asyncio.gather(pump(client, upstream), pump(upstream, client))

    server = await serve_websocket(relay, "127.0.0.1", 0, compression=None, max_size=None, backlog=4096)
    return int(next(iter(server.sockets)).getsockname()[1])


if __name__ == "__main__":
    gateway.main(serve, ["websockets", "uvloop"])
