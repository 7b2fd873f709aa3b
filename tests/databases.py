"""The databases that stores are tested in: SQLite, and servers on this machine where there are any.

`TEST_POSTGRESQL_URL` and `TEST_MARIADB_URL` say where else they are. Each test works under app names of its own.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fullduplex.testing.proxy import FaultyProxy
from tests.needs import needs, required

_SERVERS = {
    "postgresql": ("asyncpg", os.environ.get("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test")),
    "mariadb": ("asyncmy", os.environ.get("TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/test")),
}
KINDS = ["sqlite", *_SERVERS]


def url_of(kind: str, folder: Path) -> str:
    """The URL of a database of this kind; the test is skipped where there is none."""
    needs("sqlalchemy")
    if kind == "sqlite":
        needs("aiosqlite")
        return f"sqlite:///{folder / 'test.db'}"
    driver, url = _SERVERS[kind]
    needs(driver)
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "127.0.0.1", place.port or 0), timeout=1).close()
    except OSError as error:
        message = f"needs {kind} at {place.hostname}:{place.port}: {error}"
        if kind in required():
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return url


@asynccontextmanager
async def fresh_database(kind: str, folder: Path) -> AsyncIterator[str]:
    """The URL of an empty database of this kind, which is gone afterwards."""
    url = url_of(kind, folder)
    if kind == "sqlite":
        yield url
        return
    name = f"test_{uuid.uuid4().hex}"
    await _execute(url, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        await _execute(url, f"DROP DATABASE {name}")


async def end_connections(kind: str, folder: Path, url: str) -> int:
    """Ends all connections to the database at `url`, and says how many there were."""
    name = urlsplit(url).path.removeprefix("/")
    if kind == "postgresql":
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        return len(await _execute(url_of(kind, folder), ended))
    threads = await _execute(url_of(kind, folder), f"SELECT id FROM information_schema.processlist WHERE db = '{name}'")
    for (thread,) in threads:
        await _execute(url_of(kind, folder), f"KILL {thread}")
    return len(threads)


@asynccontextmanager
async def behind_a_proxy(url: str) -> AsyncIterator[tuple[FaultyProxy, str]]:
    """A network that can be spoiled, and the URL that leads through it."""
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    async with FaultyProxy(place.hostname, place.port) as proxy:
        yield proxy, place._replace(netloc=place.netloc.replace(f":{place.port}", f":{proxy.port}")).geturl()


async def _execute(url: str, statement: str) -> list[Any]:
    from sqlalchemy import text

    from fullduplex.sessions.sql import open_engine

    engine = open_engine(url, {"isolation_level": "AUTOCOMMIT"})
    try:
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        await engine.dispose()
