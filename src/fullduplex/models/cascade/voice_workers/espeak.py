"""The espeak-ng helper: text in, PCM16 or phonemes out.

A process of its own because espeak-ng is under the GPL (version 3): the main process never loads it, it only sends
text through a pipe. Uses the library and data that `espeakng-loader` brings.
"""

from __future__ import annotations

import ctypes
from typing import Any, BinaryIO

from .framing import read_frame, serve, write_frame

_SYNCHRONOUS = 2
_UTF8 = 1
_IPA = 0x02
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """espeak-ng through ctypes; one at a time, as the library has global state."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = int(self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, 0))
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._chunks: list[bytes] = []
        self._callback = _CALLBACK(self._collect)
        self._lib.espeak_SetSynthCallback(self._callback)
        self.set_voice("en-us")

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, count * 2))
        return 0

    def set_voice(self, name: str) -> None:
        """Chooses a voice; an unknown name leaves the voice as it was."""
        self._lib.espeak_SetVoiceByName(name.encode())

    def speak(self, text: str) -> bytes:
        """PCM16 mono at `rate`."""
        self._chunks = []
        raw = text.encode()
        self._lib.espeak_Synth(raw, ctypes.c_size_t(len(raw) + 1), 0, 1, 0, _UTF8, None, None)
        return b"".join(self._chunks)

    def ipa(self, word: str) -> str:
        """A word's pronunciation in the International Phonetic Alphabet."""
        text = ctypes.c_char_p(word.encode())
        return bytes(self._lib.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _IPA) or b"").decode()


def main() -> None:
    """Answers frames until stdin ends."""
    serve(_work)


def _work(stdin: BinaryIO, stdout: BinaryIO) -> None:
    engine = Espeak()
    write_frame(stdout, {"id": "ready", "rate": engine.rate})
    while (frame := read_frame(stdin)) is not None:
        header, payload = frame
        if header["op"] == "speak":
            if header.get("voice"):
                engine.set_voice(header["voice"])
            pcm = engine.speak(payload.decode())
            write_frame(stdout, {"id": header["id"], "rate": engine.rate}, pcm)
        elif header["op"] == "ipa":
            words = payload.decode().split()
            write_frame(stdout, {"id": header["id"], "ipa": {word: engine.ipa(word) for word in words}})
