"""A worker process on the other end of two pipes, usable from any thread and any event loop.

Started with exec (never by forking a program that has threads and an event loop). Frames go out through a writer
thread, so that a worker that is busy never blocks the caller; answers arrive in a reader thread and are handed to
whoever listens to their id. Knows nothing of speech.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.voice_workers.framing import read_frame, write_frame

Answer = tuple[dict[str, Any], bytes]
Listener = Callable[[Answer | None], None]

_FOLDER = str(Path(__file__).parent)
# Appended to the path, not put in front: the folder's modules must not hide those of the standard library.
_BOOT = "import sys, importlib; sys.path.append(sys.argv[1]); importlib.import_module(sys.argv[2]).main()"

_GRACE = 0.3

_alive: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


class WorkerProcess:
    """One running worker script of `voice_workers`.

    Args:
        script: Name of the module in `voice_workers`.
        environment: Variables to set for the worker besides the parent's.
    """

    def __init__(self, script: str, environment: Mapping[str, str] | None = None) -> None:
        self.script = script
        self._ids = itertools.count(1)
        self._listeners: dict[str, Listener] = {}
        self._lock = threading.Lock()
        self._outgoing: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()
        self._dead = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, _FOLDER, f"voice_workers.{script}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise EngineUnavailable(f"the {script} worker does not start: {error}") from error
        self._threads = [
            threading.Thread(target=self._write, name=f"{script}-writer", daemon=True),
            threading.Thread(target=self._read, name=f"{script}-reader", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        _alive.add(self)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker still runs."""
        return not self._dead

    def new_id(self) -> str:
        """A fresh id for a message or a stream of messages."""
        return str(next(self._ids))

    def listen(self, key: str, listener: Listener) -> None:
        """Hands answers with that id to `listener`, in the reader's thread; None when the worker is gone."""
        with self._lock:
            dead = self._dead
            if not dead:
                self._listeners[key] = listener
        if dead:
            listener(None)

    def forget(self, key: str) -> None:
        """Stops handing out answers with that id."""
        with self._lock:
            self._listeners.pop(key, None)

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Sends a frame; never blocks. Frames to a dead worker are dropped: its listeners have been told."""
        self._outgoing.put((header, payload))

    async def request(self, op: str, payload: bytes = b"", **fields: Any) -> Answer:
        """Sends a frame and waits for its answer.

        Raises:
            EngineUnavailable: The worker died, or it answered with an error.
        """
        key = self.new_id()
        answer = await self.answer(key, lambda: self.send({"op": op, "id": key, **fields}, payload))
        if "error" in answer[0]:
            raise EngineUnavailable(f"the {self.script} worker: {answer[0]['error']}")
        return answer

    async def answer(self, key: str, begin: Callable[[], None]) -> Answer:
        """Waits for the next answer with that id, after calling `begin`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | None] = loop.create_future()

        def settle(found: Answer | None) -> None:
            if not future.done():
                future.set_result(found)

        def listener(found: Answer | None) -> None:
            try:
                loop.call_soon_threadsafe(settle, found)
            except RuntimeError:
                pass  # the loop that asked is closed: nobody waits

        self.listen(key, listener)
        try:
            begin()
            found = await future
        finally:
            self.forget(key)
        if found is None:
            raise EngineUnavailable(f"the {self.script} worker ended")
        return found

    def hang_up(self) -> None:
        """Closes the worker's input, at which it tidies up and ends if it is idle. Returns at once."""
        self._outgoing.put(None)

    def kill(self) -> None:
        """Ends the worker within a moment and frees its pipes and threads. It holds nothing that could be lost."""
        self.hang_up()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=2.0)
        _alive.discard(self)

    def _write(self) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            while (frame := self._outgoing.get()) is not None:
                write_frame(cast(BinaryIO, stream), *frame)
        except (OSError, ValueError):
            pass  # the worker is gone; the reader tells the listeners
        finally:
            try:
                stream.close()
            except OSError:
                pass

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while (frame := read_frame(cast(BinaryIO, stream))) is not None:
                with self._lock:
                    listener = self._listeners.get(frame[0].get("id", ""))
                if listener is not None:
                    listener(frame)
        except (OSError, ValueError):
            pass
        finally:
            stream.close()
            with self._lock:
                self._dead = True
                listeners, self._listeners = list(self._listeners.values()), {}
            for listener in listeners:
                listener(None)
            self._outgoing.put(None)
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()


def kill_all(workers: Iterable[WorkerProcess] | None = None) -> None:
    """Ends these workers side by side, or every one that still runs, as when the program exits."""
    ending = list(_alive if workers is None else workers)
    for worker in ending:
        worker.hang_up()
    for worker in ending:
        worker.kill()


atexit.register(kill_all)
