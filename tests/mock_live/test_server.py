"""The socket shell: handshakes, frames, faults on the wire, and the handle that tests hold."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fullduplex.mock_live import (
    Conversation,
    MockLive,
    Script,
    Step,
    Turn,
    UserTurn,
    close,
    drop,
    go_away,
    malformed,
    quota,
    refuse,
    say,
    serve,
    stall,
    unprompted,
)

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class Client:
    """A bare client of the wire."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def ask(self, text: str) -> None:
        content = {"role": "user", "parts": [{"text": text}]}
        await self.send({"client_content": {"turns": [content], "turnComplete": True}})

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            return json.loads(await self.socket.recv())

    async def text(self) -> str:
        """The text of one whole turn."""
        found = ""
        while "turnComplete" not in (message := await self.next()).get("serverContent", {}):
            for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", []):
                found += part.get("text", "")
        return found

    async def code(self) -> int:
        """Waits for the close: its code, 1006 without a close frame."""
        async with asyncio.timeout(5):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


async def open_client(mock: MockLive, setup: bool = True, modality: str = "TEXT", **kwargs: Any) -> Client:
    client = Client(await connect(mock.ws_url + PATH + "?key=k", compression=None, **kwargs))
    if setup:
        config = {"responseModalities": [modality]}
        await client.send({"setup": {"model": "models/gemini-live-2.5-flash", "generationConfig": config}})
        assert "setupComplete" in await client.next()
    return client


async def test_a_session_and_its_record() -> None:
    async with MockLive() as mock:
        client = await open_client(mock)
        await client.ask("hi")
        assert await client.text() == "You said: hi"
        connection = mock.connections[0]
        assert mock.open_connections == [connection]
        assert connection.kinds == ["setup", "clientContent"]
        assert connection.setup["generationConfig"] == {"responseModalities": ["TEXT"]}
        assert [message.index for message in connection.messages] == [0, 1]
        assert connection.messages[0].at <= connection.messages[1].at
        assert connection.query == {"key": "k"}
        await client.socket.close(1000)
        await mock.wait_for(lambda m: not m.open_connections)
    assert (connection.close_code, connection.closed_by_us) == (1000, False)
    assert (mock.stats.connects, mock.stats.open, mock.stats.closes) == (1, 0, {1000: 1})
    assert (mock.stats.messages_in, mock.stats.turns) == (2, 1)


