"""The databases that memories are tested in: SQLite, and servers on this machine where there are any.

`TEST_POSTGRESQL_URL` and `TEST_MARIADB_URL` say where else they are. Each test works under app names of its own.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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
        return f"sqlite:///{folder / 'memory.db'}"
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
