"""The two far ends of a subject: a client who talks, and the mock's side of the session that hears them.

Each knows the other, so that what happens on one side can be timed on the other: a client puts its number into the
stamp of what it says.
"""

from __future__ import annotations

import asyncio
import base64
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from direction import Direction
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from fullduplex.mock_live.loadgen import Load, Peer
from fullduplex.testing import tagged_audio

if TYPE_CHECKING:
    from happenings import Happening

CHUNK_S = 0.04
SLOTS = 20
STAMP = struct.Struct("<QI")
STAMP_CHARS = 16
SETUP = b'{"setup":{"model":"models/gemini-2.5-flash-native-audio-preview-12-2025","generationConfig":'
SETUP += b'{"responseModalities":["AUDIO"]}}}'
UP_HEAD = b'{"realtime_input":{"audio":{"data":"'
UP_TAIL = b'","mime_type":"audio/pcm;rate=16000"}}}'
WORDS = (
    b'{"serverContent":{"inputTranscription":{"text":"What is on today?","finished":true}}}',
    b'{"serverContent":{"outputTranscription":{"text":"There is a concert at eight.","finished":true}}}',
)
STANDARD = bytes.maketrans(b"-_", b"+/")


class MockSide(Peer):
    """The mock's end of a session: what it gets is measured, what it sends counted."""

    load: MeasuredLoad

    def __init__(self, load: MeasuredLoad) -> None:
        super().__init__(load)
        self.client: Client | None = None
        self.is_new = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.ready and frame.msg_type is not WSMsgType.CLOSE:
            stamp = find_stamp(frame.get_payload_as_bytes())
            if stamp is not None:
                self.load.up.take(stamp[0])
                if self.client is None:
                    self._meet(stamp[1])
                if self.load.happening is not None and self.client is not None:
                    self.load.happening.heard(self.client, self)
        else:
            super().on_ws_frame(transport, frame)

    def send(self, stamp: bytes) -> None:
        load = self.load
        if load.turn_chunks and self.sequence % load.turn_chunks == load.turn_chunks - 1:
            self.tell(*WORDS)
        super().send(stamp)
        load.down.sent += 1

    def tell(self, *messages: bytes) -> None:
        """Messages other than audio."""
        assert self.transport is not None
        for message in messages:
            self.transport.send(WSMsgType.TEXT, message)

    def _meet(self, number: int) -> None:
        """The first word of the user's: it says whose session this is."""
        self.client = self.load.clients.get(number)
        if self.client is not None:
            self.client.side = self
        if self.load.waits_for_words:
            self.load.let_speak(self)


class MeasuredLoad(Load):
    """The lean mock, pushing only when told to, with both directions measured.

    `waits_for_words`: no session is spoken to before its user has said something, as with a model.
    """

    def __init__(self) -> None:
        super().__init__("push", SLOTS)
        self.up = Direction()
        self.down = Direction()
        self.clients: dict[int, Client] = {}
        self.happening: Happening | None = None
        self.waits_for_words = False

    def accept(self, request: Any) -> Any:
        """Every path is a session."""
        return MockSide(self)

    def join(self, peer: Peer) -> None:
        """The peer is set up."""
        if not self.waits_for_words:
            super().join(peer)

    def let_speak(self, side: MockSide) -> None:
        """The first chunk at once, then one every 40 ms."""
        side.send(base64.b64encode(STAMP.pack(time.monotonic_ns(), side.sequence)))
        super().join(side)


class Client(WSListener):
    """A person with a microphone. As JSON for the relays, which understand nothing, and as PCM for the others.

    `side` is the mock's end of the session's latest line.
    """

    def __init__(self, load: MeasuredLoad, number: int, as_json: bool) -> None:
        self.load = load
        self.number = number
        self.as_json = as_json
        self.transport: WSTransport | None = None
        self.side: MockSide | None = None
        load.clients[number] = self

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.as_json:
            transport.send(WSMsgType.TEXT, SETUP)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        stamp = find_stamp(payload)
        if stamp is not None:
            self.load.down.take(stamp[0])
        if self.load.happening is not None:
            self.load.happening.shown(self, payload, None if stamp is None else stamp[1])

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None

    def say(self, pcm: bytes, encoded: bytes) -> None:
        """One chunk: `pcm` and its base64, both from behind the stamp on."""
        if self.transport is None:
            return
        stamp = STAMP.pack(time.monotonic_ns(), self.number)
        self.load.up.sent += 1
        if self.as_json:
            self.transport.send(WSMsgType.TEXT, b"".join((UP_HEAD, base64.b64encode(stamp), encoded, UP_TAIL)))
        else:
            self.transport.send(WSMsgType.BINARY, stamp + pcm)


def find_stamp(payload: bytes) -> tuple[int, int] | None:
    """(time of sending in ns, number) of a message that carries audio in its JSON; None for any other.

    The number is the client's in what goes up, and counts the chunks of a line in what comes down.
    """
    at = payload.find(b'"data"')
    if at < 0:
        return None
    start = payload.find(b'"', at + 6) + 1
    stamp = STAMP.unpack(base64.b64decode(payload[start : start + STAMP_CHARS].translate(STANDARD)))
    return int(stamp[0]), int(stamp[1])


class Microphones:
    """The clients of a window, spread over the 40 ms."""

    def __init__(self, clients: list[Client]) -> None:
        self._slots = [clients[index::SLOTS] for index in range(SLOTS)]
        pcm = tagged_audio.encode(0, 2, 16_000)
        self._pcm = pcm[tagged_audio.STAMP_BYTES :]
        self._encoded = base64.b64encode(pcm)[STAMP_CHARS:]
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Everybody talks from now on."""
        loop = asyncio.get_running_loop()
        # Half a slot from the mock's ticks, so that the two do not meet.
        self._tick(loop, loop.time() + CHUNK_S / SLOTS / 2, 0)

    def stop(self) -> None:
        """Silence."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float, turn: int) -> None:
        for client in self._slots[turn]:
            client.say(self._pcm, self._encoded)
        due += CHUNK_S / SLOTS
        self._timer = loop.call_at(due, self._tick, loop, due, (turn + 1) % SLOTS)


async def until(reached: Callable[[], bool], seconds: float) -> bool:
    """Waits for it, at most so long; whether it came."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
