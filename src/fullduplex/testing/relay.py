"""One connection through the faulty proxy: two sockets, and the bytes on their way between them.

What is done to the bytes is decided by `proxy.FaultyProxy`; here is how it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import Protocol, cast

HIGH_WATER = 64 * 1024
"""Bytes that may wait in the proxy, each way, before the sender is slowed down as TCP slows it down."""

END = b""
"""The piece that is no data but the end of the stream."""

_RESET = struct.pack("ii", 1, 0)  # linger for no time: what is unsent is thrown away, and the other side is told so


class Rules(Protocol):
    """What a pair asks the proxy that it belongs to."""

    @property
    def target(self) -> tuple[str, int]:
        """Where connections are passed on to."""

    @property
    def lag(self) -> float | None:
        """Seconds by which bytes are held back now; None while nothing moves."""

    def admit(self, pair: Pair) -> bool:
        """Whether a new connection is let in."""

    def count(self, data: bytes) -> bytes:
        """Counts what was read and returns how much of it goes on."""

    def forget(self, pair: Pair) -> None:
        """Both sides of `pair` are closed."""


class Pair:
    """One connection: the client's side, the server's, and a way in each direction."""

    def __init__(self, proxy: Rules) -> None:
        self.proxy = proxy
        self.client, self.server = Side(self), Side(self)
        self.client.way, self.server.way = Way(self, self.client, self.server), Way(self, self.server, self.client)
        self._dialling: asyncio.Task[None] | None = None
        self._swallowing = False

    def made(self, side: Side) -> None:
        """A socket is open: the client's is admitted and passed on, or reset."""
        if side is self.server:
            return
        if not self.proxy.admit(self):
            side.reset()
            return
        self._dialling = asyncio.create_task(self._dial(), name="proxy dials")

    async def _dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, *self.proxy.target)
        except OSError:
            self.client.reset()
        else:
            self.client.way.go_on()

    def lost(self, side: Side, error: Exception | None) -> None:
        """A socket is closed; the other one learns of it in the same way."""
        other = self.server if side is self.client else self.client
        if side is self.client and self._dialling is not None:
            self._dialling.cancel()
        # Of a black hole only its own client gets out; who stays on the other side hears nothing of it.
        if error is not None and not self._swallowing:
            other.reset()
        elif not self._swallowing:
            side.way.put(END)
        if self.client.is_gone and self.server.is_gone:
            self.proxy.forget(self)

    def ended(self) -> None:
        """One direction has come to its end; when both have, so has the connection."""
        if self.client.way.ended and self.server.way.ended:
            for side in (self.client, self.server):
                if side.transport is not None:
                    side.transport.close()

    def release(self) -> None:
        """There may be room again, or the stall may be over."""
        for side in (self.client, self.server):
            side.way.go_on()

    def swallow(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._swallowing = True
        for side in (self.client, self.server):
            side.way.swallow()

    def reset(self) -> None:
        """Ends both sides the hard way."""
        if self._dialling is not None:
            self._dialling.cancel()
        for side in (self.client, self.server):
            side.reset()

    async def gone(self) -> None:
        """Resets both sides, and returns when nothing is left of them."""
        if self._dialling is not None:
            await asyncio.wait([self._dialling])
        self.reset()  # the dialling may have brought a connection in its last moment
        for side in (self.client, self.server):
            if side.transport is not None:
                await side.closed.wait()


class Side(asyncio.Protocol):
    """One socket of a pair; what it reads goes on its `way`."""

    way: Way

    def __init__(self, pair: Pair) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()
        self.full = False
        self._pair = pair

    @property
    def is_gone(self) -> bool:
        """Whether it is closed, or was never open."""
        return self.transport is None or self.closed.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._pair.made(self)

    def data_received(self, data: bytes) -> None:
        if data := self._pair.proxy.count(data):
            self.way.put(data)

    def eof_received(self) -> bool:
        self.way.put(END)
        return not self.way.swallowing  # kept open: the other side may still have something to say

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()
        self._pair.lost(self, error)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._pair.release()

    def reset(self) -> None:
        """Ends it the hard way."""
        if self.transport is None or self.closed.is_set():
            return
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class Way:
    """One direction: pieces that wait until they are due, or until there is room."""

    def __init__(self, pair: Pair, source: Side, sink: Side) -> None:
        self.ended = False
        self.swallowing = False
        self._pair = pair
        self._source = source
        self._sink = sink
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    def put(self, piece: bytes) -> None:
        """Takes what the source read, or its end."""
        if self.swallowing or self.ended:
            return
        due = asyncio.get_running_loop().time() + (self._pair.proxy.lag or 0.0)
        self._waiting.append((due, piece))
        self._size += len(piece)
        self.go_on()

    def go_on(self) -> None:
        """Passes on what is due, and reads from the source while there is room."""
        self._pass_on()
        crowded = self._size > HIGH_WATER
        source = self._source.transport
        if crowded == self._paused or source is None or source.is_closing():
            return
        self._paused = crowded
        if crowded:
            source.pause_reading()
        else:
            source.resume_reading()

    def swallow(self) -> None:
        """What waits and all that comes is thrown away."""
        self.swallowing = True
        self._waiting.clear()
        self._size = 0
        self.go_on()

    def _pass_on(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = self._sink.transport
        if transport is None or transport.is_closing():
            return
        while self._waiting and not self._sink.full and self._pair.proxy.lag is not None:
            due, piece = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self.go_on)
                return
            self._waiting.popleft()
            self._size -= len(piece)
            if piece:
                transport.write(piece)
            else:
                self._end(transport)

    def _end(self, transport: asyncio.Transport) -> None:
        self.ended = True
        if transport.can_write_eof():
            transport.write_eof()
        self._pair.ended()
