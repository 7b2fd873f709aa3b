"""The tables of `DatabaseMemoryService`, and what is asked of them; imported with SQLAlchemy there.

Rows are keyed by digests: ids may be of any length and spelling, and some databases compare text loosely.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from fullduplex.memory.base import MemoryEntry, Said, entry_of
from fullduplex.sessions import Session
from fullduplex.types.content import Content

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
}
_ATTEMPTS = 5
_TEXT = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")
# Where text is compared loosely by default, `café` and `cafe` would be one word.
_OPTIONS: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}

_metadata = sa.MetaData()
_entries = sa.Table(
    "memory_entries",
    _metadata,
    sa.Column("entry", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(64), nullable=False, index=True),
    sa.Column("session", sa.String(64), nullable=False, index=True),
    sa.Column("app_name", _TEXT, nullable=False),
    sa.Column("user_id", _TEXT, nullable=False),
    sa.Column("session_id", _TEXT, nullable=False),
    sa.Column("event_id", _TEXT, nullable=False),
    sa.Column("author", _TEXT, nullable=False),
    sa.Column("said_at", sa.Double(), nullable=False),
    sa.Column("content", _TEXT, nullable=False),
    **_OPTIONS,
)
_words = sa.Table(
    "memory_words",
    _metadata,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("word", sa.String(64), primary_key=True),
    sa.Column("entry", sa.String(64), primary_key=True),
    **_OPTIONS,
)


class MemoryTables:
    """The two tables in one database: what was said, and which words stand in it."""

    def __init__(self, url: str, engine_options: dict[str, Any]) -> None:
        self._engine = create_async_engine(async_url(url), **engine_options)
        self._making = asyncio.Lock()
        self._made = False

    async def add(self, session: Session, said: list[Said]) -> None:
        """Adds what is not there yet. Others may add the same at the same time."""
        await self._make()
        scope = _digest(session.app_name, session.user_id)
        key = _digest(session.app_name, session.user_id, session.id)
        rows = {_digest(key, one.event_id): one for one in said}
        for attempt in range(1, _ATTEMPTS + 1):
            known = await self._known(key)
            new = {entry: one for entry, one in rows.items() if entry not in known}
            if not new:
                return
            try:
                await self._insert([_row(session, scope, key, *item) for item in new.items()], _index(scope, new))
                return
            except (IntegrityError, OperationalError):
                if attempt == _ATTEMPTS:
                    raise

    async def best(self, app_name: str, user_id: str, words: list[str], limit: int) -> list[MemoryEntry]:
        """The entries of this user that fit `words` best."""
        await self._make()
        scope = _digest(app_name, user_id)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_best(scope, words, limit))).all()
        return [
            entry_of(row.event_id, row.author, row.said_at, Content.model_validate_json(row.content)) for row in rows
        ]

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()

    async def _insert(self, entries: list[dict[str, Any]], words: list[dict[str, Any]]) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(_entries.insert(), entries)
            await connection.execute(_words.insert(), words)

    async def _known(self, session: str) -> set[str]:
        async with self._engine.connect() as connection:
            found = await connection.execute(sa.select(_entries.c.entry).where(_entries.c.session == session))
            return set(found.scalars())

    async def _make(self) -> None:
        async with self._making:
            if self._made:
                return
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    async with self._engine.begin() as connection:
                        await connection.run_sync(_metadata.create_all)
                    break
                except DBAPIError:  # another process makes them at this moment
                    if attempt == _ATTEMPTS:
                        raise
            self._made = True


def async_url(url: str) -> str:
    """`url` with the asynchronous driver of its database, unless it names a driver itself."""
    name, separator, rest = url.partition("://")
    return f"{_DRIVERS.get(name, name)}{separator}{rest}"


def _best(scope: str, words: list[str], limit: int) -> sa.Select[Any]:
    asked = (_words.c.scope == scope) & _words.c.word.in_(words)
    weights = (
        sa.select(_words.c.word, (1.0 / sa.func.count()).label("weight"))
        .where(asked)
        .group_by(_words.c.word)
        .subquery()
    )
    scores = (
        sa.select(_words.c.entry, sa.func.sum(weights.c.weight).label("score"))
        .join(weights, weights.c.word == _words.c.word)
        .where(asked)
        .group_by(_words.c.entry)
        .subquery()
    )
    return (
        sa.select(_entries.c.event_id, _entries.c.author, _entries.c.said_at, _entries.c.content)
        .join(scores, scores.c.entry == _entries.c.entry)
        .order_by(scores.c.score.desc(), _entries.c.said_at.desc())
        .limit(limit)
    )


def _row(session: Session, scope: str, key: str, entry: str, said: Said) -> dict[str, Any]:
    return {
        "entry": entry,
        "scope": scope,
        "session": key,
        "app_name": session.app_name,
        "user_id": session.user_id,
        "session_id": session.id,
        "event_id": said.event_id,
        "author": said.author,
        "said_at": said.timestamp,
        "content": said.content.model_dump_json(by_alias=True, exclude_none=True),
    }


def _index(scope: str, said: dict[str, Said]) -> list[dict[str, Any]]:
    # In one order: two that add the same do not wait for each other.
    words = sorted((word, entry) for entry, one in said.items() for word in one.words)
    return [{"scope": scope, "word": word, "entry": entry} for word, entry in words]


def _digest(*names: str) -> str:
    """A key for these names that no other names have."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
