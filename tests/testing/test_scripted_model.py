"""The model that a test plays itself."""

from __future__ import annotations

import asyncio

import pytest

from fullduplex import types
from fullduplex.errors import ConnectionLost
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.scripted_model import ScriptedModel
from fullduplex.types.live import ActivityStart

REQUEST = ConnectRequest(model="m")


async def test_it_says_what_it_is_told_after_the_setup() -> None:
    model = ScriptedModel()
    async with model.connect(REQUEST) as connection:
        assert connection is model.connections[0]
        assert connection.request is REQUEST
        connection.say({"serverContent": {"turnComplete": True}})
        messages = connection.receive()
        assert (await anext(messages)).setup_complete is not None
        assert (await anext(messages)).server_content.turn_complete is True
        await connection.close()
        assert [message async for message in messages] == []
    assert connection.closed


async def test_it_records_what_it_is_sent_until_it_is_closed() -> None:
    async with ScriptedModel().connect(REQUEST) as connection:
        content, blob = types.Content(parts=[types.Part(text="x")]), types.Blob(data=b"\0", mime_type="audio/pcm")
        await connection.send_content(content)
        await connection.send_content(content, turn_complete=False)
        await connection.send_realtime(blob)
        await connection.send_activity(ActivityStart())
        await connection.send_tool_response([types.FunctionResponse(id="1")])
        await connection.wait_sent(5)
        kinds = [kind for kind, _ in connection.sent]
        assert kinds == ["content", "partial", "realtime", "activity", "tool_response"]
        await connection.close()
        with pytest.raises(ConnectionLost):
            await connection.send_content(content)


async def test_it_can_be_lost() -> None:
    async with ScriptedModel().connect(REQUEST) as connection:
        connection.lose(1011, recoverable=False)
        messages = connection.receive()
        await anext(messages)
        with pytest.raises(ConnectionLost) as raised:
            await anext(messages)
        assert (raised.value.close_code, raised.value.recoverable) == (1011, False)


async def test_connections_can_be_waited_for_by_number() -> None:
    model = ScriptedModel()
    second = asyncio.create_task(model.opened(2))
    for _ in range(2):
        async with model.connect(REQUEST):
            await asyncio.sleep(0)
    assert await second is model.connections[1]
