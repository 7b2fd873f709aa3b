"""The one seam over the WebSocket library (picows): text up, whole messages down, and how the connection ended.

It knows frames, flow control and keepalive; what the messages mean is `wire`'s business. No tasks: everything happens
in the library's callbacks and in the caller's own awaits, so there is nothing to leave behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket as stdlib_socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from picows import WSCloseCode, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from fullduplex.models.gemini.dialing import dial, ssl_context
from fullduplex.models.gemini.failures import HandshakeRefused, SocketClosed
from fullduplex.types.binary import framed_base64

KEEPALIVE_S = 15.0
"""After so long without a frame the server is pinged; after as long again without one it counts as gone."""
CLOSE_TIMEOUT_S = 1.0
MAX_MESSAGE = 32 * 1024 * 1024
# Reading pauses above these and goes on below half of them. There cannot be a hard limit: what has arrived in one
# read of the socket is delivered at once, however many frames it holds. But the server is slowed down by TCP's own
# flow control then, and what waits here stays in the order of one read.
HIGH_WATER_MESSAGES = 256
HIGH_WATER_BYTES = 1024 * 1024
# Upstream, at most so many bytes wait in the kernel and in the transport before senders have to wait. It is about two
# seconds of audio: the queue above knows what to drop when the network is slow, these buffers do not.
_UNSENT_IN_KERNEL = 32 * 1024
_UNSENT_IN_TRANSPORT = 64 * 1024

_HEADER_ROOM = 14  # what the library wants before the text of a frame that is made in place


class _Place(threading.local):
    """Where live media become frames: one place for all connections of a thread, which stays in the processor's cache,
    and from which the library sends without a copy of its own. What cannot leave at once it copies.
    """

    def __init__(self) -> None:
        self.frame = bytearray()


_place = _Place()

# Looked up once: an enum's member costs more than the comparison with it.
_TEXT = WSMsgType.TEXT
_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)

_log = logging.getLogger(__name__)


class _Discreet(logging.LoggerAdapter[logging.Logger]):
    """For the library, which at its most talkative would log the handshake's headers, and with them the key."""

    def isEnabledFor(self, level: int) -> bool:
        return level >= logging.WARNING and super().isEnabledFor(level)


