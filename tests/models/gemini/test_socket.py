"""The seam over the WebSocket library: frames, flow control, endings, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket as stdlib_socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from fullduplex.errors import InvalidConfig
from fullduplex.models.gemini import socket as seam
from fullduplex.models.gemini.failures import HandshakeRefused, SocketClosed
from fullduplex.models.gemini.socket import Socket
from tests.models.gemini.raw_server import Behaviour, close_frame, frame, raw_server, upgrade

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def after_upgrade(*chunks: bytes) -> Behaviour:
    """Accepts, writes these bytes, and listens."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return behave


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers the handshake."""


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


# -- messages -----------------------------------------------------------------------------------------------------


async def test_text_binary_and_fragments_are_messages_in_order() -> None:
    big = b"x" * 70_000
    chunks = (
        frame(b"one"),
        frame(b"two", opcode=2),
        frame(b"th", fin=False) + frame(b"", opcode=9) + frame(b"re", opcode=0, fin=False) + frame(b"e", opcode=0),
        frame(big),
    )
    async with raw_server(after_upgrade(*chunks)) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        assert [await socket.receive() for _ in range(4)] == [b"one", b"two", b"three", big]
        await socket.close(0.01)


async def test_what_came_before_the_close_is_still_read() -> None:
    chunks = (frame(b"a") + frame(b"b") + close_frame(4001, "enough"),)
    async with raw_server(after_upgrade(*chunks)) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        assert await socket.receive() == b"a"
        assert await socket.receive() == b"b"
        for _ in range(2):
            with pytest.raises(SocketClosed) as caught:
                await socket.receive()
            assert (caught.value.code, caught.value.reason) == (4001, "enough")
        with pytest.raises(SocketClosed):
            await socket.send(b"too late")
        await socket.close()


@pytest.mark.parametrize(
    ("chunk", "code"),
    [(frame(b"", opcode=8), 1005), (b"", 1006), (b"\xff\xff\xff", 1006)],
    ids=["no code", "no close frame", "broken frame"],
)
async def test_endings_without_a_code(chunk: bytes, code: int) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await after_upgrade(chunk)(reader, writer)
        writer.close()

    async with raw_server(behave) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert caught.value.code == code
        await socket.close()


async def test_a_message_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_MESSAGE", 1000)
    chunks = (frame(b"x" * 900, fin=False), frame(b"x" * 900, opcode=0, fin=False))
    async with raw_server(after_upgrade(*chunks)) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        with pytest.raises(SocketClosed) as caught:
            await socket.receive()
        assert caught.value.code == 1009
        await socket.close()


async def test_one_reader_at_a_time() -> None:
    async with raw_server(after_upgrade()) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        first = asyncio.create_task(socket.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="somebody else"):
            await socket.receive()
        await socket.close(0.01)
        with pytest.raises(SocketClosed):
            await first


# -- flow control -------------------------------------------------------------------------------------------------


async def test_a_flood_is_held_back_and_nothing_is_lost() -> None:
    total = 20_000
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await upgrade(reader, writer)
        writer.transport.set_write_buffer_limits(high=1024)
        for number in range(total):
            writer.write(frame(b"%d " % number + b"." * 1000))
            await writer.drain()
            written = number + 1

    async with raw_server(flood) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        progress = -1
        while progress != written:  # until the server cannot write any more
            progress = written
            await asyncio.sleep(0.05)
        assert 0 < written < total
        assert socket._waiting_bytes < 4 * seam.HIGH_WATER_BYTES
        for number in range(total):
            assert (await socket.receive()).startswith(b"%d " % number)
        assert socket._waiting_bytes == 0
        await socket.close(0.01)


async def test_senders_wait_for_a_slow_server_and_nothing_is_lost() -> None:
    go_on = asyncio.Event()
    received = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await upgrade(reader, writer)
        await go_on.wait()
        while piece := await reader.read(65536):
            received += len(piece)

    async with raw_server(slow, receive_buffer=8192) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        message = b"x" * 2000
        sent = 0

        async def send_all() -> None:
            nonlocal sent
            for _ in range(3000):
                await socket.send(message)
                sent += 1

        sender = asyncio.create_task(send_all())
        progress = -1
        while progress != sent:
            progress = sent
            await asyncio.sleep(0.05)
        assert not sender.done()
        assert sent * len(message) < 1_000_000  # of six
        go_on.set()
        await sender
        await socket.close()
    assert received > 3000 * len(message)


async def test_a_waiting_sender_hears_of_the_end() -> None:
    async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await asyncio.Event().wait()

    async with raw_server(never_read, receive_buffer=8192) as server:
        socket = await Socket.open(server.url, [], timeout=5)

        async def send_for_ever() -> None:
            while True:
                await socket.send(b"x" * 10_000)

        sender = asyncio.create_task(send_for_ever())
        for _ in range(500):
            if socket._room is not None:
                break
            await asyncio.sleep(0.01)
        await socket.close(0.01)
        with pytest.raises(SocketClosed):
            await sender


class Listener(WSListener):
    """The other side of a connection, which keeps what it is told."""

    def __init__(self, heard: list[bytes], gone: asyncio.Event) -> None:
        self.heard = heard
        self.gone = gone

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        else:
            self.heard.append(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.gone.set()


async def test_what_is_sent_without_waiting_leaves_in_order_whatever_else_is_sent() -> None:
    heard: list[bytes] = []
    gone = asyncio.Event()
    server = await ws_create_server(lambda _: Listener(heard, gone), "127.0.0.1", 0)
    socket = await Socket.open(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", [], timeout=5)
    assert socket.send_now(b"one", b"", b"")
    assert socket.send_now(b"two", b"", b"")
    await socket.send(b"three")
    assert socket.send_now(b"four", b"", b"")
    await asyncio.sleep(0)
    assert socket.send_now(b"five", b"", b"")
    await socket.close()  # in the same pass: what was taken still leaves
    async with asyncio.timeout(5):
        await gone.wait()
    assert heard == [b"one", b"two", b"three", b"four", b"five"]
    assert not socket.send_now(b"six", b"", b"")
    server.close()


async def test_a_burst_in_one_pass_is_held_back_by_a_slow_server() -> None:
    async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await asyncio.Event().wait()

    async with raw_server(never_read, receive_buffer=8192) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        taken = sum(socket.send_now(b"x" * 2000, b"", b"") for _ in range(3000))
        assert 10 < taken < 500  # of 3,000: what the kernel and the transport have room for
        await asyncio.sleep(0)
        assert not socket.send_now(b"more", b"", b"")
        await socket.close(0.01)


# -- the handshake ------------------------------------------------------------------------------------------------


def http(status: bytes, *headers: bytes, body: bytes = b"") -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = b"Content-Length: %d" % len(body)
        writer.write(b"\r\n".join([b"HTTP/1.1 " + status, *headers, length, b"", body]))
        await writer.drain()

    return behave


async def test_an_http_answer() -> None:
    async with raw_server(http(b"503 Service Unavailable", body=b"come back later")) as server:
        with pytest.raises(HandshakeRefused) as caught:
            await Socket.open(server.url, [], timeout=5)
        assert (caught.value.status, caught.value.body) == (503, "come back later")
        await server.wait_for(lambda s: s.accepted == 1 and s.open == 0)


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async with raw_server(after_upgrade()) as thief:
        location = b"Location: " + thief.url.encode()
        async with raw_server(http(b"302 Found", location)) as server:
            with pytest.raises(HandshakeRefused) as caught:
                await Socket.open(server.url, [("x-goog-api-key", "s3cret")], timeout=5)
            assert caught.value.status == 302
        assert thief.accepted == 0


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Sw\r\n", b"SSH-2.0-x\r\n\r\n"])
async def test_a_server_that_hangs_up_or_speaks_something_else(answer: bytes) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with raw_server(behave) as server:
        with pytest.raises(SocketClosed) as caught:
            await Socket.open(server.url, [], timeout=5)
        assert caught.value.code == 1006


async def test_an_address_that_the_library_refuses() -> None:
    async with raw_server(silent) as server:
        with pytest.raises(Exception, match="fragment") as caught:
            await Socket.open(server.url + "#part", [], timeout=5)
        await server.wait_for(lambda s: s.accepted == 1 and s.open == 0)
        del caught


async def test_nobody_there() -> None:
    async with raw_server(silent) as server:
        url = server.url
    with pytest.raises(ConnectionRefusedError):
        await Socket.open(url, [], timeout=5)
    with pytest.raises(stdlib_socket.gaierror):
        await Socket.open("ws://no-such-host.invalid/", [], timeout=5)


async def test_the_key_is_not_logged_even_at_the_lowest_level(caplog: pytest.LogCaptureFixture) -> None:
    async with raw_server(after_upgrade(frame(b"x"))) as server:
        with caplog.at_level(1):
            for name in ("picows", "fullduplex.models.gemini.socket", "aiofastnet"):
                logging.getLogger(name).setLevel(1)
            socket = await Socket.open(server.url, [("x-goog-api-key", "s3cret")], timeout=5)
            await socket.receive()
            await socket.close(0.01)
        for name in ("picows", "fullduplex.models.gemini.socket", "aiofastnet"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert "s3cret" not in caplog.text


# -- nothing is left behind ---------------------------------------------------------------------------------------


LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


def run(new_loop: NewLoop, main: Awaitable[None]) -> None:
    """Runs `main` on this kind of loop; anything that the loop complains about is an error."""
    complaints: list[object] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await main

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(watched())
    assert not complaints


@LOOPS
def test_a_handshake_that_times_out(new_loop: NewLoop) -> None:
    async def main() -> None:
        async with raw_server(silent) as server:
            with pytest.raises(TimeoutError):
                await Socket.open(server.url, [], timeout=0.5)  # long enough to get through to it
            await server.wait_for(lambda s: s.accepted == 1 and s.open == 0)

    run(new_loop, main())


@LOOPS
@pytest.mark.parametrize("server_behaviour", [silent, after_upgrade(frame(b"x"))], ids=["silent", "quick"])
def test_cancelled_at_any_moment(new_loop: NewLoop, server_behaviour: Behaviour) -> None:
    async def main() -> None:
        async with raw_server(server_behaviour) as server:
            before = others()
            for ticks in range(25):
                opening = asyncio.create_task(Socket.open(server.url, [], timeout=5))
                for _ in range(ticks):
                    await asyncio.sleep(0.0005)
                opening.cancel()
                (outcome,) = await asyncio.gather(opening, return_exceptions=True)
                if isinstance(outcome, Socket):
                    await outcome.close(0.01)
                await server.wait_for(lambda s: s.open == 0)
            await asyncio.sleep(0)
            assert {task for task in others() - before if "handle" not in str(task)} == set()

    run(new_loop, main())


@LOOPS
def test_close_waits_for_the_other_side_and_not_for_ever(new_loop: NewLoop) -> None:
    async def main() -> None:
        async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await upgrade(reader, writer)
            received = await reader.read(100)
            assert received[0] == 0x88
            writer.write(close_frame(1000))

        loop = asyncio.get_running_loop()
        async with raw_server(polite) as server:
            socket = await Socket.open(server.url, [], timeout=5)
            start = loop.time()
            await socket.close(5)
            await socket.close(5)
            assert loop.time() - start < 4
            await server.wait_for(lambda s: s.accepted == 1 and s.open == 0)
        async with raw_server(after_upgrade()) as server:
            socket = await Socket.open(server.url, [], timeout=5)
            await socket.close(0.05)
            await server.wait_for(lambda s: s.accepted == 1 and s.open == 0)
            assert not others() - {task for task in others() if "handle" in str(task)}

    run(new_loop, main())


async def test_a_cancelled_close_still_closes() -> None:
    async with raw_server(after_upgrade()) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        closing = asyncio.create_task(socket.close(30))
        await asyncio.sleep(0.01)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await server.wait_for(lambda s: s.open == 0)


async def test_a_cancelled_reader_loses_nothing() -> None:
    go_on = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await go_on.wait()
        writer.write(frame(b"x"))

    async with raw_server(behave) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        reading = asyncio.create_task(socket.receive())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        go_on.set()
        assert await socket.receive() == b"x"
        await socket.close(0.01)


# -- keepalive ----------------------------------------------------------------------------------------------------


async def test_a_server_that_went_silent_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "KEEPALIVE_S", 0.02)
    async with raw_server(after_upgrade()) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        with pytest.raises(SocketClosed, match="no sign of life") as caught:
            await socket.receive()
        assert caught.value.code == 1006
        await server.wait_for(lambda s: s.open == 0)
        await socket.close()


async def test_no_keepalive_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "KEEPALIVE_S", 0.02)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with raw_server(after_upgrade()) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        await socket.close(0.001)
        await asyncio.sleep(0.05)
    assert not complaints


async def test_a_pong_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "KEEPALIVE_S", 0.02)
    pings = 0

    async def pongs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        await upgrade(reader, writer)
        while pings < 6:
            head = await reader.readexactly(6)
            assert head[0] == 0x89
            pings += 1
            writer.write(frame(b"", opcode=10))
        writer.write(frame(b"still here"))

    async with raw_server(pongs) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        assert await socket.receive() == b"still here"
        await socket.close(0.01)


async def test_pings_are_answered() -> None:
    answered = asyncio.Event()

    async def pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(frame(b"hi", opcode=9))
        head = await reader.readexactly(2)
        assert head[0] == 0x8A
        answered.set()

    async with raw_server(pings) as server:
        socket = await Socket.open(server.url, [], timeout=5)
        await asyncio.wait_for(answered.wait(), 5)
        await socket.close(0.01)


# -- TLS ----------------------------------------------------------------------------------------------------------


@LOOPS
def test_tls_trusts_ssl_cert_file(new_loop: NewLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    from fullduplex.mock_live import MockLive

    headers = [("x-goog-api-key", "k")]
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

    async def main() -> None:
        async with MockLive(tls=True) as mock:
            url = mock.ws_url + path
            with pytest.raises(ssl.SSLCertVerificationError):
                await Socket.open(url, headers, timeout=5)
            monkeypatch.setenv("SSL_CERT_FILE", mock.ca_file)
            socket = await Socket.open(url, headers, timeout=5)
            await socket.send(b'{"setup": {"model": "models/gemini-live-2.5-flash"}}')
            assert b"setupComplete" in await socket.receive()
            await socket.close()
            assert mock.stats.connects == 1

    run(new_loop, main())


@LOOPS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_what_cannot_leave_at_once_leaves_unspoiled(
    new_loop: NewLoop, tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = None
    if tls:
        pytest.importorskip("cryptography")
        from fullduplex.mock_live import make_certificate

        certificate = make_certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert_file))
        context = certificate.server_context()
    chunks = [bytes([number % 251]) * 2000 for number in range(200)]
    heard: list[bytes] = []

    class Slow(Listener):
        """Reads only when it is told to."""

        def on_ws_connected(self, transport: WSTransport) -> None:
            transport.underlying_transport.pause_reading()
            reads.append(transport.underlying_transport.resume_reading)

    reads: list[Callable[[], None]] = []

    async def main() -> None:
        gone = asyncio.Event()
        server = await ws_create_server(lambda _: Slow(heard, gone), "127.0.0.1", 0, ssl=context)
        scheme, port = "wss" if tls else "ws", server.sockets[0].getsockname()[1]
        socket, other = [await Socket.open(f"{scheme}://127.0.0.1:{port}/", [], timeout=5) for _ in range(2)]
        sent = 0
        while sent < len(chunks) and socket.send_now(b"<", chunks[sent], b">"):
            other.send_now(b"(", b"in the same place", b")")
            sent += 1
        assert 10 < sent < len(chunks)
        for read in reads:
            read()
        for chunk in chunks[sent:]:
            await socket.writable()
            assert socket.send_now(b"<", chunk, b">")
        await socket.close()
        async with asyncio.timeout(5):
            await gone.wait()
        await other.close()
        server.close()

    run(new_loop, main())
    assert [one for one in heard if one.startswith(b"<")] == [
        b"<" + base64.urlsafe_b64encode(chunk) + b">" for chunk in chunks
    ]


async def test_a_certificate_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(InvalidConfig, match="SSL_CERT_FILE"):
        await Socket.open("wss://127.0.0.1:1/", [], timeout=5)
