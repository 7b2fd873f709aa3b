"""What the stores in SQL databases share: an engine for a plain URL, transactions that heal, columns, keys.

It knows no table. Imported only with SQLAlchemy there (extra `[db]`).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from fullduplex.errors import InvalidConfig, StoreUnavailable
from fullduplex.per_loop import PerLoop

TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# Where text is compared loosely by default, `café` and `cafe` would be one word.
TABLE_OPTIONS: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
PAUSES_S = (0.0, 0.2, 1.0, 3.0)
TIMEOUT_S = 30.0

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
}
_MAKING_ATTEMPTS = 5
# PostgreSQL's states and MySQL's numbers: of two transactions that wait for each other, or change what the other has
# read (1020, MariaDB from 11.6 on), the database ends one; and it is just starting, or nothing listens there.
_ENDED_FOR_OTHERS = {"40001", "40P01", "1213", "1020"}
_AWAY = {"57P03", "2003"}

T = TypeVar("T")


def async_url(url: str) -> str:
    """`url` with the asynchronous driver of its database, unless it names a driver itself."""
    name, separator, rest = url.partition("://")
    return f"{_DRIVERS.get(name, name)}{separator}{rest}"


def digest(*names: str) -> str:
    """A key for these names that no other names have: they may be long, and some databases compare text loosely."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def open_engine(url: str, options: dict[str, Any]) -> AsyncEngine:
    """An engine with SQLAlchemy's `options`, not connected yet; raises `InvalidConfig` when there can be none."""
    try:
        address = sa.make_url(async_url(url))
        if address.get_backend_name() == "sqlite" and "poolclass" not in options:
            # One connection: what is in memory lives in it, and in a file only one writes at a time. Waiting for it
            # here, in turn, is faster and fairer than in the file. Other processes are waited for there.
            one = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
            options = {**one, "connect_args": {"timeout": TIMEOUT_S}, **options}
        return create_async_engine(address, **options)
    except (SQLAlchemyError, TypeError) as error:
        raise InvalidConfig(f"there is no database to open: {error}") from None


async def upsert(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]], *, changes: Sequence[str] = ()
) -> None:
    """Inserts `rows`; where one with the same primary key is there, its columns `changes` are set, and no others.

    Give the rows in one order: two that insert the same then do not wait for each other.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    if connection.dialect.name in ("mysql", "mariadb"):
        # To change nothing is to set a key to what it is. IGNORE would keep other errors to itself, too.
        insert = mysql.insert(table)
        await connection.execute(
            insert.on_duplicate_key_update({name: insert.inserted[name] for name in changes or keys[:1]}), rows
        )
        return
    put = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    if changes:
        put = put.on_conflict_do_update(index_elements=keys, set_={name: put.excluded[name] for name in changes})
    else:
        put = put.on_conflict_do_nothing()
    await connection.execute(put, rows)


class _Home(NamedTuple):
    """What belongs to one event loop."""

    engine: AsyncEngine
    making: asyncio.Lock


class Database:
    """One database with the tables of `metadata`, which are made when they are missing.

    Several event loops may use it. What a loop has opened is closed with `close`, or when `asyncio.run` ends the loop.
    A given `engine` is never closed.
    """

    def __init__(
        self, metadata: sa.MetaData, *, url: str = "", options: dict[str, Any], engine: AsyncEngine | None = None
    ) -> None:
        self._metadata = metadata
        self._open = functools.partial(open_engine, url, options)
        self._given = engine
        self._next: AsyncEngine | None = engine or self._open()  # what cannot be opened is told at once
        self._homes = PerLoop(self._move_in, self._move_out)
        self._made = False

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]], *, single: bool = False) -> T:
        """What `work` returns, done in one transaction: all of it or nothing.

        It is done anew when the connection turns out to be broken, or when the database ended it in favour of another;
        a database that was there before is waited for, up to 4 s. `work` may thus find that it was already done.
        `single` says that it is one statement, which needs no transaction around it.
        Raises what `work` does, `IntegrityError`, and `StoreUnavailable`.
        """
        known = self._made
        for pause in (*PAUSES_S, None):
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await self._once(work, single)
            except IntegrityError:
                raise
            except TimeoutError as error:
                raise StoreUnavailable(f"The database did not answer within {TIMEOUT_S:g} s.") from error
            except (SQLAlchemyError, OSError) as error:
                if pause is None or not _may_pass(error, known):
                    raise StoreUnavailable(f"The database failed: {getattr(error, 'orig', None) or error}") from error
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Closes the connections that the running loop has opened."""
        await self._homes.close()

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[T]], single: bool) -> T:
        home = await self._homes.here()
        await self._make(home)
        async with home.engine.connect() as connection:
            if single and connection.dialect.name == "postgresql":  # elsewhere it would cost more than it saves
                connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            async with connection.begin():
                return await work(connection)

    def _move_in(self) -> _Home:
        engine, self._next = self._next or self._open(), self._given
        if self._made and engine is not self._given and _in_memory(engine.url):
            raise InvalidConfig("a database in memory ends with the event loop that opened it: give it a file")
        return _Home(engine, asyncio.Lock())

    async def _move_out(self, home: _Home) -> None:
        if home.engine is not self._given:
            await home.engine.dispose()

    async def _make(self, home: _Home) -> None:
        async with home.making:
            for attempt in range(1, _MAKING_ATTEMPTS + 1):
                if self._made:
                    return
                try:
                    async with home.engine.begin() as connection:
                        await connection.run_sync(self._metadata.create_all)
                    self._made = True
                except DBAPIError:  # another process makes them at this moment
                    if attempt == _MAKING_ATTEMPTS:
                        raise


def _in_memory(address: sa.URL) -> bool:
    return address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:")


def _may_pass(error: Exception, known: bool) -> bool:
    """Whether to try again. A database that has never answered is rather a wrong address."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError) and known
    codes = {str(getattr(error.orig, "sqlstate", "")), *map(str, getattr(error.orig, "args", ())[:1])}
    return bool(error.connection_invalidated or codes & _ENDED_FOR_OTHERS or (known and codes & _AWAY))
