"""The faulty proxy: what it passes on when it is well, and what each of its faults does to both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from fullduplex.testing.proxy import FaultyProxy
from fullduplex.testing.relay import HIGH_WATER

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE_S = 2.0


class Echo:
    """A server that sends back what it gets, and says goodbye when the client does."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ends: list[str] = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.got += data
                writer.write(data)
                await self.reading.wait()
            writer.write(b"bye")
            self.ends.append("end")
        except ConnectionError:
            self.ends.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[FaultyProxy, Echo]]:
    """A proxy before an echo; afterwards no task of theirs may be left."""
    echo = Echo()
    before = asyncio.all_tasks()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with FaultyProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, echo
    server.close()
    assert proxy.open == 0
    await until(lambda: asyncio.all_tasks() <= before)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - sockets of others tell nobody when they are closed
            await asyncio.sleep(0.005)


async def dial(proxy: FaultyProxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def read(streams: Streams, count: int, seconds: float = PATIENCE_S) -> bytes:
    async with asyncio.timeout(seconds):
        return await streams[0].readexactly(count)


async def hang_up(streams: Streams) -> None:
    streams[1].close()
    async with asyncio.timeout(PATIENCE_S):
        await streams[1].wait_closed()


async def test_bytes_pass_both_ways_until_each_side_has_said_its_last() -> None:
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        client[1].write(b"hello")
        assert await read(client, 5) == b"hello"
        client[1].write_eof()
        assert await client[0].read() == b"bye"
        assert echo.ends == ["end"]
        await hang_up(client)
        await until(lambda: proxy.open == 0)
        assert (len(proxy.connected_at), proxy.passed) == (1, 13)
        assert proxy.url == f"http://127.0.0.1:{proxy.port}"


async def test_megabytes_pass_whole_and_a_slow_reader_slows_the_sender_down() -> None:
    payload = bytes(range(256)) * 4096 * 8
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        client[1].write(payload)
        assert await read(client, len(payload), 10) == payload
        echo.reading.clear()
        sent = proxy.passed
        client[1].write(payload * 4)
        await asyncio.sleep(0.1)
        assert proxy.passed - sent < len(payload) * 4
        client[1].transport.abort()
        echo.reading.set()


async def test_a_delay_makes_every_byte_later_and_keeps_the_order() -> None:
    async with proxied() as (proxy, _):
        client = await dial(proxy)
        loop = asyncio.get_running_loop()
        proxy.delay(0.05)
        start = loop.time()
        for piece in (b"a", b"b", b"c"):
            client[1].write(piece)
            await asyncio.sleep(0.01)
        proxy.delay(0.0)
        client[1].write(b"d")
        assert await read(client, 4) == b"abcd"
        assert loop.time() - start >= 0.05
        start = loop.time()
        client[1].write(b"e")
        await read(client, 1)
        assert loop.time() - start < 0.045
        await hang_up(client)


async def test_a_stall_holds_everything_and_loses_nothing() -> None:
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        client[1].write(b"before")
        await read(client, 6)
        proxy.stall()
        client[1].write(b"during" * HIGH_WATER)
        late = await dial(proxy)
        late[1].write(b"late")
        with pytest.raises(TimeoutError):
            await read(client, 1, 0.1)
        assert echo.got == b"before"
        proxy.go_on()
        assert await read(client, 6 * HIGH_WATER, 10) == b"during" * HIGH_WATER
        assert await read(late, 4) == b"late"
        await hang_up(client)
        await hang_up(late)


async def test_a_cut_resets_both_sides_and_lets_new_connections_in() -> None:
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        client[1].write(b"x")
        await read(client, 1)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await read(client, 1)
        await until(lambda: echo.ends == ["reset"])
        again = await dial(proxy)
        again[1].write(b"y")
        assert await read(again, 1) == b"y"
        assert len(proxy.connected_at) == 2
        assert proxy.connected_at == sorted(proxy.connected_at)
        await hang_up(again)


async def test_a_cut_after_so_many_bytes_comes_in_the_middle_of_a_message_and_once() -> None:
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        proxy.cut_after(3)
        client[1].write(b"hello")
        with pytest.raises(ConnectionResetError):
            await read(client, 5)
        assert len(echo.got) <= 3
        again = await dial(proxy)
        again[1].write(b"hello")
        assert await read(again, 5) == b"hello"
        await hang_up(again)


async def test_a_black_hole_swallows_both_ways_and_tells_nobody() -> None:
    async with proxied() as (proxy, echo):
        client = await dial(proxy)
        client[1].write(b"x")
        await read(client, 1)
        proxy.blackhole()
        client[1].write(b"lost")
        with pytest.raises(TimeoutError):
            await read(client, 1, 0.1)
        assert (echo.got, echo.ends) == (b"x", [])
        await hang_up(client)
        other = await dial(proxy)
        other[1].write(b"y")
        assert await read(other, 1) == b"y"
        assert echo.ends == []
        await hang_up(other)


async def test_refused_connections_are_reset_at_once_and_counted_apart() -> None:
    async with proxied() as (proxy, echo):
        proxy.refuse(True)
        client = await dial(proxy)
        with pytest.raises(ConnectionResetError):
            await read(client, 1)
        assert (len(proxy.refused_at), proxy.connected_at, echo.got) == (1, [], b"")
        proxy.refuse(False)
        client = await dial(proxy)
        client[1].write(b"y")
        assert await read(client, 1) == b"y"
        await hang_up(client)


async def test_a_server_that_is_not_there_resets_the_client() -> None:
    async with FaultyProxy("127.0.0.1", 9) as proxy:
        client = await dial(proxy)
        with pytest.raises(ConnectionResetError):
            await read(client, 1)
        await until(lambda: proxy.open == 0)


async def test_leaving_with_connections_open_leaves_nothing_behind() -> None:
    async with proxied() as (proxy, _):
        clients = [await dial(proxy) for _ in range(3)]
        proxy.stall()
        proxy.delay(5.0)
        clients[0][1].write(b"never")
    for client in clients:
        with pytest.raises(ConnectionResetError):
            await read(client, 1)


def test_it_has_no_port_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = FaultyProxy("127.0.0.1", 1).port
