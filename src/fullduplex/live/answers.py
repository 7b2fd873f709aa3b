"""The tools' answers on their way to the model, so that each is told once, whatever happens to the connection."""

from __future__ import annotations

import asyncio

from fullduplex.requests import LiveRequest, LiveRequestQueue
from fullduplex.types.content import Content


class Answers:
    """Puts answers into the run's queue and knows which of them the model was told in another way."""

    def __init__(self, queue: LiveRequestQueue) -> None:
        self._queue = queue
        self._waiting: list[LiveRequest] = []
        self._told: list[LiveRequest] = []
        self._updates: dict[int, tuple[LiveRequest, asyncio.Future[None]]] = {}

    def give(self, content: Content) -> None:
        """Takes a finished answer; it leaves in its turn."""
        request = LiveRequest(content=content)
        self._waiting.append(request)
        self._queue.answer(request)

    async def update(self, content: Content) -> None:
        """Takes what a tool says while it works on, and returns when it has left: so no tool says more than leaves.

        It is context: it asks for no turn and is not in the session.
        """
        request = LiveRequest(content=content, partial=True)
        left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._updates[id(request)] = request, left
        try:
            self._queue.answer(request)
            await left
        except asyncio.CancelledError:
            if id(request) in self._updates:
                self._told.append(request)  # the tool was stopped: nobody need be told any more
            raise
        finally:
            self._updates.pop(id(request), None)

    def begin(self) -> None:
        """Another agent's part begins: what the tools of the one before still have to say concerns nobody."""
        self._told += [request for request, _ in self._updates.values()]
        self._updates.clear()

    def is_own(self, request: LiveRequest) -> bool:
        """Whether a tool of this run gave it; the app may answer calls, too."""
        return id(request) in self._updates or any(one is request for one in self._waiting)

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
        _remove(self._told, request)
        _, left = self._updates.get(id(request), (None, None))
        if left is not None and not left.done():
            left.set_result(None)


def _remove(requests: list[LiveRequest], request: LiveRequest) -> bool:
    """Takes that very object out; messages of equal content are equal, so that `in` would not do."""
    for index, other in enumerate(requests):
        if other is request:
            del requests[index]
            return True
    return False
