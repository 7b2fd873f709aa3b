"""What happens to sessions in the middle of a conversation, and how long the user notices it.

`interrupted`: the model says that its answer was interrupted; how long until the client is told. Every session meets
it once a second. `cut`: the model's TCP connection is reset without a warning. `go_away`: the model says that it will
close. These two every session meets once, because a second attempt in the same minute waits longer by policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from array import array
from collections.abc import Iterator
from typing import Any

from direction import percentiles
from ends import CHUNK_S, Client, MeasuredLoad, MockSide, until

INTERRUPTED = b'{"serverContent":{"interrupted":true}}'
TURN_COMPLETE = b'{"serverContent":{"turnComplete":true}}'
NEXT_WORDS = b'{"serverContent":{"outputTranscription":{"text":"Then let us speak of something else, for instance "}}}'
GO_AWAY = b'{"goAway":{"timeLeft":"2s"}}'
LATECOMERS_S = 6.0
TURN_CHUNKS = 50
SECOND_CHUNKS = 25
_NO_LINGER = struct.pack("ii", 1, 0)
_CHUNK_NS = int(CHUNK_S * 1e9)


class Happening:
    """Strikes sessions in turn, evenly over a window. Every message of either side passes here meanwhile."""

    turn_chunks = 0
    waits_for_words = False

    def __init__(self) -> None:
        self.struck = 0
        self.open: dict[int, int] = {}
        """When (ns) the sessions were struck that have not got over it."""

    @contextlib.contextmanager
    def on(self, load: MeasuredLoad) -> Iterator[None]:
        """While in here, the load behaves as this happening needs it."""
        load.happening, load.turn_chunks, load.waits_for_words = self, self.turn_chunks, self.waits_for_words
        try:
            yield
        finally:
            load.happening, load.turn_chunks, load.waits_for_words = None, 0, False

    async def run(self, clients: list[Client], seconds: float) -> None:
        """Strikes until `seconds` are over, and waits a moment for those who have not got over it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        times = self.times(len(clients), seconds)
        for number in range(times):
            await asyncio.sleep(began + seconds * number / times - loop.time())
            client = clients[number % len(clients)]
            if client.side is not None and client.number not in self.open:
                self.open[client.number] = time.monotonic_ns()
                self.struck += 1
                self.strike(client.side)
        await asyncio.sleep(began + seconds - loop.time())
        await until(lambda: not self.open, LATECOMERS_S)

    def times(self, sessions: int, seconds: float) -> int:
        """How many strikes a window has."""
        return sessions

    def strike(self, side: MockSide) -> None:
        """Does it to one session."""
        raise NotImplementedError

    def heard(self, client: Client, side: MockSide) -> None:
        """The mock has got a chunk of the user's."""

    def shown(self, client: Client, payload: bytes, sequence: int | None) -> None:
        """The client has got a message; with a `sequence` it is audio, the so manieth of its line."""

    def report(self) -> dict[str, Any]:
        """How often it happened, how many never got over it, and how long it took."""
        return {"struck": self.struck, "missing": len(self.open)}


class Interrupted(Happening):
    """Measures from the mock's `interrupted` to the client's message that says so."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = array("q")

    def times(self, sessions: int, seconds: float) -> int:
        return max(sessions, int(sessions * seconds))

    def strike(self, side: MockSide) -> None:
        side.tell(INTERRUPTED, TURN_COMPLETE, NEXT_WORDS)

    def shown(self, client: Client, payload: bytes, sequence: int | None) -> None:
        if sequence is None and client.number in self.open and b'"interrupted":true' in payload:
            self._taken.append(time.monotonic_ns() - self.open.pop(client.number))

    def report(self) -> dict[str, Any]:
        return super().report() | percentiles(self._taken)


class Change(Happening):
    """One line is left for another, of which the user should hear nothing.

    `dry` is how long a player without any reserve would have run dry: the time between two chunks less the 40 ms that
    the first of them plays; the longest that the session met until its next line spoke. `calm`, for comparison, is the
    longest of every second in which nothing happened to a session. `input` is how long the model got nothing of the
    user's, less 40 ms.
    """

    turn_chunks = TURN_CHUNKS
    waits_for_words = True

    def __init__(self) -> None:
        super().__init__()
        self._shown_at: dict[int, int] = {}
        self._heard_at: dict[int, int] = {}
        self._worst: dict[int, int] = {}
        self._seconds: dict[int, list[int]] = {}
        self._dry, self._calm, self._input, self._back = (array("q") for _ in range(4))

    def heard(self, client: Client, side: MockSide) -> None:
        now = time.monotonic_ns()
        before, self._heard_at[client.number] = self._heard_at.get(client.number), now
        if before is not None and side.is_new:
            self._input.append(max(0, now - before - _CHUNK_NS))
        side.is_new = False

    def shown(self, client: Client, payload: bytes, sequence: int | None) -> None:
        if sequence is None:
            return
        now, number = time.monotonic_ns(), client.number
        before = self._shown_at.get(number, now - _CHUNK_NS)
        self._shown_at[number] = now
        dry = max(0, now - before - _CHUNK_NS)
        if number not in self.open:
            second = self._seconds.setdefault(number, [])
            second.append(dry)
            if len(second) == SECOND_CHUNKS:
                self._calm.append(max(second))
                second.clear()
            return
        self._seconds.pop(number, None)
        self._worst[number] = max(dry, self._worst.get(number, 0))
        if sequence == 0:
            self._back.append(now - self.open.pop(number))
            self._dry.append(self._worst.pop(number))

    def report(self) -> dict[str, Any]:
        figures = {"dry": self._dry, "calm": self._calm, "input": self._input, "back": self._back}
        return super().report() | {name: percentiles(values) for name, values in figures.items()}


class Cut(Change):
    """`back` is the time from the cut to the first audio of the next line."""

    def strike(self, side: MockSide) -> None:
        assert side.transport is not None
        side.load.leave(side)
        wire = side.transport.underlying_transport
        raw = wire.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)  # a reset, and no end of file
        wire.abort()


class GoAway(Change):
    """`back` is the time from the warning to the first audio of the next line: it is left 1 s before its end."""

    def strike(self, side: MockSide) -> None:
        side.tell(GO_AWAY)


def make(name: str) -> Happening:
    """The happening of this name."""
    return {"interrupted": Interrupted, "cut": Cut, "go_away": GoAway}[name]()
