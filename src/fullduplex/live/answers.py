"""The tools' answers on their way to the model, so that each is told once, whatever happens to the connection."""

from __future__ import annotations

from fullduplex.requests import LiveRequest, LiveRequestQueue
from fullduplex.types.content import Content


class Answers:
    """Puts answers into the run's queue and knows which of them the model was told in another way."""

    def __init__(self, queue: LiveRequestQueue) -> None:
        self._queue = queue
        self._waiting: list[LiveRequest] = []
        self._told: list[LiveRequest] = []

    def give(self, content: Content) -> None:
        """Takes a finished answer; it leaves in its turn."""
        request = LiveRequest(content=content)
        self._waiting.append(request)
        self._queue.answer(request)

    @property
    def waiting(self) -> bool:
        """Whether an answer has not left yet."""
        return bool(self._waiting)

    def in_history(self) -> None:
        """A connection opens with the session's history: every answer that still waits is in it already."""
        self._told += self._waiting
        self._waiting = []

    def wanted(self, request: LiveRequest) -> bool:
        """Whether `request` is to be sent: it is, unless it is an answer that the history told."""
        return not _remove(self._told, request)

    def sent(self, request: LiveRequest) -> None:
        """`request` has left."""
        _remove(self._waiting, request)


def _remove(requests: list[LiveRequest], request: LiveRequest) -> bool:
    """Takes that very object out; messages of equal content are equal, so that `in` would not do."""
    for index, other in enumerate(requests):
        if other is request:
            del requests[index]
            return True
    return False