async def test_credentials_and_paths_are_checked() -> None:
    async with MockLive() as mock:
        for path, status in ((PATH, 403), ("/other?key=k", 404)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(mock.ws_url + path)
            assert caught.value.response.status_code == status
        assert [refusal.status for refusal in mock.refusals] == [403, 404]
        assert (mock.stats.refused, mock.stats.connects) == (2, 0)


async def test_tls_with_a_certificate_made_at_run_time() -> None:
    async with MockLive(tls=True) as mock:
        assert mock.url.startswith("https://127.0.0.1:")
        for host in ("127.0.0.1", "localhost"):
            url = mock.ws_url.replace("127.0.0.1", host) + PATH + "?key=k"
            async with connect(url, ssl=ssl.create_default_context(cafile=mock.ca_file)) as socket:
                await socket.send("{}")
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(mock.ws_url + PATH + "?key=k", ssl=ssl.create_default_context())
    with pytest.raises(RuntimeError, match="TLS"):
        _ = MockLive().ca_file


async def test_one_story_is_told_over_all_connections() -> None:
    story = Script(
        [[say("one"), drop()], [refuse(503)], [quota()], [say("two"), close(1011, "bad luck")], [say("three")]]
    )
    async with MockLive(story) as mock:
        client = await open_client(mock)
        await client.ask("a")
        assert await client.code() == 1006
        with pytest.raises(InvalidStatus):
            await open_client(mock)
        client = await open_client(mock, setup=False)
        await client.send({"setup": {"model": "models/gemini-live-2.5-flash"}})
        assert await client.code() == 1011
        client = await open_client(mock)
        await client.ask("b")
        assert await client.code() == 1011
        client = await open_client(mock)
        await client.ask("c")
        assert await client.text() == "three"
        await mock.wait_for(lambda m: len(m.open_connections) == 1)
        assert [c.close_code for c in mock.connections] == [1006, 1011, 1011, None]
        assert mock.connections[2].close_reason == "bad luck"
        assert mock.connections[2].closed_by_us


async def test_session_scope_tells_each_its_own() -> None:
    async with MockLive(Script([[refuse(503)], [say("one")], [say("two")]], scope="session")) as mock:
        with pytest.raises(InvalidStatus):
            await open_client(mock)
        for _ in range(2):
            client = await open_client(mock)
            await client.ask("a")
            assert await client.text() == "one"


async def test_a_script_for_each_connection() -> None:
    async with MockLive([Script([[say("one")]]), Script([[say("two")]])]) as mock:
        texts = []
        for _ in range(3):
            client = await open_client(mock)
            await client.ask("a")
            texts.append(await client.text())
        assert texts == ["one", "two", "You said: a"]
    async with MockLive(lambda number: Script([[say(f"I am {number}")]])) as mock:
        clients = [await open_client(mock) for _ in range(3)]
        for client in reversed(clients):
            await client.ask("a")
        assert [await client.text() for client in clients] == ["I am 1", "I am 2", "I am 3"]


async def test_faults_from_outside_meet_the_next_connections() -> None:
    async with MockLive() as mock:
        mock.fail_next(refuse(429))
        await mock.push(refuse(503))
        await mock.push(quota(1008, "no quota"))
        statuses = []
        for _ in range(2):
            with pytest.raises(InvalidStatus) as caught:
                await open_client(mock)
            statuses.append(caught.value.response.status_code)
        assert statuses == [429, 503]
        client = await open_client(mock, setup=False)
        await client.send({"setup": {"model": "models/gemini-live-2.5-flash"}})
        assert await client.code() == 1008
        await open_client(mock)


async def test_push_and_wait_for() -> None:
    async with MockLive() as mock:
        with pytest.raises(RuntimeError, match="no open connection"):
            await mock.push(say("x"))
        client = await open_client(mock)
        await mock.push(say("Hello!"))
        assert await client.text() == "Hello!"
        await mock.push(go_away(30), malformed("nope"))
        assert "goAway" in await client.next()
        assert await client.socket.recv() == "nope"
        with pytest.raises(TimeoutError, match="setup"):
            await mock.wait_for(lambda m: m.connections[0].count("audio"), timeout=0.01)
        await client.send({"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "audio/pcm"}}})
        await mock.wait_for(lambda m: m.connections[0].count("audio") == 1)
        await mock.push(drop())
        assert await client.code() == 1006


async def test_push_to_a_certain_connection() -> None:
    async with MockLive() as mock:
        first, second = await open_client(mock), await open_client(mock)
        await mock.push(say("you"), connection=mock.connections[0])
        assert await first.text() == "you"
        await mock.drop_all()
        assert await second.code() == 1006
        with pytest.raises(RuntimeError, match="closed"):
            await mock.push(say("late"), connection=mock.connections[0])


@pytest.mark.parametrize(
    ("frames", "expected"), [("text", [str, str]), ("binary", [bytes, bytes]), ("alternate", [str, bytes])]
)
async def test_kinds_of_frames(frames: str, expected: list[type]) -> None:
    async with MockLive(Script([unprompted(say("Hi"))]), frames=frames) as mock:
        client = await open_client(mock, setup=False)
        await client.send({"setup": {"model": "models/gemini-live-2.5-flash"}})
        assert [type(await client.socket.recv()) for _ in range(2)] == expected


async def test_pace_on_a_real_clock() -> None:
    async with MockLive(Script([[say("x", audio_ms=200)], [say("x", audio_ms=200)]]), pace=2.0) as mock:
        client = await open_client(mock, modality="AUDIO")
        loop = asyncio.get_running_loop()
        start = loop.time()
        await client.ask("go")
        await client.text()
        assert loop.time() - start >= 0.09


async def test_compression_is_declined_unless_wanted() -> None:
    for wanted in (False, True):
        async with MockLive(compression=wanted) as mock:
            async with connect(mock.ws_url + PATH + "?key=k", compression="deflate") as socket:
                assert bool(socket.protocol.extensions) is wanted


async def test_an_error_in_a_script_is_not_swallowed() -> None:
    def broken(user: UserTurn, talk: Conversation) -> Sequence[Step]:
        raise LookupError("my mistake")

    async def session() -> None:
        async with MockLive(Script([Turn(broken)])) as mock:
            client = await open_client(mock)
            await client.ask("x")
            assert await client.code() == 1011

    with pytest.raises(LookupError, match="my mistake"):
        await session()


async def test_leaving_closes_what_is_open_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with serve(script=Script([[stall()]])) as mock:
        client = await open_client(mock)
        await client.ask("x")
        await mock.wait_for(lambda m: m.connections[0].count("clientContent"))
    assert await client.code() == 1001
    assert asyncio.all_tasks() - before == set()
    assert mock.connections[0].close_code == 1001


async def test_many_sessions_at_once_are_not_mixed_up() -> None:
    async with MockLive(pace=50.0, keep_log=False) as mock:

        async def one(number: int) -> str:
            client = await open_client(mock)
            for turn in range(3):
                await client.ask(f"{number}-{turn}")
                last = await client.text()
            await client.socket.close()
            return last

        assert await asyncio.gather(*map(one, range(50))) == [f"You said: {n}-2" for n in range(50)]
        assert all(not connection.messages for connection in mock.connections)
