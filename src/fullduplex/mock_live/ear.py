"""The listening side of a session: audio, activity signals and video in; starts of speech and voice turns out.

Pure: no clock, no sockets. It decides when the user spoke, never what happens then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .conversation import UserTurn
from .setup import SessionConfig
from .vad import VoiceDetector
from .wire import JsonDict, Violation, decode_bytes

_RATE = re.compile(r"rate=(\d+)")
_MAX_IMAGES = 16


@dataclass(frozen=True)
class SpeechStarted:
    """The user began to speak, `offset_s` into the audio of this connection (by signal: None)."""

    offset_s: float | None


@dataclass(frozen=True)
class SpeechEnded:
    """The user has finished; `turn` is what was said."""

    turn: UserTurn
    offset_s: float | None


Heard = SpeechStarted | SpeechEnded


class Ear:
    """Turns realtime input into speech events. `consumed` is the index of the last client message that is settled."""

    def __init__(self, config: SessionConfig, hear: Callable[[bytes, int], str] | None) -> None:
        self._config = config
        self._hear = hear
        self._rate = 16_000
        self._detector: VoiceDetector | None = None
        self._active = False
        self._clip = bytearray()
        self._all_input = bytearray()
        self._typed: list[str] = []
        self._images: list[bytes] = []
        self._utterance_from: int | None = None
        self._last_index = 0

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking now."""
        return self._active if self._config.vad is None else bool(self._detector and self._detector.speaking)

    @property
    def consumed(self) -> int:
        """Index of the last message whose effect is in the conversation: none of an utterance that is still open."""
        return self._last_index if self._utterance_from is None else self._utterance_from - 1

    def saw(self, index: int) -> None:
        """A client message with this index has come."""
        self._last_index = index

    def audio(self, blob: JsonDict) -> tuple[bytes, list[Heard]]:
        """A piece of audio: its PCM and what it brought to light. Raises Violation for anything but PCM."""
        mime = str(blob.get("mimeType") or "audio/pcm")
        if not mime.startswith("audio/pcm"):
            raise Violation(1007, f"Unsupported mime type {mime} in realtime audio input. Send audio/pcm;rate=16000.")
        rate = int(match.group(1)) if (match := _RATE.search(mime)) else 16_000
        pcm = decode_bytes(str(blob.get("data") or ""))
        if rate != self._rate:
            self._rate, self._detector = rate, None
        return pcm, self._listen(pcm)

    def image(self, blob: JsonDict) -> tuple[str, bytes]:
        """A video frame: its mime type and bytes; the newest ones become part of the next turn."""
        mime = str(blob.get("mimeType") or "")
        if not mime.startswith("image/"):
            raise Violation(1007, f"Unsupported mime type {mime or '(none)'} in realtime video input.")
        data = decode_bytes(str(blob.get("data") or ""))
        self._images = [*self._images, data][-_MAX_IMAGES:]
        return mime, data

    def typed(self, text: str) -> bool:
        """Realtime text. True if it belongs to the activity that is going on, and not to a turn of its own."""
        if self._config.vad is None and self._active:
            self._typed.append(text)
            return True
        return False

    def activity_start(self) -> list[Heard]:
        """The client says that the user begins."""
        self._refuse_signals()
        if self._active:
            return []
        self._active = True
        self._utterance_from = self._last_index
        self._clip.clear()
        return [SpeechStarted(None)]

    def activity_end(self) -> list[Heard]:
        """The client says that the user has finished."""
        self._refuse_signals()
        if not self._active:
            return []
        self._active = False
        audio, self._clip = bytes(self._clip), bytearray()
        return [self._ended(audio, None)]

    def stream_end(self) -> list[Heard]:
        """The microphone is off for now: what was said ends here."""
        if self._config.vad is None or self._detector is None:
            return []
        activity = self._detector.flush()
        if activity is None:
            self._utterance_from = None
            return []
        return [self._ended(activity.audio, activity.offset_ms / 1000)]

    def take_images(self) -> list[bytes]:
        """The video frames since the last turn."""
        images, self._images = self._images, []
        return images

    def _listen(self, pcm: bytes) -> list[Heard]:
        if self._config.vad is None:
            if self._active:
                self._clip += pcm
            return []
        if self._detector is None:
            self._detector = VoiceDetector(self._config.vad, self._rate)
        if not self._config.only_activity:
            self._all_input += pcm
        if not self._detector.pending:
            self._utterance_from = self._last_index
        found: list[Heard] = []
        for activity in self._detector.feed(pcm):
            if activity.kind == "start":
                found.append(SpeechStarted(activity.offset_ms / 1000))
            else:
                found.append(self._ended(activity.audio, activity.offset_ms / 1000))
        if not self._detector.pending:
            self._utterance_from = None
        return found

    def _ended(self, audio: bytes, offset_s: float | None) -> SpeechEnded:
        self._utterance_from = None
        duration_ms = len(audio) * 1000 // (self._rate * 2)
        if self._all_input:
            audio, self._all_input = bytes(self._all_input), bytearray()
        said = self._hear(audio, self._rate) if self._hear and audio else ""
        if not said and (audio or not self._typed):
            said = f"(speech of {duration_ms} ms)"
        text = " ".join([*self._typed, said] if said else self._typed)
        self._typed.clear()
        turn = UserTurn("voice", text, audio, self._rate, duration_ms, self.take_images())
        return SpeechEnded(turn, offset_s)

    def _refuse_signals(self) -> None:
        if self._config.vad is not None:
            raise Violation(
                1007, "Explicit activity control is not supported when automatic activity detection is enabled."
            )
