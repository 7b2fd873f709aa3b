"""A TCP proxy with faults: it stands between a client and a server on this machine and spoils the network on command.

    async with MockLive() as mock, FaultyProxy("127.0.0.1", mock.port) as proxy:
        model = Gemini("gemini-live-2.5-flash", api_key="k", base_url=proxy.url)
        ...
        proxy.delay(0.08)     # every byte takes 80 ms longer, both ways
        proxy.stall()         # nothing moves, nothing is lost …
        proxy.go_on()         # … until now
        proxy.cut()           # open connections are reset, with no goodbye
        proxy.blackhole()     # what is sent on the connections open now vanishes, and nobody is told
        proxy.refuse(True)    # new connections are reset at once

It moves bytes and knows no protocol. It makes no virtual time: its sockets are real.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from fullduplex.testing.relay import Pair


class FaultyProxy:
    """Passes TCP connections on to `target_host:target_port`, with faults that can be changed while it runs.

    `connected_at` has the event loop's time (seconds) of each connection that was passed on, `refused_at` of each that
    was refused; `passed` counts the bytes that were read on both sides.
    """

    def __init__(self, target_host: str, target_port: int, *, host: str = "127.0.0.1") -> None:
        self.connected_at: list[float] = []
        self.refused_at: list[float] = []
        self.passed = 0
        self._target = (target_host, target_port)
        self._host = host
        self._delay = 0.0
        self._stalled = False
        self._refusing = False
        self._cut_at: int | None = None
        self._pairs: set[Pair] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the proxy is not running: enter it with `async with`")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address as an `http://` URL, for the base URL of a model."""
        return f"http://{self._host}:{self.port}"

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._pairs)

    def delay(self, seconds: float) -> None:
        """From now on every byte arrives `seconds` later than it would, both ways, in order."""
        self._delay = seconds

    def stall(self) -> None:
        """Holds all that is sent, both ways, on new connections too, until `go_on()`."""
        self._stalled = True

    def go_on(self) -> None:
        """Ends a stall: what was held arrives now."""
        self._stalled = False
        for pair in list(self._pairs):
            pair.release()

    def cut(self) -> None:
        """Resets every open connection on both sides; what was on its way is lost."""
        for pair in list(self._pairs):
            pair.reset()

    def cut_after(self, count: int) -> None:
        """Cuts, once, when `count` more bytes have been read on both sides together; the byte before is passed on."""
        self._cut_at = self.passed + count

    def blackhole(self) -> None:
        """Swallows all that is sent on the connections open now, both ways, ends and resets included.

        Neither side is told; a client finds out by its own timeouts. New connections are not affected.
        """
        for pair in self._pairs:
            pair.swallow()

    def refuse(self, on: bool) -> None:
        """Whether new connections are reset as soon as they are made."""
        self._refusing = on

    async def __aenter__(self) -> FaultyProxy:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Pair(self).client, self._host, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        pairs = list(self._pairs)
        self.cut()
        await asyncio.gather(*(pair.gone() for pair in pairs))

    # -- for its pairs ----------------------------------------------------------------------------------------------

    @property
    def target(self) -> tuple[str, int]:
        """Where connections are passed on to."""
        return self._target

    @property
    def lag(self) -> float | None:
        """Seconds by which bytes are held back now; None while nothing moves."""
        return None if self._stalled else self._delay

    def admit(self, pair: Pair) -> bool:
        """Whether a new connection is let in."""
        now = asyncio.get_running_loop().time()
        (self.refused_at if self._refusing else self.connected_at).append(now)
        if not self._refusing:
            self._pairs.add(pair)
        return not self._refusing

    def count(self, data: bytes) -> bytes:
        """Counts what was read and returns how much of it goes on; the rest comes after the cut."""
        before, self.passed = self.passed, self.passed + len(data)
        if self._cut_at is None or self.passed < self._cut_at:
            return data
        kept, self._cut_at = data[: self._cut_at - before], None
        asyncio.get_running_loop().call_soon(self.cut)
        return kept

    def forget(self, pair: Pair) -> None:
        """Both sides of `pair` are closed."""
        self._pairs.discard(pair)
