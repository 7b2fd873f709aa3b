"""What waits to be sent to one client. A slow client waits here; the engine never waits for it.

Policy: audio beyond `max_audio_s` seconds is dropped, the oldest first, and counted. When the user interrupts and the
client is behind, the audio that waits is dropped too: the client would only throw it away, and the interruption must
not stand in line behind it. Everything else is kept in order; when more than `max_messages` of it wait, the client is
given up (`ClientTooSlow`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.turns.sound import BEHIND_S, sound_of


class ClientTooSlow(FullduplexError):
    """Raised when a client does not take what it may not miss."""

    code = "client_too_slow"


_SWEEP_AT = 1_000


@dataclass(slots=True)
class _Entry:
    item: Event | str | None
    audio_s: float
    since: float = 0.0


class Outbox:
    """A bounded queue of events and error answers with one reader, on one event loop."""

    def __init__(
        self, max_audio_s: float = 30.0, max_messages: int = 2_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._max_audio_s = max_audio_s
        self._max_messages = max_messages
        self._entries: deque[_Entry] = deque()
        self._audio: deque[_Entry] = deque()
        self._audio_s = 0.0
        self._messages = 0
        self._emptied = 0
        self._ended = False
        self._reader: asyncio.Future[None] | None = None
        self.dropped_audio_s = 0.0

    def __len__(self) -> int:
        return self._messages + len(self._audio)

    @property
    def audio_s(self) -> float:
        """Seconds of audio that wait."""
        return self._audio_s

    def put(self, item: Event | str) -> None:
        """Adds an event, or text that is sent as it is; ignored after `end()`. Raises `ClientTooSlow`."""
        if self._ended:
            return
        seconds = sound_of(item) if isinstance(item, Event) else 0.0
        if seconds:
            self._put_audio(_Entry(item, seconds, self._now()))
        else:
            if self._messages >= self._max_messages:
                raise ClientTooSlow(f"{self._max_messages} messages wait for a client that does not take them")
            if isinstance(item, Event) and item.interrupted and self._is_behind():
                while self._audio:
                    self._drop_oldest_audio()
            self._messages += 1
            self._entries.append(_Entry(item, 0.0))
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def end(self) -> None:
        """Nothing more will come: `get` returns None once all that waits was taken."""
        self._ended = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Event | str | None:
        """The next thing to send; None at the end."""
        while True:
            while self._entries:
                entry = self._entries.popleft()
                if entry.item is None:
                    self._emptied -= 1
                    continue
                if entry.audio_s:
                    self._audio.popleft()
                    self._audio_s -= entry.audio_s
                else:
                    self._messages -= 1
                return entry.item
            if self._ended:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def _is_behind(self) -> bool:
        return bool(self._audio) and self._now() - self._audio[0].since > BEHIND_S

    def _put_audio(self, entry: _Entry) -> None:
        self._audio.append(entry)
        self._entries.append(entry)
        self._audio_s += entry.audio_s
        while self._audio_s > self._max_audio_s and len(self._audio) > 1:
            self.dropped_audio_s += self._drop_oldest_audio()

    def _drop_oldest_audio(self) -> float:
        entry = self._audio.popleft()
        self._audio_s -= entry.audio_s
        entry.item = None
        self._emptied += 1
        if self._emptied > _SWEEP_AT:
            # Emptied entries keep their place until now, so that dropping needs no search.
            self._entries = deque(entry for entry in self._entries if entry.item is not None)
            self._emptied = 0
        return entry.audio_s
