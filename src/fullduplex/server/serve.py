"""Runs the application with uvicorn: on a socket of its own, with our limits, and gone soon after SIGTERM."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from fullduplex.server.settings import ServerSettings

_STOP_DEADLINE_S = 1
_BACKLOG = 2048
_UNSENT_IN_KERNEL = 16 * 1024


class LiveServer(uvicorn.Server):
    """A uvicorn server that says when it is up, and lets the calls know first when it goes down."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_started: Callable[[], None] | None = None,
        on_stopping: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets=sockets)
        if self.started and self._on_started is not None:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        if self._on_stopping is not None:
            self._on_stopping()
        await super().shutdown(sockets=sockets)


def uvicorn_config(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    """What uvicorn is told.

    `websockets-sansio` reads one message at a time and so lets TCP slow a client down, and took 17 µs of CPU for a pair
    of messages where the `websockets` protocol took 24. Frames are not compressed: audio is not worth the CPU.
    """
    return uvicorn.Config(
        app,
        loop="auto",
        ws="websockets-sansio",
        ws_max_size=settings.max_frame_bytes,
        ws_ping_interval=settings.ping_interval_s,
        ws_ping_timeout=settings.ping_timeout_s,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=_STOP_DEADLINE_S,
        log_config=None,
        access_log=False,
        server_header=False,
    )


def bind(settings: ServerSettings) -> socket.socket:
    """A socket on the address of the settings; raises `OSError` when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Calls take it over: what an interruption makes worthless waits where it can be dropped, not in the kernel.
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_IN_KERNEL)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """The address of the page, as one types it into a browser."""
    host, port = listener.getsockname()[:2]
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def serve(
    app: FastAPI,
    settings: ServerSettings,
    *,
    listener: socket.socket | None = None,
    on_started: Callable[[], None] | None = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C, and returns when the calls are closed and the helper processes have ended."""

    def started() -> None:
        # What has been imported stays. If the collector went through it again and again, every voice would pause for
        # 60 ms meanwhile.
        gc.collect()
        gc.freeze()
        if on_started is not None:
            on_started()

    server = LiveServer(uvicorn_config(app, settings), on_started=started, on_stopping=app.state.host.stop)
    # uvicorn repeats the signal when it is done; without a handler that would end the process before it has cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run(sockets=[listener or bind(settings)])
    except KeyboardInterrupt:
        pass
