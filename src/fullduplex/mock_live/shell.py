"""Drives one `LiveSession` over one WebSocket: frames in, outputs out, and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .options import MockOptions
from .session import LiveSession
from .stage import Abort, CloseFrame, Frame


class Shell:
    """A reader, and a writer that also keeps the time: only the writer sends, so the order is the session's."""

    def __init__(
        self, socket: ServerConnection, session: LiveSession, options: MockOptions, changed: Callable[[], None]
    ) -> None:
        self.session = session
        self._socket = socket
        self._options = options
        self._changed = changed
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._frames = 0

    async def run(self) -> None:
        """Until the connection is closed by either side, or a function of the script raises."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            if writer.done() and not reader.done() and isinstance(writer.exception(), ConnectionClosed):
                await reader  # it still has frames to read that came before the close
        finally:
            self.session.connection.closed_by_us = self.session.ended
            self._idle.set()
            for task in (reader, writer):
                task.cancel()
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                raise result

    async def flushed(self) -> None:
        """Waits until all that the session has to say now is sent (or the connection is gone)."""
        self._idle.clear()
        self._work.set()
        await self._idle.wait()

    def abort(self) -> None:
        """Aborts the TCP connection."""
        self._socket.transport.abort()

    async def _read(self) -> None:
        try:
            while True:
                raw = await self._socket.recv()
                self.session.receive(raw, self._loop.time())
                self._work.set()
                self._changed()
        except ConnectionClosed:
            pass

    async def _write(self) -> None:
        while True:
            self._work.clear()
            self.session.tick(self._loop.time())
            for output in self.session.take_outputs():
                await self._put(output)
                self._changed()
            if self._work.is_set():
                continue
            self._idle.set()
            wakeup = self.session.wakeup
            timer = self._loop.call_at(wakeup, self._work.set) if wakeup is not None else None
            try:
                await self._work.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def _put(self, output: Frame | CloseFrame | Abort) -> None:
        if isinstance(output, Frame):
            self._frames += 1
            kind = self._options.frames
            text = kind == "text" or (kind == "alternate" and self._frames % 2 == 1)
            await self._socket.send(output.data.decode() if text else output.data)
        elif isinstance(output, CloseFrame):
            await self._socket.close(output.code, output.reason)
        else:
            self.abort()
