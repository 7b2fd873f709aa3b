"""The frame around every subject: one process that takes voice clients and opens one connection to the mock for each.

What differs between subjects is only what stands between the two; pinning, announcing, profiling and ending are here,
and so is the client side of the subjects that are no relays (`serve_calls`). It runs in the peers' environments, so it
imports nothing of this project.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import importlib.metadata
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import picows
import uvloop

CLOSE_DEADLINE_S = 5.0


class Call(picows.WSListener):
    """One client. `on_audio` takes each chunk (PCM16 at 16,000 Hz); `on_hangup` is called when the client has gone."""

    def __init__(self, converse: Callable[[Call], Awaitable[None]], number: int) -> None:
        self.number = number
        self.on_audio: Callable[[bytes], None] = _ignore
        self.on_hangup: Callable[[], None] = _nothing
        self._converse = converse
        self._transport: picows.WSTransport | None = None
        self._task: asyncio.Task[None] | None = None

    def send(self, text: str) -> None:
        """One event, as JSON, to the client."""
        if self._transport is not None:
            self._transport.send(picows.WSMsgType.TEXT, text.encode())

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        self._task = asyncio.create_task(self._run())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.on_audio(frame.get_payload_as_bytes())
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._transport = None
        self.on_hangup()
        if self._task is not None and not self._task.done():
            asyncio.get_running_loop().call_later(CLOSE_DEADLINE_S, self._task.cancel)

    async def _run(self) -> None:
        try:
            await self._converse(self)
        except Exception as error:  # the boundary of the subject: the run goes on, the log says what happened
            print(f"call {self.number}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            if self._transport is not None:
                self._transport.disconnect()


def _ignore(_: bytes) -> None:
    pass


def _nothing() -> None:
    pass


async def serve_calls(converse: Callable[[Call], Awaitable[None]]) -> int:
    """Serves clients with `converse`, on any free port; returns the port."""
    numbers = iter(range(10**9))
    server = await picows.ws_create_server(lambda _: Call(converse, next(numbers)), "127.0.0.1", 0, backlog=4096)
    return int(server.sockets[0].getsockname()[1])


def main(serve: Callable[[str], Awaitable[int]], packages: Sequence[str], note: str = "") -> None:
    """Runs a subject. `serve` takes the mock's base URL (http) and returns the port on which it has begun to serve.

    Prints one JSON line: port, pid, versions of `packages`. Ends when its standard input does.
    """
    parser = argparse.ArgumentParser(description="a subject of bench/run.py")
    parser.add_argument("--mock", required=True, help="base URL of the mock, http://…")
    parser.add_argument("--cpu", type=int, help="the core to run on")
    parser.add_argument("--profile", help="write a cProfile of the whole run to this file")
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    profile = cProfile.Profile() if options.profile else None
    if profile is not None:
        profile.enable()
    uvloop.run(_live(serve, options.mock, packages, note))
    if profile is not None:
        profile.disable()
        profile.dump_stats(options.profile)


async def _live(serve: Callable[[str], Awaitable[int]], mock: str, packages: Sequence[str], note: str) -> None:
    port = await serve(mock)
    # As servers do: what was imported stays, and the collector need not stop the calls to go through it.
    gc.collect()
    gc.freeze()
    versions = {name: importlib.metadata.version(name) for name in packages}
    announcement: dict[str, Any] = {"port": port, "pid": os.getpid(), "versions": versions, "note": note}
    print(json.dumps(announcement), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 4096) else ended.set())
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
