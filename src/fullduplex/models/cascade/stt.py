"""Speech to text for the sentences of one agent: pocketsphinx in worker processes that all sessions share.

The language model is made of the example sentences of the agent's tools. A second, open decoder judges whether an
utterance was one of those at all, and offers its own words when it was not. This is good for a demonstration and for
tests without a network; it does not understand free speech.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import weakref
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.corpus import sentences
from fullduplex.models.cascade.hearing import Heard
from fullduplex.models.cascade.process import Answer, WorkerProcess, kill_all
from fullduplex.models.cascade.pronounce import arpabet
from fullduplex.models.cascade.router import Calls, Router, SmallTalk

_log = logging.getLogger(__name__)

OUT_OF_DOMAIN = -0.0003
"""Domain score minus open score, in nats a frame, below which the domain's words are not believed."""

_DISCOUNT = 0.5
_SLOTS = 3
_KEPT_MODELS = 8

Pronounce = Callable[[list[str]], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class LanguageModel:
    """What a worker needs to listen for an agent's sentences; `key` names its content."""

    key: str
    payload: bytes


@dataclass(eq=False)
class _Worker:
    process: WorkerProcess
    running: int = 0
    models: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def teach(self, model: LanguageModel) -> None:
        """Sends a model that this worker does not hold; it forgets the oldest, as the worker does."""
        if model.key in self.models:
            return
        key = self.process.new_id()
        self.process.send({"op": "prepare", "id": key, "grammar": model.key}, model.payload)
        self.models[model.key] = None
        if len(self.models) > _KEPT_MODELS:
            self.models.popitem(last=False)


def interpret(router: Router, result: dict[str, Any]) -> Heard:
    """Chooses between the two decoders' words.

    The domain's are taken when they score well enough and mean something to the router; else the open ones, when
    those do. An utterance whose domain score is too low has only its open words, and counts as out of the domain if
    those mean nothing.
    """
    text, open_text = str(result["text"]), str(result["open_text"])
    in_domain = bool(text) and result["score"] - result["open_score"] >= OUT_OF_DOMAIN
    for candidate in (text, open_text) if in_domain else (open_text,):
        if candidate and isinstance(router.route(candidate), Calls | SmallTalk):
            return Heard(candidate)
    return Heard(text) if in_domain else Heard(open_text, in_domain=False)


class PooledUtterance:
    """One utterance. Its audio waits here while the model is not ready or all workers are taken."""

    def __init__(self, recognizer: PooledRecognizer) -> None:
        self._recognizer = recognizer
        self._buffer: list[bytes] = []
        self._worker: _Worker | None = None
        self._key = ""
        self._over = False
        self._leased = asyncio.Event()
        if recognizer.model is not None:
            recognizer.pool.lease(self)

    def feed(self, pcm: bytes) -> None:
        """More audio: PCM16 at 16,000 Hz."""
        if self._worker is None:
            self._buffer.append(pcm)
        elif not self._over:
            self._worker.process.send({"op": "audio", "id": self._key}, pcm)

    def begin(self, worker: _Worker) -> bool:
        """The pool gives a worker; False when it is no longer wanted."""
        model = self._recognizer.model
        if self._over or model is None:
            return False
        self._worker = worker
        worker.teach(model)
        self._key = worker.process.new_id()
        worker.process.send({"op": "start", "id": self._key, "grammar": model.key})
        worker.process.send({"op": "audio", "id": self._key}, b"".join(self._buffer))
        self._buffer.clear()
        self._leased.set()
        return True

    async def finish(self) -> Heard:
        """The words; `EngineUnavailable` when the worker died over it."""
        try:
            await self._recognizer.prepare()
            if self._worker is None:
                self._recognizer.pool.lease(self)
                await self._leased.wait()
            worker = self._worker
            assert worker is not None
            process, key = worker.process, self._key
            header, _ = await process.answer(key, lambda: process.send({"op": "finish", "id": key}))
            if "error" in header:
                raise EngineUnavailable(f"speech recognition: {header['error']}")
            return interpret(self._recognizer.router, header)
        finally:
            self._free(abort=False)

    def abort(self) -> None:
        """Gives it up."""
        self._free(abort=True)

    def _free(self, *, abort: bool) -> None:
        if self._over:
            return
        self._over = True
        if self._worker is None:
            self._recognizer.pool.withdraw(self)
            return
        if abort:
            self._worker.process.send({"op": "abort", "id": self._key})
        self._recognizer.pool.release(self._worker)


class PooledRecognizer:
    """Recognises the sentences of one router, on the pool's workers."""

    def __init__(self, pool: RecognizerPool, router: Router) -> None:
        self.pool = pool
        self.router = router

    @property
    def model(self) -> LanguageModel | None:
        """The language model, once it is built."""
        return self.pool.models.get(self.router)

    async def prepare(self) -> None:
        """Builds the language model, if it is not there yet, and has a worker load it."""
        await self.pool.prepare(self.router)

    def open(self) -> PooledUtterance:
        """Begins an utterance."""
        return PooledUtterance(self)


class RecognizerPool:
    """Worker processes, started when they are first needed, and replaced when they die.

    Args:
        size: How many; None for one per core, at most two.
        pronounce: Finds pronunciations (IPA) for words that the dictionary lacks.
    """

    def __init__(self, size: int | None, pronounce: Pronounce) -> None:
        self._size = size or min(2, os.cpu_count() or 1)
        self._pronounce = pronounce
        self._workers: list[_Worker] = []
        self._queue: deque[PooledUtterance] = deque()
        self.models: weakref.WeakKeyDictionary[Router, LanguageModel] = weakref.WeakKeyDictionary()

    def recognizer(self, router: Router) -> PooledRecognizer:
        """A recogniser for a router's sentences; `EngineUnavailable` when pocketsphinx is not installed."""
        if find_spec("pocketsphinx") is None:
            raise EngineUnavailable("voice input needs pocketsphinx: install the extra [local]")
        return PooledRecognizer(self, router)

    async def prepare(self, router: Router) -> None:
        """Builds the language model of a router's sentences and waits until a worker has loaded it."""
        if router in self.models:
            return
        self.recognizer(router)
        worker = self._free_worker() or self._living()[0]
        corpus = await asyncio.to_thread(sentences, router)
        words = sorted({word for sentence in corpus for word in sentence.split()})
        header, _ = await worker.process.request("unknown", json.dumps(words).encode())
        spoken = await self._pronounce(header["words"]) if header["words"] else {}
        phones = {word: arpabet(ipa) for word, ipa in spoken.items()}
        request = {
            "sentences": corpus,
            "pronunciations": {word: phone for word, phone in phones.items() if phone},
            "discount": _DISCOUNT,
        }
        payload = await asyncio.to_thread(lambda: json.dumps(request).encode())
        model = LanguageModel(hashlib.sha256(payload).hexdigest()[:16], payload)
        answer: Answer = await worker.process.request("prepare", payload, grammar=model.key)
        worker.models[model.key] = None
        if left_out := answer[0]["left_out"]:
            _log.warning("no pronunciation, so these words cannot be heard: %s", ", ".join(left_out))
        self.models[router] = model

    def lease(self, utterance: PooledUtterance) -> None:
        """Gives an utterance a worker, now or when one is free; in the order of asking."""
        if utterance in self._queue:
            return
        worker = self._free_worker()
        if worker is None:
            self._queue.append(utterance)
        elif utterance.begin(worker):
            worker.running += 1

    def withdraw(self, utterance: PooledUtterance) -> None:
        """Takes an utterance out of the queue."""
        if utterance in self._queue:
            self._queue.remove(utterance)

    def release(self, worker: _Worker) -> None:
        """A worker is done with an utterance."""
        worker.running -= 1
        while self._queue:
            free = self._free_worker()
            if free is None:
                return
            if self._queue.popleft().begin(free):
                free.running += 1

    def _living(self) -> list[_Worker]:
        """The workers that run; the first one is started here, and dead ones are let go."""
        for worker in self._workers:
            if not worker.process.alive:
                worker.process.kill()
        self._workers = [worker for worker in self._workers if worker.process.alive]
        if not self._workers:
            self._workers.append(_Worker(WorkerProcess("recognise")))
        return self._workers

    def _free_worker(self) -> _Worker | None:
        """The worker with least to do; another one is started while all are busy and there may be more."""
        workers = self._living()
        best = min(workers, key=lambda worker: worker.running)
        if best.running and len(workers) < self._size:
            best = _Worker(WorkerProcess("recognise"))
            workers.append(best)
        return best if best.running < _SLOTS else None

    def close(self) -> None:
        """Ends all workers at once."""
        workers, self._workers = self._workers, []
        kill_all(worker.process for worker in workers)
