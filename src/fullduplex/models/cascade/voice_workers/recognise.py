"""The speech recogniser: pocketsphinx in a process of its own, because it holds the GIL while it works.

Each utterance has two decoders: one with a language model made of the agent's sentences, one that is open (a second
opinion on whether the utterance was one of those sentences at all). Utterances may overlap; decoders are kept and
used again. Knows nothing of tools.
"""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
from collections import OrderedDict
from typing import Any, BinaryIO

import pocketsphinx
from pocketsphinx.lm import ArpaBoLM

from .framing import read_frame, serve, write_frame

_KEPT_MODELS = 8
_SPARE = 4
_STEP = 2048


class TextFile:
    """Text under a path that decoders can open: in memory where the system can, so that nothing is left on disk."""

    def __init__(self, name: str, text: str) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fd = -1
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create(name)
            self.path = f"/proc/self/fd/{self._fd}"
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="fullduplex-")
            self.path = os.path.join(self._folder.name, name)
        with open(self.path, "w", encoding="utf-8") as out:
            out.write(text)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class Grammar:
    """A language model and the dictionary of its words, as files that decoders read."""

    def __init__(self, sentences: list[str], dictionary: dict[str, list[str]], discount: float) -> None:
        words = {word for sentence in sentences for word in sentence.split()}
        known = words & dictionary.keys()
        kept = [s for s in sentences if all(word in known for word in s.split())]
        model = ArpaBoLM(text="\n".join(kept), add_start=True, discount_mass=discount)
        model.compute()
        out = io.StringIO()
        model.write(out)
        self.lm = TextFile("lm.arpa", out.getvalue())
        lines = [
            f"{word if number == 1 else f'{word}({number})'} {phones}"
            for word in sorted(known)
            for number, phones in enumerate(dictionary[word], 1)
        ]
        self.dictionary = TextFile("words.dict", "\n".join(lines) + "\n")
        self.left_out = sorted(words - known)
        self.spare: list[Pair] = []


class Pair:
    """The two decoders of one utterance."""

    def __init__(self, grammar: Grammar) -> None:
        # One pass and the best path through its lattice: a second pass doubles the time and gains nothing here.
        self.domain = pocketsphinx.Decoder(
            loglevel="FATAL", lm=grammar.lm.path, dict=grammar.dictionary.path, fwdflat=False, bestpath=True
        )
        self.open = _spare_open.pop() if _spare_open else _new_open()
        self._buffer = b""

    def start(self) -> None:
        """Begins an utterance."""
        self._buffer = b""
        self.domain.start_utt()
        self.open.start_utt()

    def feed(self, pcm: bytes) -> None:
        """More audio: PCM16 at 16,000 Hz."""
        self.domain.process_raw(pcm, False, False)
        self.open.process_raw(pcm, False, False)

    def finish(self) -> dict[str, Any]:
        """What each decoder heard, with its log score per frame."""
        self.domain.end_utt()
        self.open.end_utt()
        text, score = _result(self.domain)
        open_text, open_score = _result(self.open)
        return {
            "text": text,
            "score": score,
            "open_text": open_text,
            "open_score": open_score,
        }


def _result(decoder: Any) -> tuple[str, float]:
    found = decoder.hyp()
    frames = max(1, decoder.n_frames())
    if found is None or not found.hypstr:
        return "", -99.0
    return str(found.hypstr), math.log(max(found.score, 1e-300)) / frames


_spare_open: list[Any] = []


def _new_open() -> Any:
    return pocketsphinx.Decoder(loglevel="FATAL", fwdflat=False, bestpath=False)


def read_dictionary() -> dict[str, list[str]]:
    """The general dictionary: pronunciations of each word."""
    entries: dict[str, list[str]] = {}
    path = pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.strip().partition(" ")
            entries.setdefault(word.partition("(")[0], []).append(phones)
    return entries


class Recogniser:
    """Grammars by key, and the utterances that run."""

    def __init__(self) -> None:
        self._dictionary = read_dictionary()
        self._grammars: OrderedDict[str, Grammar] = OrderedDict()
        self._running: dict[str, tuple[Grammar, Pair]] = {}

    def unknown(self, words: list[str]) -> list[str]:
        """Words that have no pronunciation yet."""
        return [word for word in words if word not in self._dictionary]

    def prepare(self, key: str, request: dict[str, Any]) -> list[str]:
        """Makes a grammar and decoders for it; answers the words that were left out for want of a pronunciation."""
        for word, phones in request.get("pronunciations", {}).items():
            self._dictionary.setdefault(word, [phones])
        if key not in self._grammars:
            grammar = Grammar(request["sentences"], self._dictionary, request["discount"])
            grammar.spare.append(Pair(grammar))
            self._grammars[key] = grammar
            if len(self._grammars) > _KEPT_MODELS:
                self._grammars.popitem(last=False)
        self._grammars.move_to_end(key)
        return self._grammars[key].left_out

    def start(self, utterance: str, key: str) -> None:
        """Begins an utterance under a grammar."""
        grammar = self._grammars[key]
        pair = grammar.spare.pop() if grammar.spare else Pair(grammar)
        pair.start()
        self._running[utterance] = (grammar, pair)

    def feed(self, utterance: str, pcm: bytes) -> None:
        """More of an utterance."""
        if utterance in self._running:
            for begin in range(0, len(pcm), _STEP):
                self._running[utterance][1].feed(pcm[begin : begin + _STEP])

    def finish(self, utterance: str) -> dict[str, Any]:
        """Ends an utterance and frees its decoders."""
        grammar, pair = self._running.pop(utterance)
        result = pair.finish()
        if len(grammar.spare) < _SPARE:
            grammar.spare.append(pair)
        return result


def main() -> None:
    """Answers frames until stdin ends."""
    serve(_work)


def _work(stdin: BinaryIO, stdout: BinaryIO) -> None:
    recogniser = Recogniser()
    while (frame := read_frame(stdin)) is not None:
        header, payload = frame
        key = header["id"]
        try:
            match header["op"]:
                case "unknown":
                    write_frame(stdout, {"id": key, "words": recogniser.unknown(json.loads(payload))})
                case "prepare":
                    left_out = recogniser.prepare(header["grammar"], json.loads(payload))
                    write_frame(stdout, {"id": key, "left_out": left_out})
                case "start":
                    recogniser.start(key, header["grammar"])
                case "audio":
                    recogniser.feed(key, payload)
                case "finish":
                    write_frame(stdout, {"id": key, **recogniser.finish(key)})
                case "abort":
                    if key in recogniser._running:
                        recogniser.finish(key)
        except Exception as error:  # the boundary of the worker: the other side is told, and the worker lives
            write_frame(stdout, {"id": key, "error": f"{type(error).__name__}: {error}"})
