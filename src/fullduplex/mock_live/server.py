"""The socket shell of Mock Live: WebSocket and TLS around `LiveSession`, and the handle that tests hold.

It moves frames and time; what they mean is decided in `session.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http
import ssl
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.http11 import Request, Response

from .handshake import Refused, read_request
from .options import MockOptions
from .reactors import Reactor, echo_reactor
from .records import Connection, Refusal, Stats
from .script import Cursor, Item, Script
from .session import LiveSession
from .shell import Shell
from .stage import World
from .steps import Quota, Refuse
from .tls import Certificate, make_certificate

Scripts = Script | Sequence[Script] | Callable[[int], Script] | None


class MockLive:
    """A mock Gemini Live server, as an async context manager. See the package's docstring for how to use it.

    `script`: one story, a list with one for each handshake in the order of arrival, or a function from the
    handshake's number (from 1) to its script; without a turn left `reactor` answers. `tls`: True makes a certificate
    at run time (`ca_file` is what the client has to trust), or pass a `Certificate`. `pace`: False flat out, True real
    time, or a factor. Further keyword arguments are fields of `MockOptions`.

    An exception in a script's or reactor's function closes that connection with 1011, is kept in `errors`, and is
    raised when the context is left.
    """

    def __init__(
        self,
        script: Scripts = None,
        *,
        tls: bool | Certificate = False,
        pace: bool | float | None = None,
        reactor: Reactor = echo_reactor,
        host: str = "127.0.0.1",
        port: int = 0,
        options: MockOptions | None = None,
        **overrides: Any,
    ) -> None:
        if pace is not None:
            overrides["pace"] = float(pace)
        self.options = dataclasses.replace(options or MockOptions(), **overrides)
        self.connections: list[Connection] = []
        self.refusals: list[Refusal] = []
        self.errors: list[Exception] = []
        self._world = World(self.options)
        self._script = script
        self._shared = script.cursor() if isinstance(script, Script) else None
        self._reactor = reactor
        self._tls = tls
        self._host = host
        self._port = port
        self._server: Server | None = None
        self._sockets: dict[int, Shell] = {}
        self._faults: list[Refuse | Quota] = []
        self._handshakes = 0
        self._accepted: weakref.WeakKeyDictionary[ServerConnection, LiveSession] = weakref.WeakKeyDictionary()
        self._changed = asyncio.Event()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._certificate = tls if isinstance(tls, Certificate) else None

    # -- where it is -------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("Mock Live is not running: enter it with `async with`")
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL for GOOGLE_GEMINI_BASE_URL or GOOGLE_VERTEX_BASE_URL."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The same with the scheme of a WebSocket."""
        return self.url.replace("http", "ws", 1)

    @property
    def ca_file(self) -> str:
        """Path of the certificate for SSL_CERT_FILE. Raises RuntimeError without TLS."""
        if self._certificate is None:
            raise RuntimeError("Mock Live serves no TLS here")
        return str(self._certificate.cert_file)

    # -- what a test looks at ----------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """Totals over all connections."""
        return self._world.stats

    @property
    def open_connections(self) -> list[Connection]:
        """The connections that are open now, oldest first."""
        return [connection for connection in self.connections if connection.is_open]

    async def wait_for(self, predicate: Callable[[MockLive], Any], timeout: float = 5.0) -> None:
        """Returns as soon as `predicate(self)` is true; it is asked after each message and each (dis)connection.

        Raises TimeoutError, with what was seen so far, after `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while not predicate(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = [(c.number, c.kinds[-10:], c.close_code) for c in self.connections]
            raise TimeoutError(f"not seen within {timeout} s; connections (number, kinds, close): {seen}") from None

    # -- what a test does --------------------------------------------------------------------------------------------

    async def push(self, *items: Item, connection: Connection | None = None) -> None:
        """Makes an open connection (default: the newest) do these steps now, and returns when they are sent.

        Steps that take no time are done at once, in the middle of a turn as well; `stall` holds the present turn;
        others become a turn of their own after the present one (this call does not wait for its end). `refuse` and
        `quota` on their own concern the next connection. Raises RuntimeError when no connection is open.
        """
        if len(items) == 1 and isinstance(items[0], Refuse):
            self._faults.append(items[0])
            return
        if connection is None:
            ready = [one for one in self.open_connections if one.ready]
            if not ready:
                if len(items) == 1 and isinstance(items[0], Quota):
                    self._faults.append(items[0])
                    return
                raise RuntimeError("no open connection to push to")
            connection = ready[-1]
        shell = self._sockets.get(connection.number)
        if shell is None:
            raise RuntimeError(f"connection {connection.number} is closed")
        shell.session.push(items, asyncio.get_running_loop().time())
        await shell.flushed()

    def fail_next(self, *faults: Refuse | Quota) -> None:
        """The next connections meet these faults, one each, before the script is asked."""
        self._faults.extend(faults)

    def forget_handles(self) -> None:
        """No resumption handle issued so far is known any more."""
        self._world.handles.forget()

    async def drop_all(self) -> None:
        """Aborts every open connection, with no close frame."""
        for shell in list(self._sockets.values()):
            shell.abort()
        await self.wait_for(lambda mock: not mock.open_connections)

    # -- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> MockLive:
        self._server = await serve_websocket(
            self._handle,
            self._host,
            self._port,
            ssl=self._context(),
            process_request=self._request,
            compression="deflate" if self.options.compression else None,
            max_size=None,
            max_queue=256,
            ping_interval=20 if self.options.keepalive else None,
            close_timeout=2,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        # Clients that are still there get the close of a server that goes down; their handlers end by it.
        self._server.close(code=1001, reason="Mock Live is shutting down")
        await self._server.wait_closed()
        if self._folder is not None:
            self._folder.cleanup()
        if self.errors and error is None:
            raise self.errors[0]

    def _context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        if self._certificate is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mock-live-")
            self._certificate = make_certificate(self._folder.name)
        return self._certificate.server_context()

    def _request(self, socket: ServerConnection, request: Request) -> Response | None:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        read = read_request(request.path, headers, self.options)
        if isinstance(read, Refused):
            return self._refuse(socket, read.status, read.body, request.path, headers)
        self._handshakes += 1
        cursor, resumes = self._cursor(self._handshakes)
        fault = self._faults.pop(0) if self._faults else self._scripted_fault(cursor)
        if isinstance(fault, Refuse):
            return self._refuse(socket, fault.status, fault.body, request.path, headers)
        self.stats.connects += 1
        connection = Connection(
            number=self.stats.connects,
            path=read.path,
            query=dict(read.query),
            headers=headers,
            backend=read.backend,
            version=read.version,
            opened_at=asyncio.get_running_loop().time(),
        )
        self._accepted[socket] = LiveSession(connection, read, self._world, self._reactor, cursor, fault, resumes)
        return None

    def _refuse(self, socket: ServerConnection, status: int, body: str, path: str, headers: dict[str, str]) -> Response:
        self.stats.refused += 1
        self.refusals.append(Refusal(status, path, headers))
        self._changed.set()
        return socket.respond(http.HTTPStatus(status), body)

    def _cursor(self, number: int) -> tuple[Cursor | None, bool]:
        """The story for a connection, and whether a resumed session goes on with that of its handle instead."""
        script = self._script
        if script is None:
            return None, False
        if isinstance(script, Script):
            if script.scope == "server":
                return self._shared, False
            cursor = script.cursor()
            while cursor.take_connect_fault():
                pass  # those at the beginning are told once, by the shared cursor
            return cursor, True
        if callable(script):
            return script(number).cursor(), False
        return (script[number - 1].cursor() if number <= len(script) else None), False

    def _scripted_fault(self, cursor: Cursor | None) -> Refuse | Quota | None:
        source = self._shared or cursor
        return source.take_connect_fault() if source else None

    async def _handle(self, socket: ServerConnection) -> None:
        session = self._accepted.pop(socket)
        connection = session.connection
        shell = Shell(socket, session, self.options, self._changed.set)
        self.connections.append(connection)
        self._sockets[connection.number] = shell
        self.stats.open += 1
        self._changed.set()
        try:
            await shell.run()
        except Exception as error:  # the boundary to functions of the test's own: scripts and reactors
            self.errors.append(error)
            await socket.close(1011, f"Internal error encountered: {type(error).__name__}")
        finally:
            self._sockets.pop(connection.number, None)
            self.stats.open -= 1
            connection.is_open = False
            connection.close_code = socket.close_code
            connection.close_reason = socket.close_reason or ""
            self.stats.closes[socket.close_code or 1006] += 1
            self._changed.set()


@contextlib.asynccontextmanager
async def serve(
    host: str = "127.0.0.1", port: int = 0, script: Scripts = None, **settings: Any
) -> AsyncIterator[MockLive]:
    """`MockLive` by host and port, for programs that serve it: `async with serve(port=9000) as mock: …`."""
    async with MockLive(script, host=host, port=port, **settings) as mock:
        yield mock
