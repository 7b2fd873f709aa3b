"""The mouth of one connection: an answer as messages, paced as it is heard or read.

Audio goes out in pieces of 40 ms, at most 200 ms ahead of real time, with the words of the transcript alongside;
text goes out word by word. Cancelling the coroutine stops it between two pieces. What the answer is, and the flags
around it, are not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.audio import OUTPUT_RATE
from fullduplex.models.cascade.pacing import CHUNK_MS, Pacer, WordTrack
from fullduplex.models.cascade.tts import Synthesizer, clauses
from fullduplex.types.content import Blob, Content, Part
from fullduplex.types.live import LiveServerContent, LiveServerMessage, Transcription

_log = logging.getLogger(__name__)

OUTPUT_MIME = f"audio/pcm;rate={OUTPUT_RATE}"
_CHUNK_BYTES = OUTPUT_RATE * CHUNK_MS // 1000 * 2
_WORD_PAUSE = 0.012

Emit = Callable[[LiveServerMessage], Awaitable[None]]


def _content(**fields: object) -> LiveServerMessage:
    return LiveServerMessage(server_content=LiveServerContent(**fields))  # type: ignore[arg-type]


def _transcript(text: str) -> LiveServerMessage:
    return _content(output_transcription=Transcription(text=text))


def _model_turn(part: Part) -> LiveServerMessage:
    return _content(model_turn=Content(role="model", parts=[part]))


class TextMouth:
    """Writes an answer word by word."""

    async def say(self, text: str, emit: Emit) -> None:
        """Emits the words of `text` as they would be read."""
        for word in re.findall(r"\S+\s*", text):
            await emit(_model_turn(Part(text=word)))
            await asyncio.sleep(_WORD_PAUSE)

    async def drain(self) -> None:
        """Nothing is left to play."""


class VoiceMouth:
    """Speaks an answer.

    Args:
        synthesizer: The engine.
        voice: Its voice.
        transcribe: Whether the words go out beside the audio.
        ahead: How far sent audio may be in front of real time, in seconds.
    """

    def __init__(self, synthesizer: Synthesizer, voice: str, *, transcribe: bool, ahead: float = 0.2) -> None:
        self._synthesizer = synthesizer
        self._voice = voice
        self._transcribe = transcribe
        self._ahead = ahead
        self._pacer = Pacer(ahead)

    async def say(self, text: str, emit: Emit) -> None:
        """Emits the audio of `text` in step with real time, its words beside it.

        When the engine fails, the words that could not be spoken still go out as transcript.
        """
        self._pacer = Pacer(self._ahead)
        for clause in clauses(text):
            try:
                pcm = await self._synthesizer.speak(clause, self._voice)
            except EngineUnavailable as error:
                _log.error("speech failed: %s", error)
                await emit(_transcript(clause))
                continue
            await self._send(clause, pcm, emit)

    async def _send(self, clause: str, pcm: bytes, emit: Emit) -> None:
        now = asyncio.get_running_loop().time
        words = WordTrack(clause, len(pcm) / 2 / OUTPUT_RATE)
        for start in range(0, len(pcm), _CHUNK_BYTES):
            chunk = pcm[start : start + _CHUNK_BYTES]
            seconds = len(chunk) / 2 / OUTPUT_RATE
            if (pause := self._pacer.wait(now(), seconds)) > 0:
                await asyncio.sleep(pause)
            if self._transcribe and (said := words.until(start / 2 / OUTPUT_RATE + seconds)):
                await emit(_transcript(said))
            await emit(_model_turn(Part(inline_data=Blob(data=chunk, mime_type=OUTPUT_MIME))))
            self._pacer.sent(now(), seconds)
        if self._transcribe and (rest := words.until(float("inf"))):
            await emit(_transcript(rest))

    async def drain(self) -> None:
        """Waits until what was sent can have been played, so that speech until then still interrupts."""
        remaining = self._pacer.remaining(asyncio.get_running_loop().time())
        if remaining > 0:
            await asyncio.sleep(remaining)


Mouth = TextMouth | VoiceMouth
