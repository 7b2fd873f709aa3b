"""What every backend gets from the interface itself: `listen` by way of `receive`, and no shortcut upwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fullduplex import types
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.scripted_model import ScriptedConnection
from fullduplex.types.live import LiveServerMessage


class Talking(ScriptedConnection):
    """Says three things, and notes when nobody listens any more."""

    left = False

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        try:
            for _ in range(3):
                yield LiveServerMessage()
        finally:
            self.left = True


async def test_listening_hears_everything_in_order() -> None:
    heard: list[LiveServerMessage] = []
    await Talking(ConnectRequest(model="any")).listen(heard.append)
    assert len(heard) == 3


async def test_what_the_listener_raises_ends_the_listening_at_once() -> None:
    connection, heard = Talking(ConnectRequest(model="any")), []

    def take(message: LiveServerMessage) -> None:
        heard.append(message)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await connection.listen(take)
    assert len(heard) == 1
    assert connection.left


def test_a_backend_need_not_have_a_shortcut() -> None:
    connection = Talking(ConnectRequest(model="any"))
    assert connection.offer_realtime(types.Blob(data=b"", mime_type="audio/pcm")) is False
    assert connection.sent == []
