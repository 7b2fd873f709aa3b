"""A network in memory, on the loop's clock: slow, full, stalled, swallowing or cut, as a test commands.

A `Line` is one connection: to the client it is the socket beneath `GeminiConnection`, to the server a `LiveSession`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fullduplex.mock_live.script import Item
from fullduplex.mock_live.session import LiveSession
from fullduplex.mock_live.stage import CloseFrame, Frame
from fullduplex.models.gemini.failures import SocketClosed
from fullduplex.models.gemini.socket import CLOSE_TIMEOUT_S, KEEPALIVE_S
from fullduplex.types.binary import urlsafe_base64

UNSENT_BYTES = 96 * 1024
"""What the kernel and the transport take before a sender has to wait, as in the real socket."""


class _Ping:
    """A ping on its way up, its pong on the way down."""


Piece = bytes | CloseFrame | _Ping


@dataclass
class Network:
    """How the network is now. `latency_s` is one way; `jitter_s` at most comes on top, and never changes the order."""

    chance: random.Random = field(default_factory=random.Random)
    latency_s: float = 0.02
    jitter_s: float = 0.01
    stalled: bool = False
    refusing: bool = False

    def takes(self) -> float:
        """Seconds that the next piece is under way."""
        return self.latency_s + self.chance.random() * self.jitter_s


class Way:
    """One direction of a connection: first in, first out, after a while."""

    def __init__(self, network: Network, deliver: Callable[[Piece], None]) -> None:
        self.unsent = 0
        self._network = network
        self._deliver = deliver
        self._under_way: deque[tuple[float, Piece]] = deque()
        self._last = 0.0
        self._lost = False
        self._loop = asyncio.get_running_loop()

    def put(self, piece: Piece) -> None:
        """Sends a piece off."""
        if self._lost:
            return
        self._last = max(self._loop.time() + self._network.takes(), self._last)
        self._under_way.append((self._last, piece))
        if isinstance(piece, bytes):
            self.unsent += len(piece)
        self._loop.call_at(self._last, self.pump)

    def lose(self) -> None:
        """All that is under way is lost, and all that comes."""
        self._lost = True
        self._under_way.clear()

    def pump(self) -> None:
        """Delivers what is due."""
        while self._under_way and not self._network.stalled:
            due, piece = self._under_way[0]
            if due > self._loop.time():
                return
            self._under_way.popleft()
            if isinstance(piece, bytes):
                self.unsent -= len(piece)
            self._deliver(piece)


class Line:
    """One connection: the client's socket (with the interface of `models.gemini.socket.Socket`), and the server."""

    def __init__(self, network: Network, session: LiveSession) -> None:
        self.session = session
        self.opened_at = asyncio.get_running_loop().time()
        self.is_open = True
        self._up = Way(network, self._at_server)
        self._down = Way(network, self._at_client)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._inbox: deque[bytes] = deque()
        self._take: Callable[[bytes], None] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._end: tuple[int, str] | None = None
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._heard_from = True
        self._keepalive = self._loop.call_later(KEEPALIVE_S, self._keep_alive)

    @property
    def is_left(self) -> bool:
        """Whether the client has no socket any more, whatever the server knows of that."""
        return self._end is not None

    # -- the interface of the socket --------------------------------------------------------------------------------

    async def writable(self) -> None:
        while self._end is None and self._up.unsent > UNSENT_BYTES:
            self._writable.clear()
            await self._writable.wait()
        if self._end is not None:
            raise SocketClosed(*self._end)

    async def send(self, text: bytes) -> None:
        await self.writable()
        self._up.put(text)

    def send_now(self, head: bytes, data: bytes, tail: bytes) -> bool:
        if self._end is not None or self._up.unsent > UNSENT_BYTES:
            return False
        self._up.put(head + urlsafe_base64(data) + tail)
        return True

    async def deliver(self, take: Callable[[bytes], None]) -> None:
        while self._inbox:
            take(self._inbox.popleft())
        if self._end is None:
            self._take = take
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = self._take = None
        assert self._end is not None
        raise SocketClosed(*self._end)

    async def receive(self) -> bytes:
        while not self._inbox:
            if self._end is not None:
                raise SocketClosed(*self._end)
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._inbox.popleft()

    async def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        self._inbox.clear()
        self._finish(1000, "closed by us")
        self._up.put(CloseFrame(1000, ""))
        try:
            async with asyncio.timeout(timeout):
                await self._gone.wait()
        except TimeoutError:
            self._drop()

    # -- what the network does --------------------------------------------------------------------------------------

    def cut(self) -> None:
        """A reset: both sides learn of it, and what was under way is lost."""
        self._drop()
        self._finish(1006, "")

    def swallow(self) -> None:
        """A black hole: nothing arrives any more, and nobody is told."""
        self._up.lose()
        self._down.lose()

    def pump(self) -> None:
        """The network goes on."""
        self._up.pump()
        self._down.pump()

    def push(self, *items: Item) -> None:
        """The server does these steps now."""
        if not self.session.ended:
            self.session.push(items, self._loop.time())
            self._drive()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _at_server(self, piece: Piece) -> None:
        if self._up.unsent <= UNSENT_BYTES // 2:
            self._writable.set()
        if isinstance(piece, _Ping):
            self._down.put(piece)
        elif isinstance(piece, CloseFrame):
            self._hang_up(1000)
            self._down.put(piece)
        elif self.is_open:
            self.session.receive(piece, self._loop.time())
            self._drive()

    def _drive(self) -> None:
        """What the session has to say goes off; then it sleeps until it wants to be woken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.session.tick(self._loop.time())
        for output in self.session.take_outputs():
            if isinstance(output, Frame):
                self._down.put(output.data)
            elif isinstance(output, CloseFrame):
                self._hang_up(output.code)
                self._down.put(output)
            else:
                self.cut()
        if self.is_open and (at := self.session.wakeup) is not None:
            self._timer = self._loop.call_at(at, self._drive)

    def _at_client(self, piece: Piece) -> None:
        self._heard_from = True
        if isinstance(piece, CloseFrame):
            self._drop()
            self._finish(piece.code, piece.reason)
        elif isinstance(piece, bytes) and self._end is None:
            if self._take is None:
                self._inbox.append(piece)
                self._wake()
                return
            try:
                self._take(piece)
            except Exception as error:  # as in the socket: what the listener raises is the listener's
                self._take = None
                if self._reader is not None and not self._reader.done():
                    self._reader.set_exception(error)

    def _finish(self, code: int, reason: str) -> None:
        if self._end is None:
            self._end = (code, reason)
        self._keepalive.cancel()
        self._writable.set()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _hang_up(self, code: int) -> None:
        """The server's side is over."""
        if self.is_open:
            self.is_open = False
            self.session.connection.is_open = False
            self.session.connection.close_code = code
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self._up.lose()
        self._down.lose()
        self._hang_up(1006)
        self._gone.set()

    def _keep_alive(self) -> None:
        """As in the socket: a ping after so long, and the end after as long again with no sign of life."""
        if not self._heard_from:
            self._drop()
            self._finish(1006, "no sign of life")
            return
        self._heard_from = False
        self._up.put(_Ping())
        self._keepalive = self._loop.call_later(KEEPALIVE_S, self._keep_alive)
