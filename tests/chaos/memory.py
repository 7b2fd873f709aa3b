"""A Gemini server in memory: the real wire text in virtual time, and no sockets.

`GeminiConnection` with its encoder and decoder is used as it is, over the lines of `network`; behind them sit the
sessions of Mock Live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fullduplex.mock_live import MockOptions, Reactor
from fullduplex.mock_live.handshake import Backend, Endpoint
from fullduplex.mock_live.records import Connection
from fullduplex.mock_live.session import LiveSession
from fullduplex.mock_live.stage import World
from fullduplex.models.base import ConnectRequest
from fullduplex.models.gemini import Gemini, failures
from fullduplex.models.gemini import setup as setups
from fullduplex.models.gemini.capabilities import capabilities_of
from fullduplex.models.gemini.live import GeminiConnection
from fullduplex.models.gemini.wire import Encoder

from .network import Line, Network

PLACE = "memory"


class MemoryServer:
    """Serves live sessions of one `World`; `lines` has every connection in order, `attempts` when each was asked for.

    `greet` is called with each new connection.
    """

    def __init__(
        self,
        reactor: Reactor,
        options: MockOptions,
        *,
        backend: Backend = "gemini",
        network: Network | None = None,
        greet: Callable[[Line], None] | None = None,
    ) -> None:
        self.world = World(options)
        self.backend: Backend = backend
        self.network = network or Network()
        self.lines: list[Line] = []
        self.attempts: list[float] = []
        self._reactor = reactor
        self._greet = greet
        self._moving = asyncio.Event()
        self._moving.set()

    @property
    def open_lines(self) -> list[Line]:
        """The connections that are open now."""
        return [line for line in self.lines if line.is_open]

    @property
    def connections(self) -> Sequence[Connection]:
        """What the sessions saw."""
        return [line.session.connection for line in self.lines]

    async def dial(self) -> Line:
        """A new connection, after the round trips of TCP and of the WebSocket's handshake."""
        loop = asyncio.get_running_loop()
        self.attempts.append(loop.time())
        for _ in range(4):
            await self._moving.wait()
            await asyncio.sleep(self.network.takes())
            if self.network.refusing:
                raise ConnectionRefusedError("refused")
        number = len(self.lines) + 1
        version = "v1beta1" if self.backend == "vertex" else "v1beta"
        endpoint = Endpoint(self.backend, version, False, "key", "key", "/", {})
        connection = Connection(number, "/", {}, {}, self.backend, version, loop.time())
        line = Line(self.network, LiveSession(connection, endpoint, self.world, self._reactor))
        self.lines.append(line)
        if self._greet is not None:
            self._greet(line)
        return line

    def stall(self) -> None:
        """Nothing moves, nothing is lost."""
        self.network.stalled = True
        self._moving.clear()

    def go_on(self) -> None:
        """The stall is over: what was held arrives."""
        self.network.stalled = False
        self._moving.set()
        for line in self.lines:
            line.pump()


class MemoryGemini(Gemini):
    """`Gemini` whose connections lead to a `MemoryServer`."""

    def __init__(self, model: str, server: MemoryServer, *, connect_timeout: float = 10.0) -> None:
        super().__init__(model, connect_timeout=connect_timeout)
        self._server = server
        self._patience = connect_timeout

    async def _open(self, request: ConnectRequest) -> GeminiConnection:
        model = request.model or self.model
        backend = self._server.backend
        capabilities = capabilities_of(model)
        config = setups.check(request, backend=backend, capabilities=capabilities, speech=None)
        setup = setups.encode_setup(request, config, model_path=f"models/{model}")
        try:
            async with asyncio.timeout(self._patience):
                line = await self._server.dial()
        except TimeoutError:
            raise failures.from_timeout(PLACE, self._patience) from None
        except OSError as error:
            raise failures.from_os_error(error, PLACE) from None
        manual = setups.manual_activity(config)
        connection = GeminiConnection(line, Encoder(capabilities, backend), manual_activity=manual)  # type: ignore[arg-type]
        try:
            await connection.set_up(setup, place=PLACE, timeout=self._patience)
        except BaseException:
            await connection.close()
            raise
        return connection
