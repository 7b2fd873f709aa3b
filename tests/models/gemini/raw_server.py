"""A server on loopback that does as a test says, byte by byte: for handshakes that hang, floods, and silence."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class RawServer:
    """Where it listens, and how many connections are open."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.changed = asyncio.Condition()

    @property
    def url(self) -> str:
        """Its WebSocket address."""
        return f"ws://127.0.0.1:{self.port}/path"

    async def wait_for(self, predicate: Callable[[RawServer], bool]) -> None:
        """Returns when `predicate` holds; `TimeoutError` after five seconds."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: predicate(self))

    async def count(self, opened: int, change: int) -> None:
        """Notes that a connection came or went."""
        async with self.changed:
            self.accepted += opened
            self.open += change
            self.changed.notify_all()


@asynccontextmanager
async def raw_server(behaviour: Behaviour, *, receive_buffer: int | None = None) -> AsyncIterator[RawServer]:
    """Serves each connection with `behaviour`; then, whatever it did, waits for the client's end of file."""
    state = RawServer()
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        await state.count(1, 1)
        try:
            await behaviour(reader, writer)
            while await reader.read(65536):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            await state.count(0, -1)
            handlers.discard(task)

    listener = socket.socket()
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(handle, sock=listener, limit=4096)
    state.port = listener.getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the handshake and accepts it."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request, re.IGNORECASE)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await writer.drain()


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True) -> bytes:
    """One unmasked frame, as servers send them."""
    first = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        head = bytes([first, size])
    elif size < 65536:
        head = bytes([first, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 127]) + size.to_bytes(8, "big")
    return head + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame."""
    return frame(code.to_bytes(2, "big") + reason.encode(), opcode=8)