class Socket(WSListener):
    """One open WebSocket. One reader at a time; any number of senders."""

    __slots__ = (
        "_closing",
        "_end",
        "_fragments",
        "_fragments_bytes",
        "_frame",
        "_gone",
        "_heard_from",
        "_keepalive",
        "_loop",
        "_messages",
        "_reader",
        "_reading_paused",
        "_room",
        "_take",
        "_transport",
        "_waiting_bytes",
    )

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._fragments: list[bytes] | None = None
        self._fragments_bytes = 0
        self._frame = _place.frame
        self._reader: asyncio.Future[None] | None = None
        self._take: Callable[[bytes | memoryview], None] | None = None
        self._reading_paused = False
        self._room: asyncio.Future[None] | None = None  # done when there is some again; None while there is
        self._end: tuple[int, str] | None = None
        self._closing = False
        self._heard_from = True
        self._keepalive: asyncio.TimerHandle | None = None
        self._transport: WSTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(cls, url: str, headers: list[tuple[str, str]], *, timeout: float) -> Socket:
        """Connects. Raises `OSError`, `TimeoutError`, `HandshakeRefused` or `SocketClosed`; leaves nothing open then.

        `timeout` in seconds is for all of it: address, TCP, TLS and the WebSocket's handshake.
        """
        context = await ssl_context() if url.startswith("wss:") else None
        async with asyncio.timeout(timeout):
            return await cls._connect(url, headers, context, timeout)

    @classmethod
    async def _connect(
        cls, url: str, headers: list[tuple[str, str]], context: ssl.SSLContext | None, timeout: float
    ) -> Socket:
        plain = await dial(url)
        handed_over = False

        def hand_over(_: Any) -> stdlib_socket.socket:
            nonlocal handed_over
            handed_over = True
            return plain

        try:
            _, listener = await ws_connect(
                cls,
                url,
                ssl_context=context,
                extra_headers=headers,
                socket_factory=hand_over,
                max_redirects=0,  # a redirect would carry the key to another host
                max_frame_size=MAX_MESSAGE,
                read_buffer_init_size=4096,  # it grows with the messages; thousands of connections may be idle
                websocket_handshake_timeout=timeout,
                logger_name=_Discreet(_log),
            )
        except BaseException as error:
            if not handed_over:
                plain.close()
            else:
                # The library forgets its transport when it is cancelled before the handshake's end. An end of file on
                # the socket makes the transport, whoever holds it, close itself.
                with contextlib.suppress(OSError):
                    plain.shutdown(stdlib_socket.SHUT_RDWR)
            if isinstance(error, WSHandshakeError):
                raise _refusal(error) from None
            raise
        if not isinstance(listener, cls):  # None: the other side closed before the handshake was over
            raise SocketClosed(1006, "closed during the handshake")
        return listener

    # -- for those who talk and listen ------------------------------------------------------------------------------

    async def writable(self) -> None:
        """Returns when not too much is unsent. Raises `SocketClosed`."""
        while self._room is not None:
            await asyncio.wait([self._room])
        if self._end is not None:
            raise SocketClosed(*self._end)

    async def send(self, text: bytes) -> None:
        """Sends one text message; waits while too much is unsent. Raises `SocketClosed`."""
        await self.writable()
        assert self._transport is not None
        self._transport.send(_TEXT, text)

    def send_now(self, head: bytes, data: bytes, tail: bytes) -> bool:
        """Sends one text message, `data` as base64 between the others, if that takes no waiting; whether it did."""
        if self._end is not None or self._transport is None or self._room is not None:
            return False
        self._transport.send_reuse_external_bytearray(
            _TEXT, framed_base64(self._frame, _HEADER_ROOM, head, data, tail), _HEADER_ROOM
        )
        return True

    async def deliver(self, take: Callable[[bytes | memoryview], None]) -> None:
        """Gives each message to `take` as it arrives; ends by raising `SocketClosed`, or what `take` raises.

        A memoryview is good as long as `take` has it, and no longer.
        """
        if self._reader is not None:
            raise RuntimeError("somebody else is receiving from this connection")
        while self._messages:
            take(self._pop())
        if self._end is not None:
            raise SocketClosed(*self._end)
        self._reader = self._loop.create_future()
        self._take = take
        try:
            await self._reader
        finally:
            self._reader = self._take = None
        assert self._end is not None
        raise SocketClosed(*self._end)

    async def receive(self) -> bytes:
        """The next message, in order; raises `SocketClosed` after the last."""
        while not self._messages:
            if self._end is not None:
                raise SocketClosed(*self._end)
            if self._reader is not None:
                raise RuntimeError("somebody else is receiving from this connection")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._pop()

    async def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Says goodbye, waits up to `timeout` seconds for the other side's, and frees everything. Idempotent."""
        transport = self._transport
        if transport is None:
            return
        self._closing = True
        self._take = None
        self._messages.clear()
        self._waiting_bytes = 0
        self._finish(1000, "closed by us")
        try:
            if not transport.is_disconnected:
                transport.send_close(WSCloseCode.OK)
                self._resume_when_low()
                await asyncio.wait([self._gone], timeout=timeout)
                if not self._gone.done():
                    transport.disconnect(graceful=False)
                    await asyncio.wait([self._gone])
        except asyncio.CancelledError:
            transport.disconnect(graceful=False)
            raise
        with contextlib.suppress(Exception):  # boundary: what the library kept to tell is known from `_end` already
            await transport.wait_disconnected()
        self._transport = None

    # -- called by the library --------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        underlying = transport.underlying_transport
        underlying.set_write_buffer_limits(high=_UNSENT_IN_TRANSPORT)
        raw = underlying.get_extra_info("socket")
        if raw is not None and hasattr(stdlib_socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):
                raw.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NOTSENT_LOWAT, _UNSENT_IN_KERNEL)
        self._keepalive = self._loop.call_later(KEEPALIVE_S, self._keep_alive)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard_from = True
        kind = frame.msg_type
        if kind in _DATA:
            if not frame.fin:
                self._fragments = [frame.get_payload_as_bytes()]
                self._fragments_bytes = frame.payload_size
            elif self._take is None:
                self._put(frame.get_payload_as_bytes())
            else:  # somebody listens: every chunk of audio passes here
                try:
                    self._take(frame.get_payload_as_memoryview())
                except Exception as error:  # the boundary to whoever listens: it is theirs
                    self._refuse(error)
        elif kind == WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            self._finish(code, payload[2:].decode("utf-8", "replace"))
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        handshake = transport.close_handshake
        sent = handshake.sent if handshake is not None else None
        self._finish(1006, (sent.reason if sent is not None else "") or "")
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    # -- inside -----------------------------------------------------------------------------------------------------

    def _put(self, message: bytes) -> None:
        if self._closing:
            return
        self._messages.append(message)
        self._waiting_bytes += len(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if not self._reading_paused and (
            len(self._messages) > HIGH_WATER_MESSAGES or self._waiting_bytes > HIGH_WATER_BYTES
        ):
            self._reading_paused = True
            assert self._transport is not None
            self._transport.underlying_transport.pause_reading()

    def _refuse(self, error: Exception) -> None:
        """Whoever listens could not take a message, and hears no more."""
        self._take = None
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(error)

    def _pop(self) -> bytes:
        message = self._messages.popleft()
        self._waiting_bytes -= len(message)
        if self._reading_paused:
            self._resume_when_low()
        return message

    def _continue(self, frame: WSFrame) -> None:
        if self._fragments is None:
            return
        self._fragments.append(frame.get_payload_as_bytes())
        self._fragments_bytes += frame.payload_size
        if self._fragments_bytes > MAX_MESSAGE:
            self._fragments = None
            self._break_off(1009, f"a message of more than {MAX_MESSAGE} bytes")
        elif frame.fin:
            whole, self._fragments = b"".join(self._fragments), None
            if self._take is None:
                self._put(whole)
                return
            try:
                self._take(whole)
            except Exception as error:  # as above
                self._refuse(error)

    def _resume_when_low(self) -> None:
        low = len(self._messages) <= HIGH_WATER_MESSAGES // 2 and self._waiting_bytes <= HIGH_WATER_BYTES // 2
        transport = self._transport
        if self._reading_paused and low and transport is not None:
            self._reading_paused = False
            self._heard_from = True
            if not transport.is_disconnected:
                transport.underlying_transport.resume_reading()

    def _finish(self, code: int, reason: str) -> None:
        """Notes how it ended, the first time, and wakes all who wait."""
        if self._end is None:
            self._end = (code, reason)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        self.resume_writing()

    def _break_off(self, code: int, reason: str) -> None:
        self._finish(code, reason)
        assert self._transport is not None
        self._transport.disconnect(graceful=False)

    def _keep_alive(self) -> None:
        """Finds out that the other side is gone where TCP would need a quarter of an hour. While we do not read
        ourselves, silence says nothing about the other side."""
        assert self._transport is not None
        if self._heard_from or self._reading_paused:
            self._heard_from = False
            self._transport.send_ping()
        else:
            self._break_off(1006, f"no sign of life for {2 * KEEPALIVE_S:g} s")
            return
        self._keepalive = self._loop.call_later(KEEPALIVE_S, self._keep_alive)


def _refusal(error: WSHandshakeError) -> HandshakeRefused | SocketClosed:
    if error.response is None:
        return SocketClosed(1006, f"no WebSocket there: {error}")
    return HandshakeRefused(int(error.response.status), (error.raw_body or b"").decode("utf-8", "replace"))
